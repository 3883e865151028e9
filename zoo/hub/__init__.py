"""A Hugging Face Hub repository as a checkpoint store: pull by name, push in one commit.

Only this package imports the Hub client.

The repository holds the same folders as ``zoo/checkpoints`` under the same names, ``registry.json``, a card, and the
results files under ``results/``. It is named by an argument or by ``$WZROI_REPO``, as ``USER/NAME`` or
``USER/NAME@revision``. Pulled files are kept in the Hub's own cache; every file is checked against the registry of the
revision it came from, and removed if it differs.
"""

from zoo.extras import need_extra
from zoo.hub.client import api, cache_folder, offline
from zoo.hub.errors import HubError, explained
from zoo.hub.pulling import cached_stores, pull
from zoo.hub.pushing import RESULTS, PushReport, push
from zoo.hub.remote import Progress, Remote, hub_entries, inspect
from zoo.hub.repositories import VARIABLE, Repository, repository

__all__ = [
    "RESULTS",
    "VARIABLE",
    "HubError",
    "Progress",
    "PushReport",
    "Remote",
    "Repository",
    "api",
    "cache_folder",
    "cached_stores",
    "explained",
    "hub_entries",
    "inspect",
    "offline",
    "pull",
    "push",
    "repository",
]

need_extra("hub", "a Hub repository")
