"""Pictures: pure functions of tensors."""

from __future__ import annotations

import io
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.shared import ROOT, pictures
from wzroi import images


def test_pixels_are_rounded_and_clipped() -> None:
    image = torch.tensor([0.0, 1.0, 0.5, 1.7]).reshape(1, 1, 4).expand(3, 1, 4)
    assert images.to_pixels(image)[0, :, 0].tolist() == [0, 255, 128, 255]
    with pytest.raises(ValueError, match="take one image of the batch"):
        images.to_pixels(pictures(1))


def test_png_keeps_every_pixel() -> None:
    pixels = images.to_pixels(pictures(1)[0])
    again = np.asarray(Image.open(io.BytesIO(images.png_bytes(pixels))))
    assert np.array_equal(again, pixels)


def test_enlargement_repeats_pixels() -> None:
    pixels = images.to_pixels(pictures(1, 8, 12)[0])
    large = images.enlarge(pixels, 5)
    assert large.shape == (40, 60, 3)
    assert np.array_equal(large[2::5, 2::5], pixels)
    assert len(np.unique(large.reshape(-1, 3), axis=0)) == len(np.unique(pixels.reshape(-1, 3), axis=0))
    with pytest.raises(ValueError, match="at least 1"):
        images.enlarge(pixels, 0)


def test_error_map_has_one_scale() -> None:
    source = torch.zeros(3, 1, 3)
    shifted = source + torch.tensor([0.0, images.ERROR_SCALE, 0.9])
    colours = images.error_map(shifted, source)[0]
    assert colours[0].tolist() == [0, 0, 4]
    assert colours[1].tolist() == colours[2].tolist() == [252, 255, 164]
    with pytest.raises(ValueError, match="shapes differ"):
        images.error_map(source, source[..., :2])


@pytest.mark.parametrize("anchors", [images.CIVIDIS, images.INFERNO])
def test_colour_maps_grow_in_luminance(anchors: tuple[str, ...]) -> None:
    table = images.colour_table(anchors).astype(float)
    luminance = table @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -0.6).all()
    assert luminance[-1] - luminance[0] > 150


def test_roi_overlay_tints_where_the_map_is_high() -> None:
    image = torch.full((3, 4, 4), 0.5)
    roi = torch.zeros(1, 4, 4)
    roi[0, 0, 0] = 1
    over = images.roi_overlay(image, roi, opacity=1.0)
    assert over[0, 0].tolist() == [254, 232, 56]
    assert (over[1:] == 128).all()
    assert np.array_equal(images.roi_overlay(image, roi, opacity=0.0), images.to_pixels(image))
    with pytest.raises(ValueError, match="opacity"):
        images.roi_overlay(image, roi, opacity=1.5)


def test_roi_layer_takes_any_numbers() -> None:
    roi = torch.tensor([math.nan, -3.0, 0.5, 7.0]).reshape(1, 2, 2)
    assert images.roi_layer(roi)[..., 3].flatten().tolist() == [0, 0, 128, 255]


def test_tiles_are_stacked() -> None:
    first, second = images.to_pixels(pictures(1, 6, 9)[0]), images.roi_layer(torch.rand(1, 6, 9))
    sheet = images.stack_tiles([first, second])
    assert sheet.shape == (12, 9, 4)
    assert np.array_equal(sheet[:6, :, :3], first)
    assert (sheet[:6, :, 3] == 255).all()
    assert np.array_equal(sheet[6:], second)
    with pytest.raises(ValueError, match="all of the same size"):
        images.stack_tiles([first, second[:3]])


def test_plotly_is_imported_late() -> None:
    code = "import sys, wzroi.images; sys.exit('plotly' in sys.modules or 'streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
