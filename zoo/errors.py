"""The zoo's exception class, in a module of its own so that every part of the zoo can raise it."""

from __future__ import annotations


class ZooError(RuntimeError):
    """A checkpoint that is missing, altered, foreign or unsafe; the message names the file and the fix."""
