"""Names and configurations: strict, and the same after a round trip."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wzroi.config import PAPER_ARCHITECTURES, RATES, ConfigError, JudgeConfig, ModelConfig, maps_at
from wzroi.names import ModelName

NAMES = st.builds(
    ModelName,
    architecture=st.sampled_from(sorted(PAPER_ARCHITECTURES)),
    stage=st.sampled_from(["rec", "task"]),
    rate=st.sampled_from(RATES),
    lite=st.booleans(),
    seed=st.integers(0, 99),
)
GOOD = {"side": True, "guidance": "roi", "maps": 6, "width": 32}


@given(NAMES)
def test_names_round_trip(name: ModelName) -> None:
    assert ModelName.parse(str(name)) == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deepjscc_wz_roi.task_r32", ModelName("deepjscc_wz_roi", "task", 32)),
        ("deepjscc.rec_r16_lite", ModelName("deepjscc", "rec", 16, lite=True)),
        ("deepjscc_wz_roi.task_r16_oracle", ModelName("deepjscc_wz_roi", "task", 16, oracle=True)),
        ("deepjscc_wz.rec_r48_lite_s2", ModelName("deepjscc_wz", "rec", 48, lite=True, seed=2)),
        ("wz_roi_flex.rec", ModelName("wz_roi_flex", "rec", None)),
        ("wz_roi_flex.task_lite", ModelName("wz_roi_flex", "task", None, lite=True)),
        ("wz_roi_flex.rec_lite_s3", ModelName("wz_roi_flex", "rec", None, lite=True, seed=3)),
    ],
)
def test_names_of_the_design(text: str, expected: ModelName) -> None:
    assert ModelName.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "deepjscc", "deepjscc.", ".rec_r16", "jscc.rec_r16", "deepjscc.rec_r7", "deepjscc.rec_r0",
        "deepjscc.rec_r-16",
        "deepjscc.train_r16", "deepjscc.rec_r16_tiny", "deepjscc.rec_r16_lite_oracle", "deepjscc.rec_r016",
        "deepjscc.rec_r16_s0", "deepjscc.rec_r16_s02", "deepjscc.rec_r١٦", "deepjscc.rec_r16 ", "deepjscc.rec_r16\n",
        "DeepJSCC.rec_r16", "../deepjscc.rec_r16", "deepjscc.rec_r" + "9" * 5000, "deepjscc_wz.task_r16_oracle",
    ],
)
def test_bad_names_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"model name|bandwidth ratio|oracle"):
        ModelName.parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("wz_roi_flex.rec_r16", "supports every rate"), ("wz_roi_flex.rec_oracle", "has no oracle"),
        ("wz_roi_flex.task_oracle_lite", "has no oracle"), ("wz_roi_flex.rec_s0", "is not a model name"),
        ("deepjscc.rec", "one network per rate"), ("deepjscc_wz_roi.task_lite", "one network per rate"),
    ],
)
def test_only_a_flexible_network_has_no_rate(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        ModelName.parse(text)


def test_a_flexible_name_is_typed() -> None:
    name = ModelName.parse("wz_roi_flex.task_lite")
    assert (name.flexible, name.rate, name.title) == (True, None, "WZ-ROI-Flex (task)")
    with pytest.raises(ConfigError, match="specify the rate"):
        _ = name.own_rate
    assert ModelName.parse("deepjscc.rec_r16").own_rate == 16


@pytest.mark.parametrize(("rate", "maps"), [(48, 2), (32, 3), (24, 4), (16, 6), (12, 8), (8, 12)])
def test_rates_of_the_design(rate: int, maps: int) -> None:
    config = ModelConfig.named("deepjscc", rate)
    assert maps_at(rate) == config.maps == maps
    assert config.rho == Fraction(1, rate)


@pytest.mark.parametrize("architecture", PAPER_ARCHITECTURES)
def test_config_round_trips_through_json(architecture: str) -> None:
    config = ModelConfig.named(architecture, 32, 64)
    assert config.architecture == architecture
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_paper_widths() -> None:
    config = ModelConfig.named("deepjscc_wz_roi", 16)
    assert (config.width, config.condition_width, config.sft_width) == (256, 64, 128)


@pytest.mark.parametrize("field", GOOD)
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(ConfigError, match=f"missing field {field}"):
        ModelConfig.from_dict({key: value for key, value in GOOD.items() if key != field})


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown field colour"):
        ModelConfig.from_dict(GOOD | {"colour": 1})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("side", 1), ("side", "true"), ("side", None), ("guidance", "map"), ("guidance", None), ("guidance", ["roi"]),
        ("maps", 0), ("maps", -6), ("maps", True), ("maps", 6.0), ("maps", "6"), ("maps", 10**9),
        ("width", 0), ("width", True), ("width", 33), ("width", 32.0), ("width", 2**60), ("width", None),
    ],
)
def test_a_wrong_value_names_its_field(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        ModelConfig.from_dict(GOOD | {field: value})


def test_guidance_needs_side_information() -> None:
    with pytest.raises(ConfigError, match="side"):
        ModelConfig.from_dict(GOOD | {"side": False})


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "vgg", "width": 32, "classes": 10}, {"kind": "resnet_lite", "width": True, "classes": 10},
        {"kind": "resnet_lite", "width": 2**40, "classes": 10}, {"kind": "resnet50", "width": 32, "classes": 10},
        {"kind": "resnet_lite", "width": 32, "classes": 1}, {"kind": "resnet_lite", "width": 32},
        {"kind": "resnet_lite", "width": 32, "classes": 10, "depth": 3},
    ],
)
def test_wrong_judge_configs_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        JudgeConfig.from_dict(values)


def test_judge_config_round_trips() -> None:
    config = JudgeConfig("resnet_lite", 32)
    assert JudgeConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
