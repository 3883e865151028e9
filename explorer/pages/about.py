"""The About page: how it works, what the numbers mean, the zoo's networks, limits, and what to cite."""

from __future__ import annotations

import streamlit as st

from explorer.compute.engine import ENGINE, zoo_index
from explorer.ui.layout import header, no_networks
from zoo.rates import rates_of, rho_text

HOW = """
**The problem.** Two cameras see the same scene. One sends its image *x* over a noisy channel with *k* complex
symbols, far fewer than the image has values; the other camera's image *x_side* is already at the receiver. Wyner and
Ziv showed that *x_side* helps even if the sender does not know it.

**The link.** A convolutional encoder turns *x* into symbols directly, without bits or error-correcting codes
(DeepJSCC), scaled to mean power one per symbol. The channel adds noise, or fading and noise. The decoder reconstructs
*x*:

| architecture | what its decoder sees |
|---|---|
| DeepJSCC | the received symbols |
| DeepJSCC-WZ | + features of *x_side*, from the same encoder |
| DeepJSCC-WZ-SFT | + spatial feature transforms (eq. 8): *x_side* scales and shifts the features, pixel by pixel |
| DeepJSCC-WZ-ROI | + the region of interest *M* as a condition: Grad-CAM (eqs. 6 and 7) of the judge, on *x_side* |

**Beyond the paper**, WZ-ROI-Flex is one network for every rate from 1/96 to 1/8 and every SNR from -5 to 20 dB: its
symbols are sent in order of importance, so that any prefix is valid, and both ends know the SNR. Its decoder finds
where *x_side* belongs, copies from it at full resolution, and knows where the crop described below comes from.

`rec` networks were trained for squared error, `task` networks also for the judge's classification of the
reconstruction (eq. 10).

**The pair.** For CIFAR-10, *x_side* is the 20x20 crop of *x* at row 12, column 12, moved to the top-left corner: 39 %
of *x*, in a shifted frame. Every network should therefore be compared with a control: **paste**, which copies those
pixels over DeepJSCC's output and learns nothing. **Side-only** is the judge on *x_side*, with nothing sent.

**The numbers.** SNR in dB per complex symbol. Bandwidth ratio ρ = k / (3HW) (eq. 3). PSNR per image, on RGB in
[0, 1]; SSIM with an 11x11 Gaussian window; ROI-PSNR weighs the squared error by the judge's Grad-CAM on *x*.

**ROI origins.** A receiver can compute only `side`. `source` and `source+label` use *x* and are marked as oracles;
`zeros`, `normal` and `shuffled` are controls. Networks marked *oracle ROI* were trained on the map of *x* for its true
class, as in the published code: they show what such a map would be worth to a decoder, which cannot have it.
"""

LIMITS = """
- The networks were trained on 32x32 photographs of ten classes and one kind of pair. Larger pictures and real stereo
  pairs work, but are outside the training data.
- They were trained at 5 dB; other SNRs show how they degrade. WZ-ROI-Flex was trained from -5 to 20 dB.
- The judge knows only ten classes and assigns one of them to every picture.
- One picture proves little: compare networks by the test-set curves and their intervals.
"""

CITE = """@inproceedings{tian_joint_roi,
  title  = {Joint {ROI} Guidance and Spatial Analysis for Task-Aware Distributed Deep Joint Source-Channel Coding},
  author = {Tian, Wenkai and Dong, Biao and Cao, Bin}
}"""


def table() -> list[dict[str, object]]:
    """The zoo's link networks as rows."""
    rows = []
    for name, entry in zoo_index().models.items():
        if entry.link is None:
            continue
        rates = rates_of(entry.link)
        ratios = " to ".join(dict.fromkeys(map(rho_text, (rates[0], rates[-1]))))
        rows.append({
            "network": name, "ρ": ratios, "N": entry.link.to_dict().get("width"),
            "parameters": entry.parameters, "PSNR at 5 dB": entry.metrics.get("psnr"),
            "accuracy at 5 dB": entry.metrics.get("accuracy"), "judge": entry.judge, "sha256": entry.sha256[:12],
        })
    return rows


def render() -> None:
    """Draw the page."""
    header("About", "How the explorer's networks work, what is measured, and what not to conclude from it.")
    st.markdown(HOW)
    st.header("Limits", anchor=False)
    st.markdown(LIMITS)
    st.header("The zoo", anchor=False)
    rows = table()
    if rows:
        st.dataframe(rows, hide_index=True)
    else:
        no_networks()
    st.caption(f"Running on {ENGINE.hardware()}. Test-set metrics: CIFAR-10, AWGN; empty if not yet measured.")
    st.header("Cite", anchor=False)
    st.code(CITE, language="bibtex", wrap_lines=True)
