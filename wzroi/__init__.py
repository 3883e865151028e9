"""WZ-ROI: task-aware distributed deep joint source-channel coding with decoder-only side information."""

from wzroi.architectures import ARCHITECTURES, Architecture
from wzroi.channel import CHANNELS, ChannelState, apply_channel, sample_channel
from wzroi.config import CLASSES, PAPER_ARCHITECTURES, ConfigError, JudgeConfig, LinkConfig, ModelConfig
from wzroi.judge import Judge
from wzroi.link import LinkReport, run_link
from wzroi.names import ModelName
from wzroi.networks.base import LinkNetwork
from wzroi.networks.deepjscc import WynerZivJSCC
from wzroi.pairs import CropPair, Pair, StereoPair, make_pair
from wzroi.roi import ORIGINS, roi_map

__version__ = "0.1.0"

__all__ = [
    "ARCHITECTURES",
    "CHANNELS",
    "CLASSES",
    "ORIGINS",
    "PAPER_ARCHITECTURES",
    "Architecture",
    "ChannelState",
    "ConfigError",
    "CropPair",
    "Judge",
    "JudgeConfig",
    "LinkConfig",
    "LinkNetwork",
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
