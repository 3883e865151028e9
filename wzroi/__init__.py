"""WZ-ROI: task-aware distributed deep joint source-channel coding with decoder-only side information."""

from wzroi.channel import CHANNELS, ChannelState, apply_channel, sample_channel
from wzroi.config import ARCHITECTURES, CLASSES, ConfigError, JudgeConfig, ModelConfig
from wzroi.judge import Judge
from wzroi.link import LinkReport, run_link
from wzroi.names import ModelName
from wzroi.networks.deepjscc import WynerZivJSCC
from wzroi.pairs import CropPair, Pair, StereoPair, make_pair
from wzroi.roi import ORIGINS, roi_map

__version__ = "0.2.0"

__all__ = [
    "ARCHITECTURES",
    "CHANNELS",
    "CLASSES",
    "ORIGINS",
    "ChannelState",
    "ConfigError",
    "CropPair",
    "Judge",
    "JudgeConfig",
    "LinkReport",
    "ModelConfig",
    "ModelName",
    "Pair",
    "StereoPair",
    "WynerZivJSCC",
    "apply_channel",
    "make_pair",
    "roi_map",
    "run_link",
    "sample_channel",
]
