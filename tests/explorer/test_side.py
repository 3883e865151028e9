"""The perturbed side image: what is done to it, its key and link, and the Side information page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from explorer.compute import engine, pair_sources, perturbation, perturbation_curve
from explorer.compute.perturbation import REST, Perturbation
from explorer.export import snippet
from explorer.export.frame import judges_of
from explorer.pages import side as side_page
from explorer.ui import state, tables
from tests.support.shared import pictures
from wzroi.pairs import CropPair
from zoo.serving.gallery import with_neighbour

FOUR = tuple(f"{name}.rec_r16_lite" for name in ("deepjscc", "deepjscc_wz", "deepjscc_wz_sft", "deepjscc_wz_roi"))
CAT = "gallery:cifar-0"


@pytest.fixture(autouse=True)
def in_use(explorer_zoo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fixture zoo behind the explorer."""
    monkeypatch.setenv("WZROI_ZOO", str(explorer_zoo))
    engine.forget_zoo_index()
    yield
    engine.forget_zoo_index()


def side(**changes: object) -> torch.Tensor:
    return perturbation.perturbed(pair_sources.find_entry(CAT), Perturbation()._replace(**changes)).pair.side


CROP = pair_sources.find_entry(CAT).pair.source[..., 12:32, 12:32]


def test_nothing_done_is_the_pair_itself() -> None:
    entry = pair_sources.find_entry(CAT)
    assert perturbation.perturbed(entry, REST) is entry
    assert REST.on(CAT) == CAT
    assert torch.equal(perturbation.side_of(entry, REST), entry.pair.side)


@pytest.mark.parametrize("dx, dy", [(12, 12), (-5, 3), (20, -20), (19, 0)])
def test_a_moved_crop_is_the_crop_elsewhere_and_cut_at_the_edge(dx: int, dy: int) -> None:
    wide = torch.zeros(1, 3, 96, 96)
    wide[..., 32 + dy : 52 + dy, 32 + dx : 52 + dx] = CROP
    assert torch.equal(side(dx=float(dx), dy=float(dy)), wide[..., 32:64, 32:64])


def test_in_its_place_in_x_the_crop_is_x() -> None:
    moved = side(dx=12.0, dy=12.0)
    source = pair_sources.find_entry(CAT).pair.source
    assert torch.equal(moved[..., 12:, 12:], source[..., 12:, 12:])
    assert float(moved[..., :12, :].abs().max()) == 0


def test_resize_blur_noise_swap_and_removal_do_what_they_say() -> None:
    double = side(scale=2.0)
    assert float((double[..., 20:, 20:]).mean()) > 0.05, "beyond 20x20 there is picture now"
    half = side(scale=0.5)
    assert float(half[..., 10:, :].abs().max()) == 0 < float(half[..., :10, :10].min())
    flat = side(blur=4.0)[..., :20, :20]
    assert float(flat.std()) < 0.8 * float(CROP.std())
    assert float(flat.mean()) == pytest.approx(float(CROP.mean()), abs=0.03)
    apart = side(noise=0.1)[..., :20, :20] - CROP
    assert float(apart.std()) == pytest.approx(0.1, rel=0.2)
    assert torch.equal(side(noise=0.1), side(noise=0.1)), "the same noise each time"
    ship = pair_sources.find_entry("gallery:cifar-1").pair.side
    assert torch.equal(side(other="cifar-1"), ship)
    assert float(side(removed=1, dx=3.0).abs().max()) == 0


def test_blur_keeps_a_flat_patch_and_spreads_a_point_by_its_deviation() -> None:
    assert torch.allclose(perturbation.blurred(torch.full((1, 3, 9, 9), 0.4), 1.3), torch.tensor(0.4))
    point = torch.zeros(1, 3, 41, 41)
    point[..., 20, 20] = 1
    spread = perturbation.blurred(point, 2.0)[0, 0].sum(dim=0)
    assert float((spread * (torch.arange(41) - 20).square()).sum()) == pytest.approx(4.0, rel=0.03)


def test_larger_and_stereo_pairs_keep_the_measure() -> None:
    key = pair_sources.UPLOADS.put(*_crop_upload())
    moved = pair_sources.find_entry(f"{key}#dx=4")
    assert torch.equal(moved.pair.side[..., 12:52], pair_sources.find_entry(key).pair.side[..., :40])
    stereo = pair_sources.find_entry("gallery:motorcycle#dx=-8")
    plain = pair_sources.find_entry("gallery:motorcycle")
    assert torch.equal(stereo.pair.side[..., :90], plain.pair.side[..., 30:])
    swapped = pair_sources.find_entry("gallery:motorcycle#other=cifar-3").pair.side
    assert swapped.shape == plain.pair.side.shape and not torch.equal(swapped, plain.pair.side)


def _crop_upload() -> tuple[pair_sources.Pair, str, str]:
    pair, source = pair_sources.upload_pair(pictures(1, 64, 96), None, 96)
    return pair, "a picture", source


NUMBERS = {
    name: st.integers(0, 20).map(lambda place, parameter=parameter: round(parameter.low + place * parameter.step, 2))
    for name, parameter in perturbation.PARAMETERS.items()
}


@given(st.fixed_dictionaries(NUMBERS), st.sampled_from(["", "cifar-3", "motorcycle"]), st.sampled_from([0, 1]))
@settings(max_examples=60, deadline=None)
def test_a_key_and_a_link_carry_a_perturbation(numbers: dict[str, float], other: str, removed: int) -> None:
    what = Perturbation(**{key: float(value) for key, value in numbers.items()}, other=other, removed=removed)
    assert perturbation.read_text(what.text) == what
    assert perturbation.read_query(perturbation.to_query(what)) == (what, [])
    assert what.on(what.on(CAT)) == what.on(CAT)
    assert perturbation.read_report(json.loads(json.dumps(what._asdict())), REST) == what
    entry = pair_sources.find_entry(what.on(CAT))
    assert 0 <= float(entry.pair.side.min()) <= float(entry.pair.side.max()) <= 1


@pytest.mark.parametrize("text", ["dx=99", "dx=nan", "blur=-1", "dz=1", "other=../x", "removed=2", "noise=", "dx", ","])
def test_a_perturbation_that_cannot_be_is_a_sentence(text: str) -> None:
    with pytest.raises(pair_sources.SourceError):
        pair_sources.find_entry(f"{CAT}#{text}")


@given(st.dictionaries(st.sampled_from(Perturbation._fields), st.text(max_size=30) | st.floats().map(str)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_link_gives_a_perturbation_that_can_be_shown(query: dict[str, str]) -> None:
    what, notices = perturbation.read_query(query)
    assert perturbation.read_text(what.text) == what
    assert len(notices) <= len(query)


def test_frames_of_perturbed_pairs_are_their_own() -> None:
    one = engine.Engine("cpu")
    rest = one.frame(engine.Request(CAT, FOUR))
    moved = one.frame(engine.Request(f"{CAT}#dx=6", FOUR))
    again = one.frame(engine.Request(CAT, FOUR))
    assert [result.psnr for result in again.results] == [result.psnr for result in rest.results]
    assert moved.results[0].psnr == rest.results[0].psnr, "DeepJSCC holds no side image"
    assert all(a.psnr != b.psnr for a, b in zip(moved.results[1:], rest.results[1:], strict=True))
    held = pair_sources.find_entry(f"{CAT}#dx=6").pair.side
    assert torch.equal(moved.paste.picture, CropPair().paste(moved.results[0].picture, held)), "unperturbed place"
    assert moved.side_only != rest.side_only


def test_another_pictures_map_stays_that_of_the_unperturbed_neighbour() -> None:
    pairs = [with_neighbour(pair_sources.find_entry(key)) for key in (CAT, f"{CAT}#blur=1")]
    assert torch.equal(pairs[0].side[1], pairs[1].side[1])


def test_the_lines_name_the_perturbed_pair() -> None:
    frame = engine.ENGINE.frame(engine.Request(f"{CAT}#dx=6", FOUR[:1]))
    assert f"find_entry('{CAT}#dx=6')" in snippet.python_lines(frame, judges_of(frame.request), "cpu")


def test_curves_pass_through_rest_and_the_present_value() -> None:
    asked = engine.Request(CAT, FOUR[:2])
    xs, found = perturbation_curve.along(asked, Perturbation(blur=0.7), "blur")
    assert xs == sorted(xs) and {0.0, 0.7, 4.0} <= set(xs)
    assert [(line.title, line.control) for line in found] == [
        ("DeepJSCC (rec)", False), ("DeepJSCC-WZ (rec)", False), ("Paste over DeepJSCC", True)]
    rest = engine.ENGINE.frame(asked)
    assert found[1].values["psnr"][xs.index(0.0)] == rest.results[1].psnr
    assert len(set(found[0].values["psnr"])) == 1
    figure = perturbation_curve.draw(xs, found, "blur", 0.7, "ssim")
    assert len(figure.data) == 3 and list(figure.data[1].y) == found[1].values["ssim"]


def test_tables_escape_what_they_show() -> None:
    text = tables.table("<b>", ["a", "b"], [("<i>", "1 & 2")])
    assert "<i>" not in text and "&lt;i&gt;" in text and "1 &amp; 2" in text


def opened(**query: str) -> AppTest:
    app = AppTest.from_string("import explorer.pages.side as shown\nshown.render()", default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def test_the_page_tells_what_the_perturbation_costs() -> None:
    app = opened(dx="6", snr="3", blur="nan")
    assert not app.exception and not app.error
    assert "blur=nan" in app.warning[0].value
    assert {key: app.query_params[key] for key in ("dx", "snr")} == {"dx": "6", "snr": "3"}
    assert "blur" not in app.query_params
    variants = engine.catalogue()
    view = state.View(variants=state.default_view(variants).variants, snr=3.0)
    frames = [engine.ENGINE.frame(view.request(variants)._replace(pair=key)) for key in (CAT, f"{CAT}#dx=6")]
    rows = side_page.rows_of(*frames)
    assert len(rows) == 5 and rows[0][3] == "+0.00 dB"
    assert rows[1][3] == f"{frames[1].results[1].psnr - frames[0].results[1].psnr:+.2f} dB"
    app.toggle(key="side_curves").set_value(True).run()
    assert not app.exception and not app.error


def test_the_component_is_told_what_can_be_done() -> None:
    told = json.loads(json.dumps(side_page.crop_data(Perturbation(dx=3.0))))
    assert list(told["rest"]) == list(Perturbation._fields), "the order of a key"
    assert told["state"]["dx"] == 3
    assert all("eq. 4" in parameter["tip"] for parameter in told["parameters"])
