"""Parsed TOML documents that differ in a field."""

import copy
from typing import Any


def with_field(document: dict, place: tuple, value: Any) -> dict:
    """A copy of ``document`` with ``value`` at ``place``: the keys and indices that lead to it."""
    changed = section = copy.deepcopy(document)
    for step in place[:-1]:
        section = section[step]
    section[place[-1]] = value
    return changed
