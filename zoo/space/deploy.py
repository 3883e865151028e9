"""Assembling and pushing the hosted demo: a Gradio Space for shared GPUs, or a container of the explorer.

A folder is self-contained: code, gallery, results and the chosen checkpoints, each checked against the registry.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer

from zoo import paths
from zoo.errors import ZooError
from zoo.store.card import LICENCE, read_results, with_front_matter
from zoo.store.checkpoint import FILES
from zoo.store.folders import default_store
from zoo.store.registry import REGISTRY, Entry, registry_text
from zoo.store.verified import checked_file

PIECES = Path(__file__).resolve().parent

Kind = Literal["gradio", "docker"]

GRADIO = "6.31.0"
PYTHON = "3.12"
TORCH = ("torch==2.11.*", "torchvision==0.26.*")
"""The newest versions that ZeroGPU supports."""

PORT = 7860
BUNDLE = ("*_lite", "resnet_lite.*")
"""Checkpoints included by default: the lite tier and its judge, which a CPU can run live."""

MAX_BYTES = 500 * 2**20
"""Limit for the folder: a Space's repository may have one gigabyte."""

UNUSED = {"gradio": {"gradio", "rich", "torch", "torchvision", "typer", "wzroi"}, "docker": {"wzroi"}}
"""Dependencies of the project that a host does not need, has already, or for which (torch) it uses its own version."""

SERVED = {"gradio": ("", "hub", "space"), "docker": ("", "app", "hub")}
"""The extras of the project that a host installs; the core is ``""``."""

ABOUT = """# WZ-ROI

Task-aware distributed deep joint source-channel coding (Wyner-Ziv DeepJSCC with ROI guidance), live: a camera sends a
picture over a noisy channel with very few symbols, and a receiver that already has a correlated picture reconstructs
and classifies it. Drag SNR and bandwidth ratio, compare the variants, look at the ROI map.

After Tian, Dong, Cao: *Joint ROI Guidance and Spatial Analysis for Task-Aware Distributed Deep Joint Source-Channel
Coding*. The networks were retrained; every number comes from a results file included with them.
"""

API = """
## From a program

```python
from gradio_client import Client, handle_file

client = Client("{repo}")
client.predict(api_name="/variants")  # names of the networks, with their metrics
picture, figures = client.predict(
    pair="cifar-0", picture=None, right=None, size=64, model="{model}",
    snr_db=5, channel="awgn", roi="side", seed=0, api_name="/transmit",
)
client.predict(
    pair="", picture=handle_file("photo.jpg"), right=None, size=64, models=["{model}"], snrs=[0, 5, 10],
    draws=8, channel="awgn", roi="side", seed=0, api_name="/sweep",
)
```
"""


class Assembled(NamedTuple):
    """A folder that was written, the checkpoints in it, and its size in bytes."""

    folder: Path
    names: list[str]
    size: int


def chosen_entries(patterns: Sequence[str]) -> list[Entry]:
    """The zoo's entries that match any pattern, and their judges.

    Raises:
        ZooError: if a pattern matches nothing.
    """
    entries = default_store().entries()
    chosen: dict[str, Entry] = {}
    for pattern in patterns:
        found = {name: entry for name, entry in entries.items() if fnmatch(name, pattern)}
        if not found and tuple(patterns) != BUNDLE:
            raise ZooError(f"no checkpoint matches {pattern!r}: `python -m zoo list` lists the available ones")
        chosen |= found
    judges = {entry.judge for entry in chosen.values() if entry.judge in entries}
    chosen |= {name: entries[name] for name in judges if name is not None}
    if not any(entry.network == "link" for entry in chosen.values()):
        raise ZooError("the demo would contain no link network: publish or pull one, or name some with --models")
    return [chosen[name] for name in sorted(chosen)]


def front_matter(kind: Kind, checkpoints: str | None) -> dict[str, Any]:
    """The Space's metadata; ``checkpoints`` is a Hub repository with more networks, downloaded at build time."""
    values: dict[str, Any] = {"title": "WZ-ROI", "emoji": "📡", "colorFrom": "blue", "colorTo": "green", "sdk": kind}
    if kind == "gradio":
        values |= {"sdk_version": GRADIO, "python_version": PYTHON, "app_file": "app.py"}
        values |= {"suggested_hardware": "zero-a10g"}
    else:
        values |= {"app_port": PORT, "suggested_hardware": "cpu-basic"}
    values |= {
        "pinned": False, "license": LICENCE, "short_description": "Wyner-Ziv DeepJSCC with ROI guidance, live",
        "tags": ["joint-source-channel-coding", "deepjscc", "wyner-ziv", "semantic-communication", "grad-cam"],
    }  # fmt: skip
    if checkpoints:
        values |= {"models": [checkpoints]}
        values |= {"preload_from_hub": [checkpoints]} if kind == "gradio" else {}
    return values


def requirements(kind: Kind) -> str:
    """The host's ``requirements.txt``, from the project's own dependencies."""
    known = paths.requirements()
    wanted = dict.fromkeys(need for extra in SERVED[kind] for need in known[extra])
    listed = [need for need in wanted if _package(need) not in UNUSED[kind]]
    return "\n".join([*listed, *(TORCH if kind == "gradio" else ())]) + "\n"


def _package(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def _texts(kind: Kind, repo: str, names: Sequence[str], checkpoints: str | None) -> dict[str, str]:
    """Files that are generated: relative path -> text."""
    model = next((name for name in names if name.startswith("deepjscc_wz_roi.task")), names[0])
    body = ABOUT + (API.format(repo=repo, model=model) if kind == "gradio" else "")
    card = with_front_matter(front_matter(kind, checkpoints), body)
    texts = {"README.md": card, "requirements.txt": requirements(kind), "LICENSE": paths.licence()}
    if checkpoints:
        texts["zoo/space/repository.txt"] = checkpoints + "\n"
    if kind == "docker":
        recipe = (PIECES / "docker" / "Dockerfile").read_text(encoding="utf-8")
        more = f"ENV WZROI_REPO={checkpoints}\n\n" if checkpoints else ""
        texts["Dockerfile"] = recipe.replace("EXPOSE ", f"{more}EXPOSE ", 1)
    return texts


def _copies(kind: Kind) -> Iterator[tuple[Path, str]]:
    """Files that are copied: source, path in the folder."""
    trees = {"wzroi": paths.ROOT / "wzroi", "zoo": paths.PACKAGE, "assets/gallery": paths.GALLERY}
    if kind == "docker":
        trees |= {"explorer": paths.ROOT / "explorer", ".streamlit": paths.streamlit_files()[".streamlit"]}
    for place, tree in trees.items():
        for path in sorted(paths.need(tree).rglob("*")):
            if path.is_file() and _travels(f"{place}/{path.relative_to(tree).as_posix()}"):
                yield path, f"{place}/{path.relative_to(tree).as_posix()}"
    yield (PIECES / "app.py" if kind == "gradio" else paths.streamlit_files()["app.py"]), "app.py"
    if kind == "docker":
        yield PIECES / "docker" / "dockerignore", ".dockerignore"
        yield paths.need(paths.ASSETS / "icon.png"), "assets/icon.png"


def _travels(place: str) -> bool:
    """Whether a file of the project's folders belongs in the demo: no leftovers; checkpoints are added separately."""
    apart = ("zoo/checkpoints/", "zoo/assets/", f"zoo/{REGISTRY}", "zoo/space/docker/", "zoo/space/repository.txt")
    leftover = any(part.startswith((".", "__pycache__")) for part in place.removeprefix(".streamlit/").split("/"))
    return not leftover and not place.startswith(apart)


def assemble(
    folder: Path, kind: Kind, repo: str, patterns: Sequence[str] = BUNDLE, checkpoints: str | None = None
) -> Assembled:
    """Write the folder of a Space; an interruption leaves the old folder or none.

    Args:
        folder: new, empty, or assembled earlier. patterns: checkpoints to include.
        checkpoints: a Hub repository with more networks.

    Raises:
        ZooError: a folder with other content, a missing or altered checkpoint, or more than a Space may hold.
    """
    if folder.exists() and not _replaceable(folder):
        raise ZooError(f"{folder} has other content: name a new folder")
    entries = chosen_entries(patterns)
    fresh = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        size = _fill(fresh, kind, repo, entries, checkpoints)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    except OSError as error:
        raise ZooError(f"{folder} cannot be written ({error.strerror}): name another folder") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return Assembled(folder, [entry.name for entry in entries], size)


def _fill(fresh: Path, kind: Kind, repo: str, entries: Sequence[Entry], checkpoints: str | None) -> int:
    """Write every file of the demo into ``fresh``; returns their total size in bytes."""
    for source, place in _copies(kind):
        _put(fresh / place, source.read_bytes())
    store = default_store()
    for entry in entries:
        for file in FILES:
            _put(fresh / "zoo" / "checkpoints" / entry.name / file, checked_file(store, entry, file))
        _put_results(fresh, entry.name)
    texts = _texts(kind, repo, [entry.name for entry in entries if entry.network == "link"], checkpoints)
    texts[f"zoo/{REGISTRY}"] = registry_text({entry.name: entry for entry in entries})
    for place, text in texts.items():
        _put(fresh / place, text.encode())
    size = sum(path.stat().st_size for path in fresh.rglob("*") if path.is_file())
    if size > MAX_BYTES:
        raise ZooError(f"the demo would have {size >> 20} MiB, at most {MAX_BYTES >> 20}: choose fewer with --models")
    return size


def _replaceable(folder: Path) -> bool:
    """Whether a folder is empty, or one that ``assemble`` wrote."""
    if not folder.is_dir():
        return False
    marks = [folder / "README.md", folder / "requirements.txt", folder / "zoo" / REGISTRY]
    if not any(folder.iterdir()):
        return True
    return all(mark.is_file() for mark in marks) and "\nsdk: " in marks[0].read_text(encoding="utf-8")


def _put(path: Path, blob: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(blob)


def _put_results(fresh: Path, name: str) -> None:
    source = paths.RESULTS / f"{name}.json"
    if read_results(source.parent, name) is not None:
        _put(fresh / "assets" / "results" / source.name, source.read_bytes())


def push(folder: Path, kind: Kind, repo: str, *, token: str | None = None, private: bool = False) -> str:
    """Create the Space if necessary and replace its content in one commit; returns the commit's URL.

    Raises:
        HubError: no token, no permission, no network.
    """
    from zoo.hub import api, explained

    with explained(repo):
        client = api(token)
        client.create_repo(repo, repo_type="space", space_sdk=kind, private=private, exist_ok=True)
        done = client.upload_folder(
            repo_id=repo, folder_path=folder, repo_type="space", delete_patterns="*",
            commit_message="Assemble the demo",
        )  # fmt: skip
    return str(done.commit_url)


def space_command(
    repo: Annotated[str, typer.Option(help="USER/NAME of the Space on the Hub.")],
    kind: Annotated[str, typer.Option(help="gradio (shared GPUs) or docker (the Streamlit explorer).")] = "gradio",
    dry_run: Annotated[
        Path | None, typer.Option("--dry-run", help="Write the folder here without sending anything.")
    ] = None,
    models: Annotated[list[str] | None, typer.Option(help="Checkpoints to include (default: the lite tier).")] = None,
    checkpoints: Annotated[str | None, typer.Option(help="A Hub repository with more networks, USER/NAME.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Create the Space as private.")] = False,
) -> None:
    """Assemble the hosted demo and push it to a Space on the Hub."""
    import tempfile

    from zoo.console import reporting

    with reporting(), tempfile.TemporaryDirectory() as scratch:
        from zoo.hub import repository

        if kind not in ("gradio", "docker"):
            raise ZooError(f"--kind must be gradio or docker, not {kind[:40]!r}")
        sdk: Kind = "gradio" if kind == "gradio" else "docker"
        target, more = repository(repo).id, repository(checkpoints).id if checkpoints else None
        done = assemble(dry_run or Path(scratch) / "space", sdk, target, models or BUNDLE, more)
        typer.echo(f"{len(done.names)} checkpoints, {done.size / 2**20:.1f} MiB in total")
        if dry_run is None:
            typer.echo(f"pushed: {push(done.folder, sdk, target, private=private)}")
        else:
            typer.echo(f"written to {done.folder}")
