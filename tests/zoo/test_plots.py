"""Figures drawn by Plotly: curves over SNR, class probabilities."""

from __future__ import annotations

import math

import pytest

from zoo.results import plots


def rows(*points: tuple[float, float]) -> list[dict[str, float]]:
    return [{"snr_db": snr, "psnr_mean": mean, "psnr_ci95": 0.5} for snr, mean in points]


def test_sweep_draws_lines_bands_and_the_present_point() -> None:
    curves = [plots.Curve("a", rows((5, 23.0), (0, 20.0))), plots.Curve("b", [{"snr_db": 0.0}])]
    figure = plots.sweep_figure(curves, "psnr", {"a": 22.0, "b": math.nan}, snr_db=2.5)
    band, line, ring = figure.data
    assert list(line.x) == [0, 5]
    assert list(line.y) == [20.0, 23.0]
    assert list(band.y) == [20.5, 23.5, 22.5, 19.5]
    assert (list(ring.x), list(ring.y)) == ([2.5], [22.0])
    with pytest.raises(ValueError, match="unknown metric"):
        plots.sweep_figure(curves, "mse")


def test_class_figure_names_the_truth() -> None:
    figure = plots.class_figure({"x": [0.1] * 10, "y": [0.0] * 9 + [1.0]}, truth=3)
    assert len(figure.data) == 2
    assert figure.data[0].x[3] == "<b>cat</b>"
    assert list(figure.data[1].y)[-1] == 1.0
