"""The demo's named endpoints, for ``gradio_client``: plain values in, JSON and a PNG out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import gradio as gr

import zoo
from wzroi import images
from zoo.errors import ZooError
from zoo.rates import DEFAULT, Rate, check_rate, parse_rho, rho_text
from zoo.serving.gallery import PairEntry, gallery, gallery_entry
from zoo.serving.request import RequestError
from zoo.space import engine
from zoo.space.engine import Request
from zoo.space.uploads import upload_entry

P = ParamSpec("P")
Result = TypeVar("Result")


def sentences(function: Callable[P, Result]) -> Callable[P, Result]:
    """Turn the project's own errors into a message for the visitor."""

    @functools.wraps(function)
    def answered(*args: P.args, **kwargs: P.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except (ValueError, ZooError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    return answered


def entry_from(pair: str | None, picture: bytes | None, right: bytes | None, size: float | None) -> PairEntry:
    """The visitor's picture (or left and right one) if given, else the gallery pair."""
    if picture:
        if size is None or size != int(size):
            raise RequestError(f"the working size must be a whole number of pixels, not {size}")
        return upload_entry(picture, right or None, int(size))
    if picture is not None or right:
        raise RequestError("the picture to send is missing or empty: provide one picture, or a left and a right one")
    return gallery_entry(str(pair or next(iter(gallery()))))


def default_model() -> str:
    """The lite tier's ROI network for the task at the highest bandwidth ratio, else any network."""
    known = engine.variants()
    if not known:
        raise ZooError("the zoo of this Space has no link network: assemble it again with `python -m zoo space`")
    chosen = next((v for v in known if v.id == "deepjscc_wz_roi.task_lite"), known[-1])
    return chosen.names[min(chosen.names)]


@sentences
def list_variants() -> list[dict[str, Any]]:
    """Every link network here: name, title, bandwidth ratio, parameters, sha256 and its figures on the test set.

    The figures of a flexible network, which supports a range of bandwidth ratios, are those at 1/16.
    """
    rows = []
    for variant in engine.variants():
        for name, rates in variant.served():
            entry = zoo.describe(name)
            ratio = " to ".join(dict.fromkeys(map(rho_text, (rates[0], rates[-1]))))
            rows.append({
                "model": name, "title": variant.title, "bandwidth_ratio": ratio, "lite": variant.lite,
                "parameters": entry.parameters, "sha256": entry.sha256, "judge": entry.judge,
                "test_at_5_db": dict(entry.metrics),
            })  # fmt: skip
    return rows


@sentences
def list_pairs() -> list[dict[str, Any]]:
    """The gallery: identifier, title, whether it is a stereo pair, and the true class if known."""
    return [
        {"pair": key, "title": item.title, "stereo": item.other is not None, "label": item.label}
        for key, item in gallery().items()
    ]


def _rate_for(models: Sequence[str], rho: str) -> Rate:
    """1/rho for the flexible networks among these; raises ValueError if another one lacks this bandwidth ratio."""
    if not rho:
        return DEFAULT
    ratio = parse_rho(rho)
    for model in models:
        config = zoo.describe(engine.known_model(model)).link
        if config is not None:
            check_rate(config, ratio)
    return 1 / ratio


@sentences
def transmit(
    pair: str = "", picture: bytes | None = None, right: bytes | None = None, size: float = 64, model: str = "",
    snr_db: float = 5.0, channel: str = "awgn", roi: str = "side", seed: float = 0, rho: str = "",
) -> tuple[images.Pixels, dict[str, Any]]:
    """Send one pair through one link; returns the reconstruction as PNG and its metrics.

    Without ``picture`` the gallery's ``pair`` is sent; with only ``picture`` the receiver has a crop of it, with
    ``right`` the other camera's picture. Uploads are resized to ``size`` pixels on the longer side; ``rho`` is the
    bandwidth ratio of a flexible network, such as 1/24. Every argument has a default; without any, the gallery's first
    pair is sent. (Gradio treats a file as optional only if its default is ``None``.)
    """
    entry = entry_from(pair, picture, right, size)
    name = engine.known_model(model or default_model())
    request = Request(snr_db, channel, roi, seed, _rate_for([name], rho)).checked()  # type: ignore[arg-type]
    sent = (
        engine.transmit_pair(entry, name, request)
        if engine.is_lite(name)
        else engine.transmit_on_gpu(entry, [name], request)[0]
    )
    figures = {**request.to_dict(), "pair": entry.key, "pair_source": entry.source, "label": entry.label}
    figures["notes"] = list(entry.notes)
    return images.to_pixels(sent.report.reconstruction[0]), {**engine.numbers(sent), **figures}


def _as_list(values: object, what: str) -> list[Any]:
    if not isinstance(values, list):
        raise RequestError(f"{what} must be a list, e.g. {'[0, 5, 10]' if what == 'snrs' else [default_model()]}")
    return values


@sentences
def sweep(
    pair: str = "", picture: bytes | None = None, right: bytes | None = None, size: float = 64,
    models: list[str] | None = None, snrs: list[float] | None = None, draws: float = 8, channel: str = "awgn",
    roi: str = "side", seed: float = 0, rho: str = "",
) -> dict[str, list[dict[str, Any]]]:
    """Curves over SNR of one pair: model -> rows of means and 95 % half widths over ``draws`` channel draws."""
    entry = entry_from(pair, picture, right, size)
    names = _as_list([default_model()] if models is None else models, "models")
    levels = _as_list(list(engine.SWEEP_SNRS) if snrs is None else snrs, "snrs")
    engine.check_sweep(entry, names, levels, draws)  # type: ignore[arg-type]
    request = Request(levels[0], channel, roi, seed, _rate_for(names, rho)).checked()  # type: ignore[arg-type]
    return engine.sweep(entry, names, levels, int(draws), request)


def _pair_inputs() -> list[gr.components.Component]:
    return [
        gr.Textbox(next(iter(gallery())), label="Gallery pair"),
        gr.File(type="binary", label="Picture to send"),
        gr.File(type="binary", label="Right picture"),
        gr.Number(64, label="Working size"),
    ]


def _request_inputs() -> list[gr.components.Component]:
    return [
        gr.Textbox("awgn", label="Channel"), gr.Textbox("side", label="ROI origin"), gr.Number(0, label="Seed"),
        gr.Textbox("", label="Bandwidth ratio of a flexible network, e.g. 1/24 (empty: 1/16)"),
    ]  # fmt: skip


def add_endpoints(limit: int) -> None:
    """Add the endpoints to the page being built; each serves at most ``limit`` callers at once."""
    gr.api(list_variants, api_name="variants", concurrency_limit=None)
    gr.api(list_pairs, api_name="pairs", concurrency_limit=None)
    known = engine.variants()
    first = default_model() if known else ""
    with gr.Group(visible=False):
        sent = [*_pair_inputs(), gr.Textbox(first, label="Model"), gr.Number(5.0, label="SNR, dB"), *_request_inputs()]
        answer: Sequence[gr.components.Component] = [gr.Image(format="png", label="Reconstruction"), gr.JSON()]
        gr.Button().click(
            transmit, sent, answer, api_name="transmit", concurrency_limit=limit, concurrency_id="live",
        )  # fmt: skip
        lists = [gr.JSON([first], label="Models"), gr.JSON(list(engine.SWEEP_SNRS), label="SNRs, dB"), gr.Number(8)]
        gr.Button().click(
            sweep, [*_pair_inputs(), *lists, *_request_inputs()], gr.JSON(), api_name="sweep", concurrency_limit=1,
            concurrency_id="sweep",
        )  # fmt: skip
