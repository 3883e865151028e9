"""Pair sources: where the crop comes from, where it goes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.shared import pictures, small_model
from wzroi import CropPair, StereoPair, make_pair, run_link, sample_channel


def test_the_papers_crop() -> None:
    images = pictures(3)
    pair = make_pair(images)
    assert torch.equal(pair.side[:, :, :20, :20], images[:, :, 12:32, 12:32])
    assert pair.side[:, :, 20:].abs().sum() == 0
    assert pair.side[:, :, :, 20:].abs().sum() == 0
    assert pair.source is images
    known = CropPair().paste(torch.zeros(1, 1, 32, 32), torch.ones(1, 1, 32, 32)).mean().item()
    assert known == pytest.approx(0.39, abs=0.001)


def test_paste_puts_the_known_pixels_back_and_nothing_else() -> None:
    images = pictures(2)
    pair = make_pair(images)
    blank = torch.full_like(images, 0.5)
    pasted = CropPair().paste(blank, pair.side)
    assert torch.equal(pasted[..., 12:, 12:], images[..., 12:, 12:])
    assert (pasted[..., :12, :] == 0.5).all()
    assert (pasted[..., :, :12] == 0.5).all()
    assert (blank == 0.5).all()


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(8, 70), width=st.integers(8, 70),
    crop=st.integers(1, 32).flatmap(lambda n: st.tuples(st.integers(0, 32 - n), st.integers(0, 32 - n), st.just(n))),
)
def test_any_crop_at_any_size_pastes_back(height: int, width: int, crop: tuple[int, int, int]) -> None:
    source, images = CropPair(*crop), pictures(1, height, width)
    row, column, rows, columns = source.box(height, width)
    assert 0 <= row < row + rows <= height
    assert 0 <= column < column + columns <= width
    pasted = source.paste(images, source.side_of(images))
    assert torch.equal(pasted, images)


@pytest.mark.parametrize("crop", [(13, 12, 20), (12, 13, 20), (-1, 0, 4), (0, 0, 0), (0, 0, 33)])
def test_a_crop_outside_the_picture_is_refused(crop: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="inside a 32x32 frame"):
        CropPair(*crop)


def test_stereo_takes_the_other_picture_as_it_is() -> None:
    left, right = pictures(1, 24, 40), pictures(1, 24, 40, seed=1)
    pair = make_pair(left, source="stereo", side=right)
    assert pair.side is right
    assert torch.equal(StereoPair().paste(left, right), right)


def test_sources_say_what_they_are() -> None:
    assert CropPair(1, 2, 3).name == "crop(row=1, column=2, size=3)"
    assert StereoPair().name == "stereo"


def test_moving_a_pair_keeps_its_parts() -> None:
    pair = make_pair(pictures(2), torch.tensor([1, 2])).to("cpu")
    assert pair.label.tolist() == [1, 2]
    assert make_pair(pictures(2)).to("cpu").label is None


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 32, 32), r"\[B, 3, H, W\]"),
        (torch.zeros(1, 1, 32, 32), r"\[B, 3, H, W\]"),
        (torch.zeros(1, 4, 32, 32), r"\[B, 3, H, W\]"),
        (torch.zeros(0, 3, 32, 32), r"\[B, 3, H, W\]"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "float"),
        (torch.full((1, 3, 32, 32), 255.0), "divide 8-bit pixels by 255"),
        (torch.full((1, 3, 32, 32), -0.1), r"\[0, 1\]"),
        (torch.full((1, 3, 32, 32), torch.nan), r"\[0, 1\]"),
    ],
)
def test_bad_pictures_are_refused(images: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_pair(images)
    with pytest.raises(ValueError, match=message):
        make_pair(pictures(1), source="stereo", side=images)


def test_other_mistakes_are_named() -> None:
    images = pictures(2)
    with pytest.raises(ValueError, match="unknown pair source 'mirror'; choose one of crop, crop_placed, stereo"):
        make_pair(images, source="mirror")
    with pytest.raises(ValueError, match="unknown pair source 'mirror'"):
        make_pair(images, source="mirror", side=images)
    with pytest.raises(ValueError, match=r"same size.*32, 32.*32, 36"):
        make_pair(images, source="stereo", side=pictures(2, 32, 36))
    with pytest.raises(ValueError, match="stereo pair has its own side image"):
        make_pair(images, source="stereo")
    with pytest.raises(ValueError, match=r"labels must have shape \[2\]"):
        make_pair(images, torch.tensor([1]))


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16, np.float64, np.float32])
def test_any_float_type_becomes_float32(kind: object) -> None:
    image = pictures(1)
    asked = image.to(kind) if isinstance(kind, torch.dtype) else image.numpy().astype(kind)  # type: ignore[arg-type]
    for pair in (make_pair(asked), make_pair(asked, source="stereo", side=asked)):
        assert pair.source.dtype == pair.side.dtype == torch.float32
        torch.testing.assert_close(pair.source, image, atol=1e-2, rtol=0)
    network = small_model("deepjscc_wz")
    channel = sample_channel("awgn", 5.0, 1, network.num_symbols(32, 32), generator=torch.Generator().manual_seed(0))
    assert run_link(network, make_pair(asked), channel).reconstruction.dtype == torch.float32


def test_an_array_is_copied() -> None:
    array = pictures(1).numpy()
    pair = make_pair(array)
    array[:] = 0
    assert float(pair.source.max()) > 0


@pytest.mark.parametrize(("wrong", "sentence"), [
    (np.zeros((1, 32, 32, 3), np.float32), r"permute\(0, 3, 1, 2\)"),
    (torch.zeros(32, 32, 3), r"permute\(2, 0, 1\)\[None\]"),
    (np.zeros((1, 3, 32, 32), np.uint8), "must be float"), ([[0.0]], "tensor or a NumPy array"),
    (np.full((1, 3, 32, 32), 255.0), "divide 8-bit"),
])  # fmt: skip
def test_what_is_no_picture_is_refused_at_once(wrong: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make_pair(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=sentence):
        make_pair(pictures(1), source="stereo", side=wrong)  # type: ignore[arg-type]
