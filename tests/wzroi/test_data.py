"""The split is fixed and disjoint, files are the official ones or refused, and test stays closed until asked for."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from wzroi import data
from wzroi.data import FOLDER, DataError, as_float, find_root, load_split, split_indices


@pytest.fixture(scope="module")
def training_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A root with five training files of the official form (one file, linked five times) and its MD5; no test file."""
    folder = tmp_path_factory.mktemp("cifar") / FOLDER
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (10_000, 3072), dtype=np.uint8)
    blob = pickle.dumps({"data": pixels, "labels": [i % 10 for i in range(10_000)]}, protocol=2)
    first = folder / "data_batch_1"
    first.write_bytes(blob)
    for i in range(2, 6):
        os.link(first, folder / f"data_batch_{i}")
    return folder.parent, hashlib.md5(blob).hexdigest()


@pytest.fixture
def root(training_files: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """``training_files`` taken for the official ones."""
    monkeypatch.setattr(data, "MD5", dict.fromkeys(data.MD5, training_files[1]))
    return training_files[0]


def test_splits_are_disjoint_and_whole() -> None:
    train, validation = split_indices("train"), split_indices("validation")
    assert (len(train), len(validation)) == (45_000, 5_000)
    assert torch.cat([train, validation]).sort().values.equal(torch.arange(50_000))
    assert torch.equal(split_indices("test"), torch.arange(10_000))


def test_the_split_is_the_one_the_zoo_was_trained_on() -> None:
    digest = hashlib.sha256(split_indices("validation").numpy().astype("<i8").tobytes()).hexdigest()
    assert digest == "85c2360580f6e7859b03f59c02f6d425c7de296a3f6bc7c9bbf63bb8b033bd74"


def test_training_splits_never_open_the_test_file(root: Path, opened_files: list[str]) -> None:
    train, validation = load_split("train", root), load_split("validation", root)
    assert not set(train.indices.tolist()) & set(validation.indices.tolist())
    read = [Path(path).name for path in opened_files if FOLDER in path]
    assert sorted(set(read)) == [f"data_batch_{i}" for i in range(1, 6)]
    with pytest.raises(DataError, match="test_batch"):
        load_split("test", root)


def test_pixels_labels_and_indices_belong_together(root: Path) -> None:
    with (root / FOLDER / "data_batch_1").open("rb") as handle:
        batch = pickle.load(handle)
    images = load_split("validation", root)
    assert images.pixels.dtype == torch.uint8
    for place in (0, 1, 4_999):
        index = int(images.indices[place])
        expected = batch["data"][index % 10_000].reshape(3, 32, 32)
        np.testing.assert_array_equal(images.pixels[place].numpy(), expected)
        assert int(images.labels[place]) == index % 10_000 % 10


def test_an_altered_file_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "test_batch").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match=r"not the official file.*delete it"):
        load_split("test", tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_an_absent_file_is_told_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"WZROI_DATA.*python -m training data"):
        load_split("train", tmp_path)
    with pytest.raises(ValueError, match="train, validation or test, not 'val'"):
        load_split("val", tmp_path)  # type: ignore[arg-type]


def test_the_folder_is_found(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_root([tmp_path, root]) is None  # only training files there
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "test_batch").touch()
    assert find_root([root, tmp_path]) == tmp_path
    monkeypatch.setenv("WZROI_DATA", str(tmp_path))
    assert data.default_root() == tmp_path


def test_as_float_is_on_zero_to_one() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(as_float(pixels), torch.arange(256).reshape(1, 1, 16, 16) / 255)


@pytest.mark.cifar10
def test_the_real_training_set(cifar10: Path) -> None:
    train = load_split("train", cifar10)
    assert train.pixels.shape == (45_000, 3, 32, 32)
    counts = torch.bincount(train.labels, minlength=10) + torch.bincount(load_split("validation", cifar10).labels)
    assert counts.tolist() == [5_000] * 10
    mean = as_float(train.pixels[:5_000]).mean(dim=(0, 2, 3))
    assert mean.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.01)  # published channel means: RGB order
