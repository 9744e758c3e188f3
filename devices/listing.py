"""The published devices, in a list."""

from dataclasses import dataclass

from ..contract.results import Result
from ..system import toml
from . import published
from .kinds import parse_device


@dataclass(frozen=True, kw_only=True)
class Listed(Result):
    """A published device."""

    name: str
    """By which it is taken wherever a device is named."""
    kind: str
    states: int
    """Number of nominal states."""
    source: str
    """Where its figures come from, in words."""


@dataclass(frozen=True, kw_only=True)
class ListResult(Result):
    """What ``run`` has found."""

    devices: tuple[Listed, ...]


def run() -> ListResult:
    """The published devices, by their names."""
    listed = []
    for name, file in published.files().items():
        device = parse_device(toml.read(file), name)
        listed.append(Listed(name=name, kind=device.kind, states=device.compile().states, source=device.measured))
    return ListResult(devices=tuple(listed))
