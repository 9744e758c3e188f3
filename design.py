"""What is generated, estimated and built: the network of an experiment, or a bank of crossbars.

A bank has crossbars without a network around them, and what is between them is a host's (`hw.bank`). A TOML file with
``[[crossbars]]`` describes one: ``load("mine.toml")`` reads it, ``spinloom.nn.save_bank`` writes that of a model.
``load`` also reads experiments, whose crossbars can be a bank too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from . import config
from .config import MAX_SEED, Cells, Converters, Crossbar, Experiment, Input, Spread, Synapse, UpdateRule, WriteRule
from .contract import names
from .contract.bank import banked, narrowed
from .contract.errors import ConfigError
from .contract.formats import ActivationFormat
from .contract.geometry import CrossbarGeometry
from .contract.lfsr import numbered
from .contract.shapes import LayerShape, topology
from .devices.kinds import AnyDevice, explain
from .system import toml

MAX_CROSSBARS = 256
"""Most crossbars of a bank."""


class Drive(Input):
    """What drives a crossbar of a bank."""

    frac: Annotated[int, Field(ge=-16, le=24)] | None = None
    """Fraction bits. Unless given, unsigned drives cover [0, 1), and signed ones [-1, 1)."""

    @property
    def format(self) -> ActivationFormat:
        """The format of the drive. Ternary ones have no fraction bits."""
        usual = super().format
        return usual if self.frac is None or self.kind == "ternary" else replace(usual, frac=self.frac)


class BankedCrossbar(Crossbar):
    """A crossbar of a bank. What it does not say of its cells is as the bank says."""

    input: Drive
    """What drives it."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    """Its master seed; the bank's unless given."""
    number: Annotated[int, Field(ge=0, lt=1 << 16)] | None = None
    """Which of the crossbars of that seed it is; its position in the bank unless given."""
    device: AnyDevice | None = None
    init_spread: Spread | None = None
    update: UpdateRule | None = None
    write: WriteRule | None = None
    converters: Converters | None = None
    synapse: Synapse | None = None


class BankDescription(Cells):
    """A bank of crossbars, as a file describes it. The fields of `Cells` are those that the crossbars share."""

    name: Annotated[str, AfterValidator(names.check)] = "unnamed"
    """Name of the file without its ending, unless given. What is made of it has that name too."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 1
    """Master seed: how cells differ follows from it."""
    crossbars: Annotated[tuple[BankedCrossbar, ...], Field(min_length=1, max_length=MAX_CROSSBARS)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.geometries  # noqa: B018 - derives, and thereby checks, every width
        return self

    @cached_property
    def geometries(self) -> tuple[CrossbarGeometry, ...]:
        """The geometry of every crossbar."""
        return tuple(self._geometries())

    def _geometries(self) -> Iterator[CrossbarGeometry]:
        for position, crossbar in enumerate(self.crossbars):
            seed, index = numbered(self.seed if crossbar.seed is None else crossbar.seed,
                                   position if crossbar.number is None else crossbar.number)
            try:
                window = crossbar.window(crossbar.input.shape)
            except ValueError as error:
                raise ConfigError(f"crossbars[{position}].{error}") from None
            try:
                yield banked(self._cells(crossbar).alone(crossbar, seed, index, window, crossbar.input.format))
            except ConfigError as error:
                raise _placed(error, index, position) from None

    def _cells(self, crossbar: BankedCrossbar) -> Cells:
        """What ``crossbar`` says of its cells, and otherwise what the bank says."""
        own = {name: getattr(crossbar, name) for name in Cells.model_fields}
        return Cells(**{name: getattr(self, name) if value is None else value for name, value in own.items()})


def _placed(error: ConfigError, index: int, position: int) -> ConfigError:
    """``error`` of the geometry ``index``, which names a layer, as one of the crossbar at ``position``."""
    text, layer = str(error), f"layers[{index}]"
    return ConfigError(f"crossbars[{position}]"
                       + (text.removeprefix(layer) if text.startswith(layer) else f": {text}"))


@dataclass(frozen=True, kw_only=True)
class BankDesign:
    """A bank of crossbars."""

    name: str
    crossbars: tuple[CrossbarGeometry, ...]
    """`contract.bank.banked`."""
    description: dict[str, Any]
    """What describes it, as JSON."""
    loss: ClassVar[None] = None
    """There is none."""

    @classmethod
    def of(cls, described: BankDescription | Experiment) -> Self:
        """What ``described`` says; of an experiment, the crossbars of its layers alone."""
        if isinstance(described, Experiment):
            name, crossbars = names.extended(described.name, "-bank"), tuple(map(banked, described.crossbars))
        else:
            name, crossbars = described.name, described.geometries
        return cls(name=name, crossbars=crossbars, description=described.model_dump(mode="json") | {"name": name})

    def narrowed(self, lanes: int) -> Self:
        """With at most so many lanes."""
        return replace(self, crossbars=tuple(narrowed(geometry, lanes) for geometry in self.crossbars))

    @property
    def shapes(self) -> tuple[LayerShape, ...]:
        """The shapes of every crossbar, for people."""
        return tuple(LayerShape.of("dense" if geometry.positions == 1 else "conv", geometry)
                     for geometry in self.crossbars)

    @property
    def topology(self) -> str:
        """The crossbars in the usual short form of networks, such as ``784-250, 250-10``."""
        return ", ".join(topology([shape]) for shape in self.shapes)


Design = Experiment | BankDesign
"""A network, or a bank."""


def parse_bank(document: dict[str, Any], name: str) -> BankDescription:
    """The bank in a parsed TOML document. Without a name of its own it gets one that is made of ``name``.
    ``ConfigError`` in one line if it is not valid."""
    try:
        return BankDescription.model_validate({"name": names.made_of(name)} | document)
    except ValidationError as error:
        raise ConfigError(explain(error, name, BankDescription)) from None


def load(source: str, device: str | None = None, *, bank: bool = False) -> Design:
    """The design that ``source`` names: a preset, or the path of a TOML file, of an experiment or of a bank. With
    ``bank``, that of an experiment is a bank of its crossbars. ``device`` is as for `config.load`; crossbars that have
    one of their own keep it. ``ConfigError`` if there is no such design, or if it is not valid."""
    path = Path(source)
    if not toml.is_name(source) or "crossbars" not in (document := toml.read(path)):
        experiment = config.load(source, device)
        return BankDesign.of(experiment) if bank else experiment
    document = {"name": names.made_of(path.stem)} | config.with_device(document, path, device)
    return BankDesign.of(parse_bank(document, source))
