"""What the events of training cost: the figures of a TOML file, each with where it comes from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from ...contract.errors import ConfigError, key, shown
from ...contract.section import Section
from ...devices.costs import Cost, DeviceCosts, Duration, Figure
from ...devices.kinds import KINDS
from ...system import toml

COSTS = Path(__file__).parent / "costs.toml"
"""The costs of the package."""
REFERENCE = "float32"
"""The digital implementation that is meant where none is named."""
MAX_MEMORIES = 64
MAX_DIGITAL = 16

Place = tuple[str | int, ...]
"""Of a figure in a table of costs: the sections on the way to it."""


class Memory(Cost):
    """An access of 64 bits to a memory of ``bytes``."""

    bytes: Annotated[int, Field(gt=0, lt=1 << 50)] | None = None
    """Its size; None for one without bound."""


class Digital(Section):
    """Floating-point arithmetic."""

    bits: Annotated[int, Field(ge=1, le=64)]
    """Width of a weight."""
    multiply: Cost
    add: Cost


class Array(Section):
    """The energy of the circuits around an array."""

    drive: Cost
    """A row or column is driven."""
    conversion: Cost
    """A sum is converted."""
    accumulation: Cost
    """An increment is made and added to a residual."""
    comparison: Cost
    """A residual is compared with the threshold."""


class Time(Section):
    """How long the circuits around an array take."""

    read: Duration
    """All rows, or all columns, are driven at once, and the sums are there."""
    conversion: Duration
    """A converter converts a sum."""
    word: Duration
    """The residuals of a word, one a lane, are looked at, or changed."""


class Costs(Section):
    """A table of costs."""

    memory: Annotated[tuple[Memory, ...], Field(min_length=1, max_length=MAX_MEMORIES)]
    """By size."""
    digital: Annotated[dict[str, Digital], Field(max_length=MAX_DIGITAL)]
    """By name."""
    array: Array
    time: Time
    device: dict[str, DeviceCosts]
    """By kind."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        sizes = [memory.bytes for memory in self.memory]
        bounded = [size for size in sizes[:-1] if size is not None]
        if sizes[-1] is not None or len(bounded) < len(sizes) - 1 or bounded != sorted(bounded):
            raise ValueError(f"memory: bytes={sizes}: must ascend, and be left out in the last")
        for name in self.digital:
            if key(name) != name:
                raise ValueError(f"digital.{key(name)}: a name is made of letters, digits and _")
        return self

    def access(self, held_bits: int, bits: int) -> Cost:
        """Of ``bits`` of the ``held_bits`` that are held together, in the smallest memory that they fit in."""
        memory = next(memory for memory in self.memory if memory.bytes is None or held_bits <= 8 * memory.bytes)
        standing = "derived" if memory.standing == "sourced" else memory.standing
        return Cost(picojoules=memory.picojoules * bits / 64, standing=standing, source=f"{bits}/64 of {memory.source}")


def load_costs(path: str | Path | None = None) -> Costs:
    """The costs in a TOML file, and those of the package where it leaves any out. ``ConfigError`` in one line if they
    are not valid."""
    document = _over({"device": {name: kind.costs().model_dump() for name, kind in KINDS.items()}}, toml.read(COSTS))
    if path is not None:
        document = _over(document, toml.read(Path(path)))
    devices = document["device"]
    for kind in devices if isinstance(devices, dict) else ():
        if kind not in KINDS:
            raise ConfigError(f"{path}: device.{key(kind)}: must be one of {', '.join(KINDS)}")
    try:
        return Costs.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(key(part) if isinstance(part, str) else str(part) for part in first["loc"])
        given = "" if isinstance(first["input"], dict | tuple) else f"={shown(first['input'])}"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path or COSTS}: {place + given + ': ' if place else ''}{message}") from None


def placeholders(part: Any, place: Place = ()) -> Iterator[tuple[Place, Figure]]:
    """The figures of ``part`` of a table that are placeholders, each with its place."""
    if isinstance(part, Figure) and part.standing == "placeholder":
        yield place, part
    for name, entry in _entries(part).items():
        yield from placeholders(entry, (*place, name))


def scaled(part: Any, place: Place, factor: float) -> Any:
    """``part`` of a table, with the figure at ``place`` multiplied by ``factor``."""
    if not place:
        return part.model_copy(update={part.number: getattr(part, part.number) * factor})
    name, rest = place[0], place[1:]
    changed = scaled(_entries(part)[name], rest, factor)
    if isinstance(part, Section):
        return part.model_copy(update={str(name): changed})
    if isinstance(part, dict):
        return part | {name: changed}
    return tuple(changed if index == name else entry for index, entry in enumerate(part))


def _entries(part: Any) -> dict[Any, Any]:
    """What a part of a table consists of, by the names of its fields, its keys, or its numbers."""
    if isinstance(part, tuple):
        return dict(enumerate(part))
    return dict(part) if isinstance(part, Section | dict) else {}


def _over(base: Any, given: Any) -> Any:
    """``given``, and what it leaves out of the section ``base``. A figure is given as a whole, with its source."""
    if not isinstance(base, dict) or not isinstance(given, dict) or "source" in base:
        return given
    return base | {name: _over(base.get(name), entry) for name, entry in given.items()}
