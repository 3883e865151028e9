"""Shared by the commands: errors as one line, and the width of tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from zoo.errors import ZooError
from zoo.image_io import PictureError


@contextmanager
def reporting(leave: Callable[[int], BaseException] = typer.Exit) -> Iterator[None]:
    """Turn the project's own errors into one red line and exit code 2.

    Args:
        leave: makes what is raised; ``SystemExit`` where no Typer command runs.
    """
    try:
        yield
    except (ZooError, PictureError, ValueError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise leave(2) from error


def console() -> Console:
    """The terminal, or a wide page if there is none."""
    return Console(width=None if os.environ.get("COLUMNS") or os.isatty(1) else 200)
