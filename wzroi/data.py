"""CIFAR-10 as uint8 tensors, with the fixed split: 45,000 train, 5,000 validation, 10,000 test.

Train and validation come from the official training files alone; the test file is opened for ``split="test"`` only.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

SPLIT_SEED = 20_241_107
"""Seed of the fixed permutation of the official training set; the last 5,000 are the validation set."""

VALIDATION = 5_000
FOLDER = "cifar-10-batches-py"

Split = Literal["train", "validation", "test"]

MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""The official release's checksums (as torchvision lists them)."""


class DataError(FileNotFoundError):
    """CIFAR-10 is missing or altered; the message says where it was searched for and how to get it."""


class Images(NamedTuple):
    """``pixels`` uint8 ``[n, 3, 32, 32]``, ``labels`` and ``indices`` into the official files int64 ``[n]``."""

    pixels: Tensor
    labels: Tensor
    indices: Tensor

    def to(self, device: torch.device | str) -> Images:
        """The same images on another device."""
        return Images(self.pixels.to(device), self.labels.to(device), self.indices.to(device))


def default_root() -> Path:
    """The folder in which CIFAR-10 is expected: ``$WZROI_DATA``, or ``~/.cache/wzroi``.

    Raises:
        DataError: if the user has no home folder and ``$WZROI_DATA`` does not name a whole path.
    """
    try:
        return Path(os.environ.get("WZROI_DATA") or "~/.cache/wzroi").expanduser()
    except RuntimeError as error:
        raise DataError("there is no home folder: set WZROI_DATA to the folder of CIFAR-10, or set HOME") from error


def _read_batch(root: Path, name: str) -> tuple[np.ndarray, list[int]]:
    path = root / FOLDER / name
    if not path.is_file():
        raise DataError(
            f"no CIFAR-10 at {path}: set WZROI_DATA to the folder that holds {FOLDER}/, or let torchvision download "
            f"it with `python -m training data --root {root}`"
        )
    blob = path.read_bytes()
    if hashlib.md5(blob).hexdigest() != MD5[name]:
        raise DataError(f"{path} is not the official file (its MD5 differs): delete it and fetch CIFAR-10 again")
    batch = pickle.loads(blob, encoding="latin1")  # safe: the checksum above shows that these are the official bytes
    return batch["data"], batch["labels"]


def split_indices(split: Split) -> Tensor:
    """Indices into the official training set (train, validation) or the official test set (test), int64, ascending."""
    if split == "test":
        return torch.arange(10_000)
    if split not in ("train", "validation"):
        raise ValueError(f"split must be train, validation or test, not {split!r}")
    order = torch.randperm(50_000, generator=torch.Generator().manual_seed(SPLIT_SEED))
    chosen = order[:-VALIDATION] if split == "train" else order[-VALIDATION:]
    return chosen.sort().values


def load_split(split: Split, root: Path | str | None = None) -> Images:
    """Read one split from ``root/cifar-10-batches-py``.

    Raises:
        DataError: if a file is missing or is not the official one.
    """
    folder = Path(root) if root is not None else default_root()
    names = ["test_batch"] if split == "test" else [f"data_batch_{i}" for i in range(1, 6)]
    indices = split_indices(split)
    batches = [_read_batch(folder, name) for name in names]
    pixels = torch.from_numpy(np.concatenate([data for data, _ in batches]).reshape(-1, 3, 32, 32))
    labels = torch.tensor([label for _, labels in batches for label in labels])
    return Images(pixels[indices], labels[indices], indices)


@dataclass(frozen=True)
class Dataset:
    """A row of ``DATASETS``.

    Attributes:
        title: in lists. size: height and width of its images in pixels.
        load: a split and the folder of the data (``None``: the default one) to its images.
        pairs: the pair source that makes the side images, a key of ``wzroi.pairs.PAIR_SOURCES``.
    """

    title: str
    size: tuple[int, int]
    load: Callable[[Split, Path | str | None], Images]
    pairs: str = "crop"


DATASETS: dict[str, Dataset] = {"cifar10": Dataset("CIFAR-10", (32, 32), load_split)}
"""Data set -> row. To add one, assign a row; only the evaluation may open its ``test`` split."""


def dataset_of(name: str) -> Dataset:
    """The row of a data set; raises ValueError with the names that there are."""
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name[:40]!r}; choose one of {', '.join(DATASETS)}")
    return DATASETS[name]


def as_float(pixels: Tensor) -> Tensor:
    """uint8 ``[..., H, W]`` to float in [0, 1]."""
    return pixels.float() / 255


def download(root: Path | str) -> None:
    """Download CIFAR-10 into ``root`` with torchvision, unless the official files are already there."""
    from torchvision.datasets import CIFAR10

    CIFAR10(str(root), download=True)


def find_root(candidates: Sequence[Path | str]) -> Path | None:
    """The first folder that holds the CIFAR-10 test file, or ``None``."""
    return next((Path(c) for c in candidates if (Path(c) / FOLDER / "test_batch").is_file()), None)
