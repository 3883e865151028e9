"""The Hub client, its cache, and whether it may use the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from zoo.environment import expanded


def api(token: str | None = None) -> Any:
    """The Hub client, at ``$HF_ENDPOINT`` if that is set."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token, library_name="wzroi")


def cache_folder() -> Path:
    """The Hub's cache: ``$HF_HUB_CACHE``, or the client's default."""
    from huggingface_hub import constants

    return expanded(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)


def offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` forbids network access."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)
