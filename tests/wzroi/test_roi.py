"""ROI maps: Grad-CAM against the grad-cam package, no label and no source in the default, nothing left on the judge."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.shared import pictures, random_judge
from wzroi import ROI_ORIGINS, Judge, Pair, make_pair, roi_map
from wzroi.roi import gradcam, upscale


def rescaled(cam: np.ndarray) -> np.ndarray:
    """Each map to [0, 1], as the package does last."""
    low, high = cam.min(axis=(1, 2), keepdims=True), cam.max(axis=(1, 2), keepdims=True)
    return (cam - low) / np.maximum(high - low, 1e-12)


def package_cam(judge: Judge, images: Tensor, classes: Tensor | None, *, full_size: bool) -> np.ndarray:
    """The grad-cam package's map, by hooks and a backward pass through a copy; ``[B, h, w]``."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    twin = copy.deepcopy(judge).requires_grad_(True)
    targets = None if classes is None else [ClassifierOutputTarget(int(c)) for c in classes]
    with GradCAM(model=twin, target_layers=[twin.trunk[-1]]) as cam:
        if not full_size:
            height, width = judge.features(images).shape[-2:]
            cam.get_target_width_height = lambda _: (width, height)
        return cam(input_tensor=images, targets=targets)


@pytest.mark.parametrize("kind", ["resnet50", "resnet_lite"])
@pytest.mark.parametrize("labelled", [False, True])
def test_gradcam_equals_the_package(kind: str, labelled: bool) -> None:
    judge, images = random_judge(kind), pictures(3)
    classes = torch.tensor([7, 1, 4]) if labelled else None
    ours = gradcam(judge, images, classes)[:, 0].numpy()
    theirs = package_cam(judge, images, classes, full_size=False)
    assert theirs.max() > 0.99  # a map of zeros would agree with anything
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_roi_map_equals_the_package_at_picture_size() -> None:
    judge, pair = random_judge(), make_pair(pictures(3))
    ours = rescaled(roi_map(judge, pair)[:, 0].numpy())
    np.testing.assert_allclose(ours, package_cam(judge, pair.side, None, full_size=True), atol=1e-3)


def test_gradcam_is_eq_6_and_7_by_autograd() -> None:
    judge, images = random_judge(seed=3), pictures(2)
    activation = judge.features(images).requires_grad_(True)
    scores = judge.classify(activation)
    (gradient,) = torch.autograd.grad(scores.max(dim=1).values.sum(), activation)
    cam = (gradient.mean(dim=(2, 3), keepdim=True) * activation).sum(dim=1).relu().detach().numpy()
    np.testing.assert_allclose(gradcam(judge, images)[:, 0].numpy(), rescaled(cam), atol=1e-4)


@pytest.mark.parametrize("origin", ROI_ORIGINS)
def test_every_origin_gives_a_map(origin: str, judge: Judge, pair: Pair) -> None:
    roi = roi_map(judge, pair, origin, generator=torch.Generator().manual_seed(0))
    assert roi.shape == (4, 1, 32, 32)
    assert roi.isfinite().all()
    if not ROI_ORIGINS[origin].random:
        assert 0 <= roi.min() <= roi.max() <= 1


def test_the_default_is_the_map_of_the_side_image(judge: Judge, pair: Pair) -> None:
    expected = upscale(gradcam(judge, pair.side, judge(pair.side).argmax(1)), (32, 32))
    assert torch.equal(roi_map(judge, pair), expected)
    assert torch.equal(roi_map(judge, pair, "side"), expected)


@pytest.mark.parametrize("origin", ["side", "zeros", "normal", "shuffled"])
def test_a_receivers_map_never_depends_on_source_or_label(origin: str, judge: Judge, pair: Pair) -> None:
    """Not on their values, and not on their being there: both are absent at the receiver."""
    maps = [
        roi_map(judge, Pair(source, pair.side, label), origin, generator=torch.Generator().manual_seed(0))
        for source in (pair.source, pictures(4, seed=5), None)
        for label in (pair.label, (pair.label + 1) % 10, None)
    ]
    assert all(torch.equal(maps[0], other) for other in maps[1:])


def test_only_the_oracles_see_the_source_and_only_one_the_label(judge: Judge, pair: Pair) -> None:
    other_source, other_label = pair._replace(source=pictures(4, seed=5)), pair._replace(label=(pair.label + 1) % 10)
    assert not torch.equal(roi_map(judge, pair, "source"), roi_map(judge, other_source, "source"))
    assert torch.equal(roi_map(judge, pair, "source"), roi_map(judge, other_label, "source"))
    assert not torch.equal(roi_map(judge, pair, "source+label"), roi_map(judge, other_label, "source+label"))
    chosen = pair._replace(label=judge(pair.source).argmax(1))
    assert torch.equal(roi_map(judge, chosen, "source+label"), roi_map(judge, pair, "source"))


def test_oracle_is_in_the_frame_of_the_source(judge: Judge, pair: Pair) -> None:
    assert torch.equal(roi_map(judge, pair, "source"), upscale(gradcam(judge, pair.source), (32, 32)))


def test_shuffled_is_another_images_map(judge: Judge, pair: Pair) -> None:
    side, shuffled = roi_map(judge, pair, "side"), roi_map(judge, pair, "shuffled")
    for i in range(4):
        assert not torch.equal(side[i], shuffled[i])
        assert any(torch.equal(side[j], shuffled[i]) for j in range(4))


def test_a_constant_map_is_zeros_and_never_nan(judge: Judge) -> None:
    flat = copy.deepcopy(judge)
    with torch.no_grad():
        flat.head.weight.fill_(-1.0)  # every score falls with every activation: ReLU leaves nothing
    assert torch.equal(gradcam(flat, pictures(2)), torch.zeros(2, 1, 8, 8))
    with torch.no_grad():
        flat.head.weight.zero_()
    assert torch.equal(gradcam(flat, pictures(2)), torch.zeros(2, 1, 8, 8))


def test_a_constant_positive_map_is_zeros(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    def features(self: Judge, images: Tensor) -> Tensor:
        return torch.full((len(images), self.head.in_features, 8, 8), 0.7)

    monkeypatch.setattr(Judge, "features", features)
    flat = copy.deepcopy(judge)
    with torch.no_grad():
        flat.head.weight.fill_(0.5)
    assert torch.equal(gradcam(flat, pictures(2)), torch.zeros(2, 1, 8, 8))


def test_maps_span_zero_to_one_before_they_are_upscaled(judge: Judge, pair: Pair) -> None:
    cam = gradcam(judge, pair.source)
    assert torch.equal(cam.amin(dim=(1, 2, 3)), torch.zeros(4))
    torch.testing.assert_close(cam.amax(dim=(1, 2, 3)), torch.ones(4))


def test_maps_of_a_batch_do_not_mix(judge: Judge, pair: Pair) -> None:
    one = Pair(pair.source[2:3], pair.side[2:3], None)
    torch.testing.assert_close(roi_map(judge, pair)[2:3], roi_map(judge, one), atol=1e-5, rtol=0)


@pytest.mark.parametrize("trainable", [False, True])
def test_the_judge_is_left_as_it_was(trainable: bool, pair: Pair) -> None:
    judge = random_judge().requires_grad_(trainable)
    before = {key: value.clone() for key, value in judge.state_dict().items()}
    for origin in ("side", "source", "source+label", "shuffled"):
        assert not roi_map(judge, pair, origin).requires_grad
    assert all(p.grad is None and p.requires_grad is trainable for p in judge.parameters())
    assert all(torch.equal(before[key], value) for key, value in judge.state_dict().items())
    assert not judge.training
    for module in judge.modules():
        assert not module._forward_hooks
        assert not module._backward_hooks
        assert not module._forward_pre_hooks


def test_normal_comes_from_the_generator(judge: Judge, pair: Pair) -> None:
    maps = [roi_map(judge, pair, "normal", generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])
    assert maps[0].std().item() == pytest.approx(1, abs=0.05)
    assert maps[0].mean().item() == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(
    ("origin", "images", "labelled", "message"),
    [
        ("sides", 2, True, "unknown ROI origin 'sides'; choose one of side, source"),
        ("source+label", 2, False, "needs the true class"),
        ("normal", 2, True, "pass seed="),
        ("shuffled", 1, True, "at least two images"),
    ],
)
def test_bad_requests_name_the_mend(origin: str, images: int, labelled: bool, message: str, judge: Judge) -> None:
    pair = make_pair(pictures(images), torch.zeros(images, dtype=torch.long) if labelled else None)
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        roi_map(judge, pair, origin)


def test_any_picture_size_and_stereo_pairs(judge: Judge) -> None:
    left, right = pictures(1, 45, 62), pictures(1, 45, 62, seed=1)
    assert roi_map(judge, make_pair(left, source="stereo", side=right)).shape == (1, 1, 45, 62)


@pytest.mark.parametrize("origin", [name for name, row in ROI_ORIGINS.items() if row.draw is not None])
def test_a_drawn_map_depends_on_seed_and_image_alone(origin: str, judge: Judge, pair: Pair) -> None:
    """Not on the batch that the image is in: alone, second of four, or by its index in a data set."""
    whole = roi_map(judge, pair, origin, seed=3)
    one = Pair(pair.source[1:2], pair.side[1:2])
    assert torch.equal(roi_map(judge, one, origin, seed=3, indices=[1]), whole[1:2])
    assert torch.equal(roi_map(judge, Pair(pair.source[:1], pair.side[:1]), origin, seed=3), whole[:1])
    if ROI_ORIGINS[origin].random:
        assert not torch.equal(whole[0], whole[1])
        assert not torch.equal(roi_map(judge, pair, origin, seed=4), whole)


def test_random_maps_have_the_mean_and_deviation_that_they_name(judge: Judge) -> None:
    big = torch.rand(1, 3, 128, 128)
    for origin, mean, deviation in (
        ("normal", 0, 1), ("normal(0,0.25)", 0, 0.25), ("normal(0.25,0.25)", 0.25, 0.25),
        ("normal(mean=0.5,deviation=2)", 0.5, 2),
    ):
        roi = roi_map(judge, Pair(big, big), origin, seed=0)
        assert roi.mean() == pytest.approx(mean, abs=0.05 * deviation)
        assert roi.std() == pytest.approx(deviation, rel=0.03)
