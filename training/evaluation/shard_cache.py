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
    """A folder of measured parts, a safetensors file each.

    Args:
        folder: gone once everything is merged. depends: what must be equal for a part to be taken over.
    """

    def __init__(self, folder: Path, depends: dict[str, Any]) -> None:
        self.folder, self.depends = folder, json.dumps(depends, sort_keys=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def there(self, key: str) -> bool:
        """Whether a part was measured, with what it depends on as it is now."""
        try:
            with safe_open(self._path(key), "pt") as file:
                return (file.metadata() or {}).get("depends") == self.depends
        except (OSError, SafetensorError):
            return False

    def take(self, key: str, make: Callable[[], dict[str, Tensor]]) -> bool:
        """Measure a part unless it is there or another process is measuring it; returns whether it is there now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Timeout), FileLock(self.folder / f"{key}.lock", timeout=0):
            if not self.there(key):
                tensors, about = make(), {"depends": self.depends}
                write_atomically(self._path(key), lambda path: save_file(tensors, path, metadata=about))
        return self.there(key)

    def read(self, key: str) -> dict[str, Tensor]:
        """The tensors of a part that is there."""
        return load_file(self._path(key))

    def merging(self) -> FileLock:
        """Held by the command that merges the parts; the others wait for it."""
        return FileLock(self.folder.with_name(f"{self.folder.name}.lock"))

    def clear(self) -> None:
        """Forget all parts: the results file holds them now."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_name(f"{self.folder.name}.lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another network's parts lie beside it
            self.folder.parent.rmdir()
