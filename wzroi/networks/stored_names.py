"""Checkpoints keep the tensor names that they were published with, whatever the attributes are called in the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def _renamed(tensors: dict[str, Tensor], prefix: str, names: Mapping[str, str]) -> None:
    """Replace the first part of each key below ``prefix`` in place; the order of the keys is kept."""
    for key in list(tensors):
        part, dot, rest = key.removeprefix(prefix).partition(".")
        known = key.startswith(prefix) and part in names
        tensors[prefix + names[part] + dot + rest if known else key] = tensors.pop(key)


def keep_stored_names(module: nn.Module, names: Mapping[str, str]) -> None:
    """Make a module's ``state_dict`` and ``load_state_dict`` use other names than its attributes have.

    Args:
        names: attribute of the module -> its name in a state dict.
    """
    attributes = {stored: own for own, stored in names.items()}

    def store(_: nn.Module, state: dict[str, Tensor], prefix: str, __: Any) -> None:
        _renamed(state, prefix, names)

    def load(_: nn.Module, state: dict[str, Tensor], prefix: str, *__: Any) -> None:
        _renamed(state, prefix, attributes)

    module.register_state_dict_post_hook(store)
    module.register_load_state_dict_pre_hook(load)
