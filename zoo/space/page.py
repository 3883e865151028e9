"""The demo's page: widgets and events; the computations are in ``zoo.space.engine``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import gradio as gr

from wzroi import images
from wzroi.channel import CHANNELS
from wzroi.metrics import METRICS, per_image
from wzroi.roi import ROI_ORIGINS
from zoo.paths import RESULTS
from zoo.rates import DEFAULT, rho_text
from zoo.results import plots
from zoo.results.files import results
from zoo.serving.gallery import PairEntry, gallery
from zoo.serving.request import MAX_SEED, SNR_RANGE, RequestError
from zoo.serving.variants import Variant
from zoo.space import cards, engine
from zoo.space.api import add_endpoints, entry_from, sentences
from zoo.space.device import hardware
from zoo.space.engine import SWEEP_SNRS, Request, Sent
from zoo.space.uploads import SIZES

LIVE_LIMIT = 2
"""Visitors served at the same time; the others wait in the queue."""

QUEUE_SIZE = 128
"""Queued requests before new ones are rejected as the demo is busy."""

DRAWS = 8
"""Channel draws per point of a sweep."""

INTRO = """# WZ-ROI: side information at the receiver, live
A camera sends **x** over a noisy channel with very few symbols. The receiver already has a correlated picture
**x_side** (a shifted crop of x, or the other camera's picture of a stereo pair); some variants are also guided by a
Grad-CAM region-of-interest map **M**. Drag SNR and bandwidth ratio and compare the networks."""

EMPTY = "The zoo of this Space has no networks: assemble it again with `python -m zoo space`, or set `WZROI_ZOO`."

CSS = cards.CSS + """
.gradio-container { max-width: 1240px !important; margin: 0 auto; }
.wz-slider img { image-rendering: pixelated; }
.wz-rate .tab-like-container, .wz-rate .min_value, .wz-rate .max_value { display: none; }
.wz-again { align-self: center; }
"""

FONTS = ["system-ui", "sans-serif"]
THEME = gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=["ui-monospace", "monospace"])
"""System fonts: none is downloaded."""

ROI_JS = "v => { document.documentElement.style.setProperty('--roi', v / 100); return v; }"
OVER_JS = "v => { document.documentElement.style.setProperty('--roi-over', v ? 'visible' : 'hidden'); return v; }"

PICK_JS = """element.addEventListener('click', event => {
  const button = event.target.closest('button[data-pair]');
  if (button) trigger('select', {pair: button.dataset.pair});
});"""
MARK_JS = """pair => document.querySelectorAll('.wz-thumbs button').forEach(
  button => button.setAttribute('aria-pressed', button.dataset.pair === pair))"""

EAGER_JS = "() => document.querySelectorAll('.wz-slider img').forEach(image => { image.loading = 'eager'; })"
"""Gradio would load the compared pictures lazily, from a height of zero, and the page would jump."""


def metric_choices() -> list[tuple[str, str]]:
    """(title, metric) of every metric that a sweep has."""
    return [(METRICS[key].title, key) for key in (*per_image(), "accuracy")]


def origin_choices() -> list[tuple[str, str]]:
    """(label, origin) of every ROI origin that pages offer."""
    return [(f"{key}: {row.label}", key) for key, row in ROI_ORIGINS.items() if row.shown]


EXAMPLES = {
    "Graceful degradation: a noisy channel": ["cifar-1", -2.0, "awgn", "side", 1],
    "A good channel": ["cifar-1", 15.0, "awgn", "side", 1],
    "Rayleigh fading": ["cifar-13", 5.0, "rayleigh", "side", 3],
    "Another picture's map": ["cifar-8", 5.0, "awgn", "shuffled", 0],
    "A real stereo pair": ["motorcycle", 5.0, "awgn", "side", 0],
}


class Values(NamedTuple):
    """The values of the controls, in the order in which events send them.

    Attributes:
        pair: a gallery identifier, overridden by ``picture`` (and ``right``). size: their working size in pixels.
        chosen: identifiers of variants. rate: position of the rate slider. before, after: what is compared.
    """

    pair: str
    picture: bytes | None
    right: bytes | None
    size: int
    chosen: list[str]
    rate: float
    snr: float
    channel: str
    roi: str
    seed: int | None
    before: str
    after: str


Controls = Mapping[str, Any]
"""The control of each field of ``Values``, in its order."""


def live_variants() -> list[Variant]:
    """Variants for the live controls: the lite tier, or all variants of a zoo without a lite tier."""
    known = engine.variants()
    return [variant for variant in known if variant.lite] or known


def rates(known: Sequence[Variant]) -> list[Fraction]:
    """The variants' values of 1/rho, fewest symbols first."""
    return sorted({rate for variant in known for rate in variant.names}, reverse=True)


def chosen_models(identifiers: Sequence[str], rate: Fraction) -> list[str]:
    """Model names of the chosen variants at a rate, in the catalogue's order."""
    return [v.names[rate] for v in engine.variants() if v.id in identifiers and rate in v.names]


def rate_at(position: float) -> Fraction:
    """1/rho at a position of the rate slider, 1 being the fewest symbols."""
    known = rates(live_variants())
    return known[min(max(int(position), 1), len(known)) - 1]


class CheckedControls(NamedTuple):
    """The checked values of the controls: the pair, how to send it, 1/rho."""

    entry: PairEntry
    request: Request
    rate: Fraction


def checked_controls(now: Values) -> CheckedControls:
    """Read the controls' values; raises PictureError or RequestError with a message for the visitor."""
    seed = -1 if now.seed is None else now.seed
    request = Request(now.snr, now.channel, now.roi, seed, rate_at(now.rate)).checked()
    return CheckedControls(entry_from(now.pair, now.picture, now.right, now.size), request, rate_at(now.rate))


def _control(entry: PairEntry, sents: Sequence[Sent]) -> Sent | None:
    base = next((sent for sent in sents if sent.model.startswith("deepjscc.")), None)
    return None if base is None else engine.paste(entry, base)


def _picture(which: str, entry: PairEntry, sents: Mapping[str, Sent]) -> images.Pixels | None:
    fixed = {"x": entry.pair.source[0], "x_side": entry.pair.side[0]}
    if which not in fixed and which not in sents:
        return None
    return cards.enlarged(fixed[which] if which in fixed else sents[which].report.reconstruction[0])


@sentences
def on_controls(*values: Any) -> tuple[str, Any]:
    """Update the page for the controls: the row of cards, and the two pictures to compare."""
    now = Values(*values)
    entry, request, rate = checked_controls(now)
    wanted = {*now.chosen, now.before, now.after}
    names = {v.id: v.names[rate] for v in engine.variants() if v.id in wanted and rate in v.names}
    sents = {key: engine.transmit_pair(entry, name, request) for key, name in names.items()}
    shown = [sent for key, sent in sents.items() if key in now.chosen]
    before, after = _picture(now.before, entry, sents), _picture(now.after, entry, sents)
    pair = None if before is None or after is None else (before, after)
    return cards.strip(entry, shown, _control(entry, shown), request.roi), pair


@sentences
def on_sweep(metric: str, *values: Any) -> Any:
    """Curves over SNR for the current picture, with a 95 % interval over the channel draws."""
    now = Values(*values)
    entry, request, rate = checked_controls(now)
    models = chosen_models(now.chosen, rate)
    engine.check_sweep(entry, models, SWEEP_SNRS, DRAWS)
    rows = engine.sweep(entry, models, list(SWEEP_SNRS), DRAWS, request)
    curves = [plots.Curve(engine.title_of(model), rows[model]) for model in models]
    return plots.sweep_figure(curves, metric, snr_db=request.snr_db)


@sentences
def on_published(metric: str, *values: Any) -> Any:
    """Curves on the CIFAR-10 test set, from the results files included with the zoo."""
    now = Values(*values)
    rate = rate_at(now.rate)
    measured = {model: results(model, RESULTS, rate) for model in chosen_models(now.chosen, rate)}
    curves = [plots.Curve(engine.title_of(model), found.rows) for model, found in measured.items() if found]
    if not curves:
        raise RequestError(
            "no test-set results are included for these variants: choose others, or sweep this picture"
        )
    return plots.sweep_figure(curves, metric, snr_db=now.snr)


@sentences
def on_paper(*values: Any) -> str:
    """The current picture through every paper-size network at the current rate."""
    entry, request, rate = checked_controls(Values(*values))
    models = chosen_models([v.id for v in engine.variants() if not v.lite], rate)
    if not models:
        raise RequestError(f"no paper-size network has the bandwidth ratio {rho_text(rate)}: choose another one")
    return cards.strip(entry, engine.transmit_on_gpu(entry, models, request), None, request.roi)


def pick(event: gr.EventData) -> tuple[str, None, None]:
    """The gallery pair that was clicked; it replaces an upload."""
    return str(event.pair), None, None


def rate_heading(position: float) -> str:
    """The rate slider's heading: the ratio, and the symbols of a 32x32 picture."""
    rate = rate_at(position)
    return f"Bandwidth ratio {rho_text(rate)} ({round(3072 / rate)} symbols for a 32x32 picture)"


def controls(known: Sequence[Variant]) -> Controls:
    """All controls, not yet placed on the page."""
    return dict(zip(Values._fields, [*_pair_controls(), *_variant_controls(known)], strict=True))


def _pair_controls() -> list[gr.components.Component]:
    held: dict[str, Any] = {"render": False}
    files: dict[str, Any] = {"type": "binary", "file_types": ["image"], "height": 130, **held}
    return [
        gr.Textbox(next(iter(gallery())), visible="hidden", label="Pair", **held),
        gr.File(label="Picture to send", **files),
        gr.File(label="Right picture of a stereo pair (optional)", **files),
        gr.Radio(SIZES, value=64, label="Longer side, pixels", info="The networks were trained at 32.", **held),
    ]


def _variant_controls(known: Sequence[Variant]) -> list[gr.components.Component]:
    held: dict[str, Any] = {"render": False}
    titles = [(variant.title, variant.id) for variant in known]
    ends = [("x, at the camera", "x"), ("x_side, at the receiver", "x_side"), *titles]
    first = [v.id for v in known if v.id.split(".")[1].startswith("rec")][:5] or [v.id for v in known][:5]
    ratios = rates(known)
    start = ratios.index(DEFAULT) + 1 if DEFAULT in ratios else len(ratios)
    return [
        gr.CheckboxGroup(titles, value=first, label="Variants", **held),
        gr.Slider(1, max(len(ratios), 2), start, step=1, label=rate_heading(start), elem_classes="wz-rate",
                  interactive=len(ratios) > 1, buttons=[], min_width=280, **held),
        gr.Slider(*SNR_RANGE, 5.0, step=0.5, label="SNR, dB per complex symbol", buttons=[], min_width=280,
                  **held),
        gr.Radio([(row.short, key) for key, row in CHANNELS.items()], value="awgn",
                 label="Channel", **held),
        gr.Dropdown(origin_choices(), value="side", label="Origin of the ROI map", **held),
        gr.Number(0, precision=0, minimum=0, maximum=MAX_SEED, label="Noise seed", min_width=110, **held),
        gr.Dropdown(ends, value=first[0], label="Left", min_width=200, **held),
        gr.Dropdown(ends, value=first[-1], label="Right", min_width=200, **held),
    ]  # fmt: skip


def build() -> gr.Blocks:
    """The page with its events and endpoints."""
    known = live_variants()
    with gr.Blocks(title="WZ-ROI", analytics_enabled=False, delete_cache=(600, 3600)) as demo:
        gr.Markdown(INTRO)
        if known:
            _build_widgets(controls(known))
        else:
            gr.Markdown(EMPTY)
        gr.Markdown(f"{hardware()} Uploaded pictures are deleted within two hours.")
        add_endpoints(LIVE_LIMIT)
        demo.load(None, None, None, js=EAGER_JS, api_visibility="private")
    return demo.queue(max_size=QUEUE_SIZE, default_concurrency_limit=LIVE_LIMIT)


def _build_widgets(now: Controls) -> None:
    _choose_pair(now)
    with gr.Row():
        now["snr"].render()
        now["rate"].render()
    first = on_controls(*(control.value for control in now.values()))
    strip = gr.HTML(first[0], elem_classes="wz-strip", padding=False)
    with gr.Row():
        with gr.Column(min_width=320):
            slider = _compare(now, first[1])
        with gr.Column(min_width=320):
            _options(now)
    live: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "always_last"}
    shared: dict[str, Any] = {"concurrency_limit": LIVE_LIMIT, "concurrency_id": "live"}
    changes = [control.change for control in now.values()]
    gr.on(changes, on_controls, [*now.values()], [strip, slider], **live, **shared)
    now["rate"].change(rate_heading_update, now["rate"], now["rate"], queue=False, **live)
    _curves(now, live)
    _paper(now, live)
    filled = [now[key] for key in ("pair", "snr", "channel", "roi", "seed")]
    gr.Examples([*EXAMPLES.values()], filled, label="Examples", example_labels=[*EXAMPLES], cache_examples=False,
                api_visibility="private")  # fmt: skip


def _choose_pair(now: Controls) -> None:
    """The gallery and the upload, each in a tab."""
    now["pair"].render()
    with gr.Tabs():
        with gr.Tab("Gallery"):
            thumbs = gr.HTML(cards.thumbnails(now["pair"].value), elem_classes="wz-thumbs", js_on_load=PICK_JS,
                             padding=False)  # fmt: skip
        with gr.Tab("Your pictures"):
            with gr.Row():
                now["picture"].render()
                now["right"].render()
            now["size"].render()
    quiet: dict[str, Any] = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
    thumbs.select(pick, None, [now["pair"], now["picture"], now["right"]], **quiet)
    now["pair"].change(None, now["pair"], None, js=MARK_JS, api_visibility="private")


def _compare(now: Controls, pair: Any) -> gr.ImageSlider:
    with gr.Row():
        now["before"].render()
        now["after"].render()
    return gr.ImageSlider(pair, format="png", show_label=False, interactive=False, max_height=540,
                          elem_classes="wz-slider", buttons=["fullscreen"])  # fmt: skip


def _options(now: Controls) -> None:
    now["chosen"].render()
    with gr.Row():
        opacity = gr.Slider(0, 100, 50, step=5, label="Opacity of the map, %", buttons=[])
        over = gr.Checkbox(False, label="Also over the reconstructions", min_width=120)
    opacity.change(None, opacity, None, js=ROI_JS, api_visibility="private")
    over.change(None, over, None, js=OVER_JS, api_visibility="private")
    now["roi"].render()
    now["channel"].render()
    with gr.Row():
        now["seed"].render()
        again = gr.Button("New noise", size="md", min_width=140, elem_classes="wz-again")
    again.click(lambda: secrets.randbelow(100_000), None, now["seed"], queue=False, api_visibility="private")


def _curves(now: Controls, live: dict[str, Any]) -> None:
    with gr.Accordion("Curves over SNR", open=False):
        with gr.Row():
            metric = gr.Dropdown(metric_choices(), value="psnr", label="Metric", min_width=120)
            mine = gr.Button(f"Sweep this picture ({DRAWS} draws per point)", variant="primary", min_width=160)
            published = gr.Button("CIFAR-10 test set", min_width=160)
        plot = gr.Plot(show_label=False)
    asked = {**live, "trigger_mode": "once", "show_progress": "minimal"}
    mine.click(on_sweep, [metric, *now.values()], plot, **asked, concurrency_limit=1, concurrency_id="sweep")
    published.click(on_published, [metric, *now.values()], plot, **asked)


def _paper(now: Controls, live: dict[str, Any]) -> None:
    """Paper-size networks, if the zoo has some in addition to the lite ones."""
    if {variant.lite for variant in engine.variants()} != {True, False}:
        return
    with gr.Accordion("Paper-size networks (on a shared GPU)", open=False):
        button = gr.Button("Send this picture through them", variant="primary")
        strip = gr.HTML(padding=False)
    asked = {**live, "trigger_mode": "once", "show_progress": "minimal"}
    button.click(on_paper, [*now.values()], strip, **asked, concurrency_limit=1, concurrency_id="sweep")


def rate_heading_update(position: float) -> Any:
    """The rate slider under its new heading."""
    return gr.update(label=rate_heading(position))
