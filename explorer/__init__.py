"""The explorer: what ``app.py`` serves. ``engine`` computes, ``routes`` answers the page's requests, the rest draws."""
