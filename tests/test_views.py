"""Pictures and figures: pure functions of tensors and rows."""

from __future__ import annotations

import io
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, pictures
from PIL import Image

from wzroi import views


def test_pixels_are_rounded_and_clipped() -> None:
    image = torch.tensor([0.0, 1.0, 0.5, 1.7]).reshape(1, 1, 4).expand(3, 1, 4)
    assert views.to_pixels(image)[0, :, 0].tolist() == [0, 255, 128, 255]
    with pytest.raises(ValueError, match="take one image of the batch"):
        views.to_pixels(pictures(1))


def test_png_keeps_every_pixel() -> None:
    pixels = views.to_pixels(pictures(1)[0])
    again = np.asarray(Image.open(io.BytesIO(views.png_bytes(pixels))))
    assert np.array_equal(again, pixels)


def test_enlargement_repeats_pixels() -> None:
    pixels = views.to_pixels(pictures(1, 8, 12)[0])
    large = views.enlarge(pixels, 5)
    assert large.shape == (40, 60, 3)
    assert np.array_equal(large[2::5, 2::5], pixels)
    assert len(np.unique(large.reshape(-1, 3), axis=0)) == len(np.unique(pixels.reshape(-1, 3), axis=0))
    with pytest.raises(ValueError, match="at least 1"):
        views.enlarge(pixels, 0)


def test_error_map_has_one_scale() -> None:
    source = torch.zeros(3, 1, 3)
    shifted = source + torch.tensor([0.0, views.ERROR_SCALE, 0.9])
    colours = views.error_map(shifted, source)[0]
    assert colours[0].tolist() == [0, 0, 4]
    assert colours[1].tolist() == colours[2].tolist() == [252, 255, 164]
    with pytest.raises(ValueError, match="shapes differ"):
        views.error_map(source, source[..., :2])


@pytest.mark.parametrize("anchors", [views.CIVIDIS, views.INFERNO])
def test_colour_maps_grow_in_luminance(anchors: tuple[str, ...]) -> None:
    table = views.colour_table(anchors).astype(float)
    luminance = table @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -0.6).all()
    assert luminance[-1] - luminance[0] > 150


def test_roi_overlay_tints_where_the_map_is_high() -> None:
    image = torch.full((3, 4, 4), 0.5)
    roi = torch.zeros(1, 4, 4)
    roi[0, 0, 0] = 1
    over = views.roi_overlay(image, roi, opacity=1.0)
    assert over[0, 0].tolist() == [254, 232, 56]
    assert (over[1:] == 128).all()
    assert np.array_equal(views.roi_overlay(image, roi, opacity=0.0), views.to_pixels(image))
    with pytest.raises(ValueError, match="opacity"):
        views.roi_overlay(image, roi, opacity=1.5)


def test_roi_layer_takes_any_numbers() -> None:
    roi = torch.tensor([math.nan, -3.0, 0.5, 7.0]).reshape(1, 2, 2)
    assert views.roi_layer(roi)[..., 3].flatten().tolist() == [0, 0, 128, 255]


def test_tiles_are_stacked() -> None:
    first, second = views.to_pixels(pictures(1, 6, 9)[0]), views.roi_layer(torch.rand(1, 6, 9))
    sheet = views.stack_tiles([first, second])
    assert sheet.shape == (12, 9, 4)
    assert np.array_equal(sheet[:6, :, :3], first)
    assert (sheet[:6, :, 3] == 255).all()
    assert np.array_equal(sheet[6:], second)
    with pytest.raises(ValueError, match="of one size"):
        views.stack_tiles([first, second[:3]])


def rows(*points: tuple[float, float]) -> list[dict[str, float]]:
    return [{"snr_db": snr, "psnr_mean": mean, "psnr_ci95": 0.5} for snr, mean in points]


def test_sweep_draws_lines_bands_and_the_present_point() -> None:
    curves = [views.Curve("a", rows((5, 23.0), (0, 20.0))), views.Curve("b", [{"snr_db": 0.0}])]
    figure = views.sweep_figure(curves, "psnr", {"a": 22.0, "b": math.nan}, snr_db=2.5)
    band, line, ring = figure.data
    assert list(line.x) == [0, 5]
    assert list(line.y) == [20.0, 23.0]
    assert list(band.y) == [20.5, 23.5, 22.5, 19.5]
    assert (list(ring.x), list(ring.y)) == ([2.5], [22.0])
    with pytest.raises(ValueError, match="unknown metric"):
        views.sweep_figure(curves, "mse")


def test_class_figure_names_the_truth() -> None:
    figure = views.class_figure({"x": [0.1] * 10, "y": [0.0] * 9 + [1.0]}, truth=3)
    assert len(figure.data) == 2
    assert figure.data[0].x[3] == "<b>cat</b>"
    assert list(figure.data[1].y)[-1] == 1.0


def test_constellation_is_thinned() -> None:
    symbols = torch.complex(torch.randn(10_000), torch.randn(10_000))
    figure = views.constellation_figure(symbols, symbols[:7])
    received, sent = figure.data
    assert len(received.x) == 7
    assert len(sent.x) <= views.MAX_POINTS


def test_plotly_is_imported_late() -> None:
    code = "import sys, wzroi.views; sys.exit('plotly' in sys.modules or 'streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
