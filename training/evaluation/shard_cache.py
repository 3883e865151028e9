"""Shards of a long measurement, each stored once it is done, so that commands can resume and share the work."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.fit.loop import write_atomically


class ShardCache:
    """A folder of measured shards, one safetensors file each.

    Args:
        folder: removed once everything is merged. depends: what must be equal for a shard to be reused.
    """

    def __init__(self, folder: Path, depends: dict[str, Any]) -> None:
        self.folder, self.depends = folder, json.dumps(depends, sort_keys=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def there(self, key: str) -> bool:
        """Whether a shard was measured under the current conditions."""
        try:
            with safe_open(self._path(key), "pt") as file:
                return (file.metadata() or {}).get("depends") == self.depends
        except (OSError, SafetensorError):
            return False

    def take(self, key: str, make: Callable[[], dict[str, Tensor]]) -> bool:
        """Measure a shard unless it exists or another process is measuring it; returns whether it exists now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Timeout), FileLock(self.folder / f"{key}.lock", timeout=0):
            if not self.there(key):
                tensors, about = make(), {"depends": self.depends}
                write_atomically(self._path(key), lambda path: save_file(tensors, path, metadata=about))
        return self.there(key)

    def read(self, key: str) -> dict[str, Tensor]:
        """The tensors of an existing shard."""
        return load_file(self._path(key))

    def merging(self) -> FileLock:
        """The lock of the command that merges the shards; the others wait for it."""
        return FileLock(self.folder.with_name(f"{self.folder.name}.lock"))

    def clear(self) -> None:
        """Delete all shards, once the results file contains them."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_name(f"{self.folder.name}.lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another network's parts lie beside it
            self.folder.parent.rmdir()
