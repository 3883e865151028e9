"""The registry: every checkpoint's files with sha256 and size, metrics at 5 dB, licence and origin, in one table.

A *store* is a folder of checkpoints with its registry. The bundled store is ``zoo/checkpoints`` with
``zoo/registry.json``; ``$WZROI_ZOO`` names another folder to use instead (``zoo.store.folders`` lists the kinds of
folders). A pulled Hub repository is a store too.
"""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from wzroi.architectures import ARCHITECTURES
from wzroi.config import ConfigError, LinkConfig
from wzroi.names import ModelName
from zoo.errors import ZooError
from zoo.paths import PACKAGE
from zoo.rates import is_flexible
from zoo.store.checkpoint import (
    FILES,
    FORMAT,
    LIMITS,
    WEIGHTS,
    NetworkConfig,
    NetworkKind,
    config_values,
    is_link_config,
    parse_json,
    read_config,
)

REGISTRY = "registry.json"
_NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*\.[a-z0-9]+(?:_[a-z0-9]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FileRecord:
    """``sha256`` (hexadecimal) and ``size`` (bytes) of one file."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Entry:
    """A checkpoint's entry in the registry.

    Attributes:
        name: ``architecture.tag``. network: ``link`` or ``judge``. config: the network's own fields.
        judge: a link network's judge (for its ROI maps and accuracies); ``None`` for judges.
        files: file name -> sha256 and size, for each of the folder's four files.
        parameters: number of trained values.
        metrics: figures on the CIFAR-10 test set: at 5 dB (and 1/16 if flexible) for a link network (``psnr``,
            ``ssim``, ``accuracy``, each with ``_ci95``), on clean images and side views for a judge; empty until it
            is evaluated.
        licence: SPDX identifier of the weights. origin: a sentence on who made them and how.
        training: recipe, seed, commit, validation figures, as recorded by the run.
    """

    name: str
    network: NetworkKind
    config: NetworkConfig
    judge: str | None
    files: Mapping[str, FileRecord]
    parameters: int
    metrics: Mapping[str, float]
    licence: str
    origin: str
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Of ``model.safetensors``."""
        return self.files[WEIGHTS].sha256

    @property
    def size(self) -> int:
        """Bytes of the whole folder."""
        return sum(record.size for record in self.files.values())

    @property
    def flexible(self) -> bool:
        """Whether it supports every rate; ``metrics`` are then those at 1/16."""
        return self.link is not None and is_flexible(self.link)

    @property
    def link(self) -> LinkConfig | None:
        """The configuration of a link network; ``None`` for a judge."""
        return self.config if is_link_config(self.config) else None

    @property
    def title(self) -> str:
        """How figures print it."""
        try:
            return ModelName.parse(self.name).title
        except ConfigError:
            return self.name

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain data, as the registry holds it."""
        files = {name: {"sha256": record.sha256, "size": record.size} for name, record in self.files.items()}
        return {
            "network": self.network, "config": _config_values(self.config), "judge": self.judge, "files": files,
            "parameters": self.parameters, "metrics": dict(self.metrics), "licence": self.licence,
            "origin": self.origin, "training": dict(self.training),
        }

    @classmethod
    def from_dict(cls, name: str, values: Any, where: str) -> Entry:
        """Read one entry strictly; raises ZooError naming the field."""
        where = f"{where}, {name}"
        expected = {"network", "config", "judge", "files", "parameters", "metrics", "licence", "origin", "training"}
        if not isinstance(values, dict) or set(values) != expected:
            raise ZooError(
                f"{where}: an entry must have the fields {', '.join(sorted(expected))}; download the registry again"
            )
        config = read_config(values["network"], values["config"], where)
        judge = values["judge"]
        if judge is not None:
            check_name(judge)
        if not isinstance(values["metrics"], dict) or not isinstance(values["training"], dict):
            raise ZooError(f"{where}: metrics and training must be objects; download the registry again")
        if not all(isinstance(values[key], str) for key in ("licence", "origin")):
            raise ZooError(f"{where}: licence and origin must be text; download the registry again")
        return cls(
            name, values["network"], config, judge, _read_files(values["files"], where), values["parameters"],
            values["metrics"], values["licence"], values["origin"], values["training"],
        )


def _config_values(config: NetworkConfig) -> dict[str, Any]:
    """A configuration in format 1, which names no architecture; one that its fields do not tell is named."""
    fields = config.to_dict()
    try:
        told = read_config("link" if is_link_config(config) else "judge", fields, "") == config
    except ZooError:
        told = False
    return fields if told else config_values(config)


def _read_files(values: Any, where: str) -> dict[str, FileRecord]:
    if not isinstance(values, dict) or set(values) != set(FILES):
        raise ZooError(f"{where}: a checkpoint must have the files {', '.join(FILES)}; download the registry again")
    for name, record in values.items():
        good = isinstance(record, dict) and set(record) == {"sha256", "size"}
        if not good or not isinstance(record["sha256"], str) or not _SHA256.fullmatch(record["sha256"]):
            raise ZooError(f"{where}: {name} needs a sha256 of 64 hexadecimal digits; download the registry again")
        if type(record["size"]) is not int or not 0 < record["size"] <= LIMITS[name]:
            raise ZooError(f"{where}: {name} cannot have {str(record['size'])[:24]} bytes (at most {LIMITS[name]})")
    return {name: FileRecord(record["sha256"], record["size"]) for name, record in values.items()}


def check_name(name: object) -> str:
    """A checkpoint's name, safe to use as a folder; raises ZooError with the pattern otherwise."""
    if not isinstance(name, str) or len(name) > 100 or not _NAME.fullmatch(name):
        raise ZooError(
            f"{str(name)[:60]!r} is not a checkpoint name: it must be architecture.tag in lower-case letters, digits "
            "and single underscores, e.g. deepjscc_wz_roi.task_r32"
        )
    return name


@dataclass(frozen=True)
class CheckpointStore:
    """A folder of checkpoints and its registry.

    Args:
        folder: contains one folder per checkpoint. registry: the JSON file.
        boundary: where symbolic links may point (a Hub cache links its files); default: ``folder``.
        origin: its title in lists: ``bundled``, a folder, or a Hub repository.
        loose: folder and entry of each checkpoint by name, for a store without a registry.
    """

    folder: Path
    registry: Path
    boundary: Path | None = None
    origin: str = "bundled"
    loose: Mapping[str, tuple[Path, Entry]] | None = field(default=None, compare=False)

    @classmethod
    def at(cls, folder: Path | str) -> CheckpointStore:
        """The store of a folder: the bundled one for ``zoo/checkpoints``, else one that contains ``registry.json``."""
        folder = Path(folder)
        if folder.resolve() == BUNDLED.folder:
            return BUNDLED
        return cls(folder, folder / REGISTRY, origin=str(folder))

    def entries(self) -> dict[str, Entry]:
        """Every entry by name; empty if there is no registry yet."""
        if self.loose is not None:
            return {name: entry for name, (_, entry) in self.loose.items()}
        try:
            status = self.registry.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ZooError(f"{self.registry} cannot be read ({error.strerror}): check its permissions") from error
        return dict(_read_registry(self.registry, status.st_mtime_ns, status.st_size, status.st_ino))

    def entry(self, name: str) -> Entry:
        """One entry; raises ZooError with similar names if there is none."""
        found = self.entries()
        if name not in found:
            raise ZooError(unknown_name(name, list(found), self.origin))
        return found[name]

    def path(self, name: str) -> Path:
        """The folder of a checkpoint."""
        if self.loose and name in self.loose:
            return self.loose[name][0]
        return self.folder / check_name(name)

    def holds(self, name: str) -> bool:
        """Whether a checkpoint's folder is there: a wheel leaves out the large ones that its registry lists."""
        return self.path(name).is_dir()

    def whole(self, name: str) -> bool:
        """Whether all files of a checkpoint are there; a pull may have been interrupted."""
        return all((self.path(name) / file).is_file() for file in FILES)


BUNDLED = CheckpointStore(PACKAGE / "checkpoints", PACKAGE / REGISTRY)
"""The store that is part of this package."""


def canonical(name: str) -> str:
    """A name or pattern as checkpoints are called: small letters, underscores (``DeepJSCC-WZ`` is ``deepjscc_wz``)."""
    plain = name.strip().lower()
    return plain if "[" in plain else plain.replace("-", "_")  # a pattern's [1-3] keeps its range


def unknown_name(name: str, known: list[str], where: str) -> str:
    """The error message for a name that a store does not have: an architecture's tags, or similar names."""
    import difflib

    plain = canonical(name)
    start = f"no checkpoint {name[:80]!r} in the zoo ({where})"
    if tags := [other for other in known if other.split(".")[0] == plain.rstrip(".*")]:
        listed = ", ".join(other.split(".")[1] for other in tags)
        return f"{start}: add a tag to the name; those of {plain.rstrip('.*')} are {listed}"
    near = difflib.get_close_matches(plain, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`python -m zoo list` lists the available ones"
    return f"{start}: {hint}"


@functools.lru_cache(maxsize=32)
def _read_registry(path: Path, modified: int, size: int, inode: int) -> dict[str, Entry]:
    if size > 2**24:
        raise ZooError(f"{path} is larger than any registry: download it again")
    return parse_registry(path.read_bytes(), str(path))


def parse_registry(blob: bytes, where: str) -> dict[str, Entry]:
    """A registry's entries by name; raises ZooError naming ``where`` and the field."""
    values = parse_json(blob, where)
    if set(values) != {"format", "checkpoints"} or not isinstance(values["checkpoints"], dict):
        raise ZooError(f"{where} must have the fields format and checkpoints: fetch it again")
    if values["format"] != FORMAT:
        given = str(values["format"])[:24]
        raise ZooError(f"{where} has format {given!r}, this version reads {FORMAT}: update the package")
    found = values["checkpoints"]
    return {check_name(name): Entry.from_dict(name, found[name], where) for name in sorted(found)}


def registry_text(entries: Mapping[str, Entry]) -> str:
    """The JSON text of a registry, names in order."""
    checkpoints = {name: entries[name].to_dict() for name in sorted(entries)}
    return json.dumps({"format": FORMAT, "checkpoints": checkpoints}, indent=1) + "\n"


def select(pattern: str, network: NetworkKind, store: CheckpointStore) -> list[str]:
    """Names of one kind that match a shell pattern, in any case, by complexity of the architecture, then by tag."""
    entries = store.entries()
    names = [name for name, entry in entries.items() if entry.network == network]
    return sorted(fnmatch.filter(names, canonical(pattern)), key=lambda name: _order(entries[name]))


def _order(entry: Entry) -> tuple[int, str, Fraction | int, str]:
    architecture, _, tag = entry.name.partition(".")
    if entry.link is None:
        return (0, architecture, 0, tag)
    return (list(ARCHITECTURES).index(entry.link.architecture), architecture, -entry.link.rhos[0], tag)
