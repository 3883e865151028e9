"""The checkpoint folder: ``config.json``, ``model.safetensors``, ``golden.safetensors``, ``README.md``.

Reading trusts nothing: sizes are checked before bytes are read, the configuration before a network is built, and every
tensor's name, shape and type before any is copied; the memory of a rejected network is never touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.overrides import TorchFunctionMode

from wzroi import architectures
from wzroi.config import ConfigError, JudgeConfig, LinkConfig
from wzroi.judge import Judge
from wzroi.networks.base import LinkNetwork
from zoo.errors import ZooError

if TYPE_CHECKING:
    from typing_extensions import TypeIs

CONFIG, WEIGHTS, GOLDEN, CARD = "config.json", "model.safetensors", "golden.safetensors", "README.md"
FILES = (CONFIG, WEIGHTS, GOLDEN, CARD)
"""The files of a checkpoint folder."""

LIMITS = {CONFIG: 2**16, WEIGHTS: 2**28, GOLDEN: 2**23, CARD: 2**20}
"""Size limit of each file in bytes; nothing larger is read."""

FORMAT = 1
"""Version of ``config.json``; any other is rejected."""

Network = LinkNetwork | Judge
NetworkConfig = LinkConfig | JudgeConfig
NetworkKind = Literal["link", "judge"]


def is_judge(network: Network) -> TypeIs[Judge]:
    """Whether a network is a judge, not a link network."""
    return isinstance(network, Judge)


def is_link_config(config: NetworkConfig) -> TypeIs[LinkConfig]:
    """Whether a configuration is a link network's, not a judge's."""
    return isinstance(config, LinkConfig)


def config_values(config: NetworkConfig) -> dict[str, Any]:
    """A configuration as ``config.json`` holds it; a link network's names its architecture."""
    return architectures.config_values(config) if is_link_config(config) else config.to_dict()


@dataclass(frozen=True)
class Description:
    """``config.json`` of a checkpoint.

    Attributes:
        name: e.g. ``deepjscc_wz_roi.task_r32``. network: ``link`` or ``judge``. config: the network's own fields.
        judge: name of the judge that a link network was trained and measured with; ``None`` for judges.
        sha256: of ``model.safetensors``, so that a folder shows by itself whether the weights belong to it.
    """

    name: str
    network: NetworkKind
    config: NetworkConfig
    judge: str | None
    sha256: str

    def to_json(self) -> str:
        """The file's text."""
        values = {"format": FORMAT, "name": self.name, "network": self.network, "judge": self.judge}
        return json.dumps(values | {"sha256": self.sha256, "config": config_values(self.config)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, blob: bytes, where: str) -> Description:
        """Read ``config.json`` strictly; raises ZooError naming ``where`` and the field."""
        values = parse_json(blob, where)
        expected = {"format", "name", "network", "judge", "sha256", "config"}
        if set(values) != expected:
            raise ZooError(f"{where} must have the fields {', '.join(sorted(expected))}, not {_names(values)}")
        if values["format"] != FORMAT:
            raise ZooError(f"{where} has format {values['format']!r}, this version reads {FORMAT}: update the package")
        texts = [values["name"], values["sha256"], values["judge"] or ""]
        if not all(isinstance(text, str) for text in texts):
            raise ZooError(f"{where}: name, judge and sha256 must be text; download the file again")
        config = read_config(values["network"], values["config"], where)
        return cls(values["name"], values["network"], config, values["judge"], values["sha256"])


def _names(values: Mapping[str, Any]) -> str:
    shown = [str(key)[:40] for key in list(values)[:12]]
    return ", ".join(shown) or "none"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a field is given twice")
    return values


def parse_json(blob: bytes, where: str) -> dict[str, Any]:
    """A JSON object from untrusted bytes; raises ZooError for anything else."""
    try:
        values = json.loads(blob.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ZooError(f"{where} is not valid JSON ({str(error)[:80]}): fetch it again") from error
    if not isinstance(values, dict):
        raise ZooError(f"{where} must hold a JSON object, not {type(values).__name__}: fetch it again")
    return values


def read_config(network: object, values: object, where: str) -> NetworkConfig:
    """A network's configuration from plain data; raises ZooError with the field and the fix."""
    if network not in ("link", "judge"):
        raise ZooError(f"{where}: network must be link or judge, not {str(network)[:40]!r}")
    if not isinstance(values, dict):
        raise ZooError(f"{where}: config must be an object of fields, not {type(values).__name__}")
    try:
        return JudgeConfig.from_dict(values) if network == "judge" else architectures.read_config(values)
    except (ConfigError, TypeError) as error:
        raise ZooError(f"{where}: {error}") from error


def read_file(folder: Path, name: str, *, boundary: Path | None = None) -> bytes:
    """Bytes of one file of a checkpoint folder.

    Args:
        boundary: folder that a symbolic link may point into (a Hub cache keeps its files that way); the checkpoint
            folder itself by default.

    Raises:
        ZooError: if the file is missing, larger than ``LIMITS``, or a link that leaves ``boundary``.
    """
    path = folder / name
    try:
        if not path.resolve().is_relative_to((boundary or folder).resolve()):
            raise ZooError(f"{path} is a link to outside its folder: put the file itself there")
        if not path.is_file():
            raise ZooError(f"{path} is missing: restore it (git checkout, or pull the checkpoint again)")
        if path.stat().st_size > LIMITS.get(name, 2**20):
            raise ZooError(f"{path} is larger than any {name} of this zoo: download it again")
        return path.read_bytes()
    except OSError as error:
        raise ZooError(f"{path} cannot be read ({error.strerror}): check its permissions and its disk") from error


def digest(blob: bytes) -> str:
    """sha256 as hexadecimal digits."""
    return hashlib.sha256(blob).hexdigest()


def tensors_of(blob: bytes, where: str) -> dict[str, Tensor]:
    """Tensors of a safetensors file; raises ZooError for anything else, in particular for a pickle."""
    if blob[:2] == b"PK" or blob[:1] == b"\x80":
        raise ZooError(f"{where} is a pickle, which could run code: only safetensors files are loaded; convert it")
    try:
        return load(blob)
    except Exception as error:  # the parser raises many classes of errors on hostile bytes
        reason = str(error)[:120] if isinstance(error, SafetensorError) else type(error).__name__
        raise ZooError(f"{where} is not a complete safetensors file ({reason}): fetch it again") from error


class _Uninitialised(TorchFunctionMode):
    """Skips ``torch.nn.init`` and all random draws, because the weights are then read from a file.

    Building thus does not change torch's global random state, nor touch memory for weights that are never loaded.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        drawn = getattr(func, "__name__", "") in ("normal_", "uniform_")
        if drawn or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return (torch.empty if func in (torch.rand, torch.randn) else func)(*args, **kwargs)


def build(config: NetworkConfig) -> Network:
    """A network in fp32, whatever torch's default type; its weights are still to be loaded and arbitrary."""
    with _Uninitialised():
        network = architectures.build(config) if is_link_config(config) else Judge(config)
        return network.float()


def fill(network: Network, tensors: Mapping[str, Tensor], where: str) -> Network:
    """Load ``tensors`` into a network: fp32, frozen, in eval mode.

    Raises:
        ZooError: unless they are exactly the network's: names, shapes, types, finite values.
    """
    expected, foreign = network.state_dict(), "it belongs to another config.json; download both again"
    if missing := sorted(set(expected) - set(tensors)):
        raise ZooError(f"{where} lacks the tensor {missing[0]} ({len(missing)} in all): {foreign}")
    if extra := sorted(set(tensors) - set(expected)):
        raise ZooError(f"{where} has the extra tensor {extra[0][:80]} ({len(extra)} in all): {foreign}")
    for name, wanted in expected.items():
        _check_tensor(f"{where}: {name}", tensors[name], wanted)
    network.load_state_dict(dict(tensors), strict=True)
    return network.eval().requires_grad_(False)


def _check_tensor(where: str, value: Tensor, wanted: Tensor) -> None:
    if value.shape != wanted.shape:
        raise ZooError(f"{where} has shape {list(value.shape)}, its config.json requires {list(wanted.shape)}")
    if value.is_floating_point() != wanted.is_floating_point() or value.is_complex():
        raise ZooError(f"{where} has type {value.dtype}, which its network does not accept")
    if value.is_floating_point() and not bool(value.isfinite().all()):
        raise ZooError(f"{where} has values that are not finite; publish the network again")


def network_from(config: NetworkConfig, blob: bytes, where: str, device: torch.device | str = "cpu") -> Network:
    """The network that ``model.safetensors`` holds: fp32, frozen, in eval mode, on ``device``."""
    tensors = tensors_of(blob, where)
    return fill(build(config), tensors, where).to(device)


def half_weights(network: Network) -> bytes:
    """``model.safetensors`` of a network: floats as fp16, integers unchanged; equal weights give equal bytes.

    Raises:
        ZooError: if a weight exceeds half precision.
    """
    state = network.state_dict()
    tensors = {k: (v.half() if v.is_floating_point() else v).cpu().contiguous() for k, v in sorted(state.items())}
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ZooError(f"{name} exceeds half precision: clip it, or train with more weight decay")
    return save(tensors, metadata={"format": "pt"})
