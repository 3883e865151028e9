"""What the server runs: the script of each visit, its own routes, and background tasks."""
