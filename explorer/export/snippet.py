"""Python code that reproduces a frame's numbers, printed with the digits that the page shows."""

from __future__ import annotations

from explorer.compute.engine import Frame, Request
from zoo.serving.request import RequestError
from zoo.serving.variants import is_flexible

LINES = """import torch
import wzroi, zoo
from explorer.compute.pair_sources import find_entry
from wzroi.link import measure, source_weight
from wzroi.pairs import pair_source
{imports}
device = {device!r}
entry = find_entry({pair!r})
pair = entry.pair.to(device)


def report(name, picture, judge):
    psnr, ssim, roi_psnr = measure(picture, pair, source_weight(judge, pair))
    chance, best = judge(picture).softmax(1)[0].max(0)
    print(f"{{name}}: PSNR {{float(psnr):.2f}} dB, SSIM {{float(ssim):.3f}}, ROI-PSNR {{float(roi_psnr):.2f}} dB, "
          f"{{wzroi.CLASSES[int(best)]}} {{100 * float(chance):.0f}} %")


def transmit(name, judge):
    model = zoo.load(name, device)
    roi = {roi}
    symbols = {symbols}
    generator = torch.Generator().manual_seed({seed})
    channel = wzroi.sample_channel({channel!r}, {snr}, 1, symbols, generator=generator, device=device)
    return wzroi.run_link(model, pair, channel, roi, judge).reconstruction


for name, judge in {models}:
    judge = zoo.load_judge(judge, device)
    report(name, transmit(name, judge), judge)
"""

PASTE = """
judge = zoo.load_judge({judge!r}, device)
report("paste", pair_source(entry.source).paste(transmit({model!r}, judge), pair.side), judge)
"""

ROI_LINES = {
    "shuffled": "wzroi.roi_map(judge, with_neighbour(entry).to(device), 'shuffled')[:1]",
    "normal": "wzroi.roi_map(judge, pair, 'normal', generator=torch.Generator().manual_seed({seed}))",
}


def python_lines(frame: Frame, judges: dict[str, str], device: str) -> str:
    """Python that prints a frame's numbers in a fresh process at the project's root.

    Args:
        judges: name of the judge of each network of the frame.

    Raises:
        RequestError: for an upload, which only its visitor has, or without a judge.
    """
    request = frame.request
    if request.pair.startswith("upload:"):
        raise RequestError(
            "code that reproduces these numbers needs a picture that everyone has: choose one from the "
            "gallery or from CIFAR-10, or send yours with `python -m zoo transmit PICTURE`"
        )
    if not judges or set(judges) != set(request.models):
        raise RequestError("the zoo has no judge for these networks: pull or train one")
    imports, symbols = symbols_lines(request)
    imports += "from zoo.serving.gallery import with_neighbour\n" * (request.roi == "shuffled")
    text = LINES.format(
        imports=imports,
        device=device,
        pair=request.pair,
        roi=roi_line(request),
        seed=request.seed,
        channel=request.channel,
        snr=request.snr_db,
        models=[(name, judges[name]) for name in request.models],
        symbols=symbols,
    )
    if frame.paste is None:
        return text
    control = frame.paste.model
    judge = judges.get(control) or str(frame.judge)
    return text + PASTE.format(judge=judge, model=control)


def symbols_lines(request: Request) -> tuple[str, str]:
    """The import, if any, and the expression for a picture's symbols: at the requested rate for a flexible network."""
    if any(is_flexible(name) for name in request.models):
        return "from zoo.rates import symbols_at\n", f"symbols_at(model, *entry.size, {request.rate})"
    return "", "model.num_symbols(*entry.size)"


def roi_line(request: Request) -> str:
    """The expression that computes the ROI map of an origin."""
    return ROI_LINES.get(request.roi, "wzroi.roi_map(judge, pair, {roi!r})").format(roi=request.roi, seed=request.seed)
