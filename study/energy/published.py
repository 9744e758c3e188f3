"""Figures that were published of trained systems, beside those of a run."""

from collections.abc import Mapping
from pathlib import Path

from ...contract.section import Section
from ...system import toml
from .results import PublishedResult

PUBLISHED = Path(__file__).parent / "published.toml"
UNITS = {
    "operations a second and a watt, forward": ("TOPs/W", 1e12),
    "operations a second and a watt, update": ("TOPs/W", 1e12),
    "energy a sample": ("nJ", 1e-9),
    "energy a sample, forward": ("nJ", 1e-9),
    "energy a sample, backward": ("nJ", 1e-9),
    "energy a sample, update": ("nJ", 1e-9),
    "energy a sample, digital": ("nJ", 1e-9),
    "ratio to 32 bit": ("", 1.0),
}
"""The quantities that there are figures of, with the unit of the figures and its size. The update includes
programming."""


class Published(Section):
    """A figure."""

    quantity: str
    value: float
    system: str
    """What it was published of."""
    source: str


class _File(Section):
    figures: tuple[Published, ...]


def beside(here: Mapping[str, float | None], path: Path = PUBLISHED) -> tuple[PublishedResult, ...]:
    """The figures in the file ``path``, each beside that of the same quantity in ``here``, which is in SI units."""
    return tuple(_beside(figure, here[figure.quantity]) for figure in _File.model_validate(toml.read(path)).figures)


def _beside(figure: Published, here: float | None) -> PublishedResult:
    unit, size = UNITS[figure.quantity]
    return PublishedResult(quantity=figure.quantity, unit=unit, published=figure.value,
                           here=None if here is None else here / size, system=figure.system, source=figure.source)
