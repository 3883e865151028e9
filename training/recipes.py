"""Every recipe as a row of one table; all variants of a tier are trained alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wzroi.config import ConfigError, FlexConfig, JudgeConfig, ModelConfig
from wzroi.names import ModelName

SAVE_EVERY_S = 45.0
"""Seconds between saved states: the most that an interruption can lose."""

LITE_JUDGE = "resnet_lite.cifar10"
RECEIVED_JUDGE = "resnet_lite.cifar10_received"
"""The second judge: as the lite one, but half of what it sees was sent through the lite tier's networks."""


@dataclass(frozen=True)
class Schedule:
    """Optimiser and schedule of one training run.

    Attributes:
        optimiser: ``adam``, ``sgd`` (Nesterov momentum 0.9) or ``muon`` (on the convolutions' weights; Adam on the
            rest).
        batch: images a step, over all processes together.
        epochs: passes over the 45,000 training images; may be a fraction.
        lr, final_lr: peak and last learning rate of a cosine after ``warmup`` steps; equal values hold it constant.
        weight_decay: plain L2 on weights of two or more dimensions; with ``muon`` decoupled, on convolutions alone.
        adam_lr: with ``muon``, the peak rate of Adam on the other parameters; it follows the same schedule.
        ema: decay of the averaged weights that are kept (0 keeps the raw weights).
        cpu_bf16: mixed precision on a CPU too (on CUDA it always is): 1.8 times the speed for a judge where the
            processor multiplies bfloat16 natively (AVX512-BF16, AMX), slower where it does not.
    """

    optimiser: str
    batch: int
    epochs: float
    lr: float
    final_lr: float
    warmup: int = 0
    weight_decay: float = 0.0
    ema: float = 0.0
    cpu_bf16: bool = False
    adam_lr: float = 0.0


@dataclass(frozen=True)
class Tier:
    """What a tier's networks share.

    Attributes:
        width: N. judge: name of the tier's judge. snr_db: training SNR (5 dB in the paper).
        trade_off: lambda of eq. 10.
        rec, task: schedules of Algorithm 1 and Algorithm 2.
    """

    width: int
    judge: str
    rec: Schedule
    task: Schedule
    snr_db: float = 5.0
    trade_off: float = 1e-3


@dataclass(frozen=True)
class JudgeRecipe:
    """How a judge is trained: clean images, and side views for ``side_share`` of each batch.

    Attributes:
        received_share: pictures of each batch that are shown as the lite tier's finished networks rebuild them
            (``training.received``), before side views are drawn.
        sizes: (share of the run, pixels): up to which share pictures are shown at which size; after the last one, and
            with none, at their own. Small pictures first make a short training of a large judge possible.
        alternate_flips: each picture is mirrored in every second epoch (Jordan, 2024), not at random.
    """

    config: JudgeConfig
    schedule: Schedule
    side_share: float
    label_smoothing: float
    received_share: float = 0.0
    sizes: tuple[tuple[float, int], ...] = ()
    alternate_flips: bool = False

    def size_at(self, progress: float) -> int:
        """Side of the pictures, in pixels, after a share ``progress`` of the run."""
        return next((pixels for until, pixels in self.sizes if progress < until), 32)


TIERS: dict[str, Tier] = {
    # The paper's own recipe: Adam 1e-4, batch 64, 100 epochs, constant rate (section IV-A).
    "paper": Tier(
        width=256,
        judge="resnet50.cifar10",
        rec=Schedule("adam", batch=64, epochs=100, lr=1e-4, final_lr=1e-4),
        task=Schedule("adam", batch=64, epochs=100, lr=1e-4, final_lr=1e-4),
    ),
    # Two CPU cores: N = 48, three epochs at a high rate, then two thirds of one with the judge.
    "lite": Tier(
        width=48,
        judge=LITE_JUDGE,
        rec=Schedule("adam", batch=32, epochs=3, lr=4e-3, final_lr=2e-5, warmup=200),
        task=Schedule("adam", batch=32, epochs=0.7, lr=1e-3, final_lr=1e-5, warmup=50, cpu_bf16=True),
    ),
}

@dataclass(frozen=True)
class FlexTier:
    """How a flexible network is trained; ``trade_off`` multiplies the cross entropy beside the log error."""

    config: FlexConfig
    judge: str
    rec: Schedule
    task: Schedule
    trade_off: float = 0.2


FLEX_TIERS: dict[str, FlexTier] = {
    "paper": FlexTier(
        FlexConfig(width=192, depth=4),
        judge="resnet50.cifar10",
        rec=Schedule("adam", batch=256, epochs=200, lr=1e-3, final_lr=1e-5, warmup=500, ema=0.999),
        task=Schedule("adam", batch=256, epochs=20, lr=3e-4, final_lr=1e-5, warmup=100, ema=0.999),
    ),
    "lite": FlexTier(
        FlexConfig(width=128, depth=3),
        judge=LITE_JUDGE,
        rec=Schedule("adam", batch=64, epochs=13, lr=1e-3, final_lr=1e-5, warmup=300, ema=0.998, cpu_bf16=True),
        task=Schedule("adam", batch=64, epochs=1, lr=3e-4, final_lr=1e-5, warmup=50, ema=0.995, cpu_bf16=True),
    ),
}

RECEIVED_RATES = (16, 32)
RECEIVED_SNRS = (-5.0, 20.0)
"""Rates and SNRs in dB of the reconstructions that a judge is trained on; SNRs are drawn evenly."""

_LITE_JUDGE_SCHEDULE = Schedule(
    "sgd", batch=64, epochs=24, lr=0.1, final_lr=1e-4, warmup=300, weight_decay=5e-4, ema=0.995, cpu_bf16=True
)

JUDGES: dict[str, JudgeRecipe] = {
    # Twenty-four passes, the first two thirds on smaller pictures: two and a half hours of two cores with bfloat16.
    "resnet50.cifar10": JudgeRecipe(
        JudgeConfig("resnet50", 64),
        Schedule(
            "muon", batch=256, epochs=24, lr=0.03, final_lr=0.0, warmup=100, weight_decay=0.05, ema=0.99,
            cpu_bf16=True, adam_lr=2e-3,
        ),
        side_share=0.25,
        label_smoothing=0.1,
        sizes=((0.33, 16), (0.67, 24)),
        alternate_flips=True,
    ),
    LITE_JUDGE: JudgeRecipe(
        JudgeConfig("resnet_lite", 48), _LITE_JUDGE_SCHEDULE, side_share=0.2, label_smoothing=0.1
    ),
    RECEIVED_JUDGE: JudgeRecipe(
        JudgeConfig("resnet_lite", 48), _LITE_JUDGE_SCHEDULE, side_share=0.2, label_smoothing=0.1, received_share=0.5
    ),
}


STANDARD = "standard"
SHORT = "short"

# Chosen on validation with deepjscc.rec_r16_lite: 0.03 and 0.05 are equal for Muon, mixed precision costs nothing worth
# its doubled speed, averaged weights add nothing to a cosine that ends at zero.
SHORT_TIERS: dict[str, Tier] = {
    "paper": replace(
        TIERS["paper"],
        rec=Schedule("muon", batch=64, epochs=12, lr=0.05, final_lr=0.0, warmup=100, cpu_bf16=True, adam_lr=2e-3),
        task=Schedule("muon", batch=64, epochs=2, lr=0.03, final_lr=0.0, warmup=100, cpu_bf16=True, adam_lr=2e-3),
    ),
    "lite": replace(
        TIERS["lite"],
        rec=Schedule("muon", batch=64, epochs=32, lr=0.04, final_lr=0.0, warmup=100, cpu_bf16=True, adam_lr=2e-3),
        task=Schedule("muon", batch=64, epochs=8, lr=0.03, final_lr=0.0, warmup=100, cpu_bf16=True, adam_lr=2e-3),
    ),
}


def lengthened(tiers: dict[str, Tier], factor: float) -> dict[str, Tier]:
    """The same tiers with ``factor`` times the epochs of both algorithms: a point of the learning curve."""
    return {
        key: replace(
            tier, rec=replace(tier.rec, epochs=factor * tier.rec.epochs),
            task=replace(tier.task, epochs=factor * tier.task.epochs),
        )
        for key, tier in tiers.items()
    }


RECIPES: dict[str, dict[str, Tier]] = {
    STANDARD: TIERS,
    # A large batch and a cosine from a high rate: a quarter of the paper's passes, a fifteenth of its steps.
    # Not yet measured against the paper's recipe.
    "fast": {
        "paper": replace(
            TIERS["paper"],
            rec=Schedule("adam", batch=256, epochs=40, lr=1e-3, final_lr=1e-6, warmup=300),
            task=Schedule("adam", batch=256, epochs=12, lr=3e-4, final_lr=1e-6, warmup=100),
        )
    },
    # For processors that multiply bfloat16 natively; the other two rows are its learning curve (``curve``).
    SHORT: SHORT_TIERS,
    f"{SHORT}_half": lengthened(SHORT_TIERS, 0.5),
    f"{SHORT}_twice": lengthened(SHORT_TIERS, 2.0),
}
"""Recipe -> the tiers that have it; judges have one recipe each."""


def tier_of(name: ModelName, recipe: str = STANDARD) -> Tier:
    """The tier that a model name belongs to, trained by one of its recipes.

    Raises:
        ConfigError: when there is no such recipe for the tier.
    """
    tier = "lite" if name.lite else "paper"
    if tier not in RECIPES.get(recipe, {}):
        known = ", ".join(key for key, tiers in RECIPES.items() if tier in tiers)
        raise ConfigError(f"the {tier} tier has no recipe {recipe!r}; choose one of: {known}")
    return RECIPES[recipe][tier]


def model_config(name: ModelName) -> ModelConfig:
    """The network that a model name stands for; raises ConfigError for a flexible one, which is no ``ModelConfig``."""
    return ModelConfig.named(name.architecture, name.own_rate, tier_of(name).width)
