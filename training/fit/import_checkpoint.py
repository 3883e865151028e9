"""Import checkpoints of the zoo as finished runs, to continue training from them: the inverse of ``publish``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from safetensors.torch import save_file

from training.fit.loop import write_atomically
from training.fit.runs import RECORD, WEIGHTS, finished, run_lock
from zoo.errors import ZooError
from zoo.loading import find
from zoo.store.verified import load_from


def import_checkpoint(name: str, runs: Path) -> bool:
    """Write ``runs/<name>`` from the zoo's checkpoint; an existing finished run is left alone.

    A ``task`` network then starts from that ``rec`` network, or a link network trains under that judge. The weights
    are the published ones (rounded to half precision); the record is the registry's.

    Returns:
        Whether the run was written.

    Raises:
        ZooError: for an unknown name, or a missing or altered file.
    """
    store, entry = find(name)
    name = entry.name
    folder = runs / name
    network = load_from(store, name, "cpu")
    with run_lock(folder):
        if finished(folder):
            return False
        record = {"name": name, **entry.training, "adopted": entry.sha256}
        if entry.network == "link":
            record |= {"config": entry.config.to_dict(), "judge": entry.judge}
        weights = {key: value.contiguous() for key, value in network.state_dict().items()}
        write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path))
        write_atomically(folder / RECORD, lambda path: path.write_text(json.dumps(record, indent=1) + "\n"))
    return True


def import_command(
    names: Annotated[list[str], typer.Argument(help="Checkpoints of the zoo, e.g. resnet_lite.cifar10.")],
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
) -> None:
    """Import the zoo's checkpoints as finished runs, from which other runs can start without training them again."""
    for name in names:
        try:
            written = import_checkpoint(name, runs)
        except ZooError as error:
            typer.secho(f"error: {error}", err=True, fg="red")
            raise typer.Exit(2) from error
        typer.echo(f"{runs / name}: {'written' if written else 'exists already and is unchanged'}")
