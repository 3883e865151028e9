"""WZ-ROI: task-aware distributed deep joint source-channel coding with decoder-only side information."""

from wzroi.architectures import ARCHITECTURES, Architecture
from wzroi.channel import CHANNELS, ChannelState, apply_channel, sample_channel
from wzroi.config import CLASSES, PAPER_ARCHITECTURES, ConfigError, JudgeConfig, LinkConfig, ModelConfig
from wzroi.data import DATASETS
from wzroi.judge import Judge
from wzroi.link import LinkReport, run_link
from wzroi.names import ModelName
from wzroi.networks.base import LinkNetwork
from wzroi.networks.deepjscc import WynerZivJSCC
from wzroi.pairs import CropPair, Pair, StereoPair, make_pair
from wzroi.plugins import load_plugins
from wzroi.roi import ROI_ORIGINS, roi_map

__version__ = "0.2.0"

__all__ = [
    "ARCHITECTURES",
    "CHANNELS",
    "CLASSES",
    "DATASETS",
    "PAPER_ARCHITECTURES",
    "ROI_ORIGINS",
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

load_plugins()  # at the end: their rows go into the tables above
