"""Training of the flexible network: where it starts, what it is trained on, and that it resumes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor

from tests.support.shared import pictures
from training.evaluation.ablation import PARTS, Condition, joined, parts_row, switched_off, tiles_of
from training.fit.flex_task import FlexTask, reduced_regression, start_transform
from training.fit.loop import fit
from training.fit.side_augmentation import SHARES, blind_sides, disparity, importance_maps, moved_crops
from training.fit.synthetic_data import rehearsal_split
from training.gaussian import Gaussian
from training.recipes import FlexTier, Schedule
from wzroi.channel import sample_channel
from wzroi.config import FlexConfig
from wzroi.data import Images, as_float
from wzroi.link import run_link
from wzroi.networks.alignment import TYPICAL, Alignment
from wzroi.networks.block_transform import WindowTransform
from wzroi.networks.flex import FlexJSCC
from wzroi.pairs import CropPair, make_pair

SCHEDULE = Schedule("adam", batch=8, epochs=0.5, lr=1e-3, final_lr=1e-4, ema=0.9)
TIER = FlexTier(FlexConfig(width=32, depth=1), "resnet_lite.cifar10", SCHEDULE, SCHEDULE)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def many() -> Tensor:
    """Generated training pictures, uint8, with more grain than a transform of full rank needs."""
    return rehearsal_split("train", 600).pixels


def made(pixels: Tensor, store: Path) -> FlexTask:
    """A task that starts from random weights: computing the transform takes long, and has a test of its own."""
    torch.manual_seed(0)
    images = Images(pixels, torch.zeros(len(pixels), dtype=torch.long), torch.arange(len(pixels)))
    network = FlexJSCC(TIER.config)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():  # what starts at zero would hide what feeds it
                parameter.normal_(std=0.01)
    return FlexTask(TIER, images, images, None, task=False, store=store, start=network.state_dict())


@pytest.fixture(scope="module")
def task(many: Tensor, tmp_path_factory: pytest.TempPathFactory) -> FlexTask:
    return made(many, tmp_path_factory.mktemp("roi"))


def test_the_transform_starts_as_the_klt(many: Tensor) -> None:
    """Coefficients are uncorrelated and of unit variance; the crop leaves what a linear estimate leaves."""
    transform = WindowTransform()
    gaussian = Gaussian(many)
    start_transform(transform, gaussian)
    windows = as_float(many).flatten(1)[:, None]
    with torch.no_grad():
        found = transform.analyse(windows, known_crop=False)[:, 0]
        assert torch.allclose(found[:, :50].square().mean(0), torch.ones(50), atol=0.05)
        back = transform.synthesise(transform.analyse(windows, known_crop=True), known_crop=True)[:, 0]
        known = (windows - transform.mean) * transform.crop_mask
        whole = back + transform.complete(known)[:, 0] + known[:, 0] + transform.mean
    error = (whole - windows[:, 0]).square().mean()
    left = gaussian.unknown.values[transform.known_crop_roots.numel() :].sum() / gaussian.size
    into, out = reduced_regression(gaussian, 192)
    full = gaussian.given.regression
    lost = full - (into @ out).T
    crop = gaussian.statistics.covariance[gaussian.held][:, gaussian.held]
    bound = left + (lost @ crop @ lost.T).trace() / gaussian.size
    assert float(error) < 1.3 * float(bound) + 1e-5


def test_side_images_are_of_every_kind() -> None:
    source = pictures(400)
    sides = blind_sides(source, seeded())
    crops = CropPair().side_of(source)
    same = (sides == crops).flatten(1).all(1).float().mean()
    none = (sides == 0).flatten(1).all(1).float().mean()
    useless = (sides == crops.roll(1, 0)).flatten(1).all(1).float().mean()
    for share, wanted in ((same, "crop"), (none, "none"), (useless, "useless")):
        assert abs(float(share) - SHARES[wanted]) < 0.07
    assert torch.equal(sides, blind_sides(source, seeded()))
    assert not torch.equal(sides, blind_sides(source, seeded(1)))
    assert bool(((sides >= 0) & (sides <= 1)).all())


def test_moved_crops_lie_elsewhere_and_disparity_bends() -> None:
    source = pictures(20)
    moved = moved_crops(source, seeded())
    areas = (moved.amax(1) > 0).sum((1, 2))
    assert 12 * 12 - 20 <= int(areas.min()) < int(areas.max()) <= 32 * 32
    seen = disparity(source, seeded())
    assert seen.shape == source.shape
    assert 0.0005 < float((seen - source).square().mean()) < 0.5
    maps = importance_maps(5, 32, seeded(), torch.device("cpu"))
    assert torch.allclose(maps.amax((1, 2, 3)), torch.ones(5))
    assert torch.allclose(maps.amin((1, 2, 3)), torch.zeros(5))


def test_every_parameter_is_trained(task: FlexTask) -> None:
    """Over batches of both kinds every weight gets a gradient."""
    network = task.network
    moved: set[str] = set()
    for seed in range(12):
        network.zero_grad()
        task.loss(network, torch.arange(8), seeded(seed), slice(0, 8)).backward()
        moved |= {name for name, p in network.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert {name for name, _ in network.named_parameters()} - moved == set()


def test_a_killed_run_ends_the_same(many: Tensor, tmp_path: Path) -> None:
    ended = []
    for stops in ([None], [5, None]):
        folder = tmp_path / str(len(stops))
        for stop in stops:
            fresh = made(many[:160], tmp_path)
            fit(fresh, SCHEDULE, folder, seed=3, identity={"a": 1}, accelerator=Accelerator(cpu=True), max_steps=stop)
        ended.append(load_file(folder / "state.safetensors"))
    assert ended[0].keys() == ended[1].keys()
    assert all(torch.equal(value, ended[1][key]) for key, value in ended[0].items())


def test_a_part_that_is_switched_off_comes_back(task: FlexTask) -> None:
    network = task.network.eval()
    pair = make_pair(pictures(2))._replace(placement=None)  # blind, so that every part takes part
    channel = sample_channel("awgn", 15.0, 2, network.num_symbols(32, 32, 1 / 16), generator=seeded())
    with torch.no_grad():  # an untrained network's last layers are zero: nothing would change without them
        for refiner in (network.refiner1, network.refiner2):
            torch.nn.init.normal_(refiner.leave.weight, std=0.02)
        assert network.refiner2.residual_gain is not None
        network.refiner2.residual_gain.bias.fill_(0.5)
    before = run_link(network, pair, channel).reconstruction
    for part in PARTS:
        with switched_off(network, part):
            assert torch.equal(before, run_link(network, pair, channel).reconstruction) == (part == "none"), part
        assert torch.equal(before, run_link(network, pair, channel).reconstruction), part


def test_the_whole_network_costs_nothing(task: FlexTask, many: Tensor) -> None:
    from tests.support.shared import random_judge
    from training.evaluation.test_set import TestSet

    images = Images(many[:40], torch.zeros(40, dtype=torch.long), torch.arange(40))
    test = TestSet(images, random_judge())
    network: FlexJSCC = task.network.eval()
    row = parts_row(network, test, "none", Condition(16, 5.0, True), 40)
    assert row["cost"] == [0.0, 0.0]
    assert parts_row(network, test, "copy", Condition(16, 5.0, True), 40)["cost"][0] != 0.0


def test_tiles_join_to_the_picture() -> None:
    picture = torch.rand(1, 3, 50, 70, generator=seeded())
    assert tiles_of(picture).shape == (6, 3, 32, 32)
    assert torch.equal(joined(tiles_of(picture), 50, 70), picture)


def test_maps_at_the_decoder_are_trained_without_a_judge(task: FlexTask, many: Tensor) -> None:
    """Some batches with a known crop get a map; errors count more where it is high."""
    generator = seeded()
    drawn = [task._map(torch.arange(4), generator, torch.device("cpu")) for _ in range(60)]
    there = [one for one in drawn if one is not None]
    assert 5 < len(there) < 40
    assert all(float(one.min()) >= 0 and float(one.max()) <= 1 for one in there)
    assert max(float(one.max()) for one in there) > 0.8 > min(float(one.max()) for one in there)

    def loss(roi: Tensor | None, reconstruction: Tensor) -> float:
        source = as_float(many[:2])
        channel = sample_channel("awgn", 5.0, 2, 192, generator=seeded())
        made = task._loss(lambda *_: reconstruction, [source, source, roi, None], channel, None, torch.zeros(2).long())
        return float(made)

    source = as_float(many[:2])
    wrong = source.clone()
    wrong[..., :8] += 0.1
    left, right = torch.zeros(2, 1, 32, 32), torch.zeros(2, 1, 32, 32)
    left[..., :8], right[..., 8:] = 1, 1
    assert loss(right, wrong) < loss(None, wrong) < loss(left, wrong)


def test_the_prior_moves_with_the_drafts_error() -> None:
    """Learned: where a draft is poor, a match must be better before it counts."""
    alignment, side = Alignment(), as_float(pictures(1))
    draft = side + 0.1 * torch.randn(side.shape, generator=seeded())

    def confidence(slope: float, variance: float) -> Tensor:
        with torch.no_grad():
            alignment.nowhere[1] = slope
            return alignment(draft, side, torch.tensor([variance]))[1]

    with torch.no_grad():  # evidence that leaves room for a doubt
        alignment.near.fill_(0.01)
        alignment.wide.fill_(0.01)
    assert confidence(3.0, 0.3).mean() < confidence(0.0, 0.3).mean()
    assert torch.equal(confidence(3.0, TYPICAL), confidence(0.0, TYPICAL))
    assert confidence(6.0, 0.3).mean() < 0.9
