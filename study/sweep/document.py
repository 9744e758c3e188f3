"""The description of a sweep: a TOML file."""

from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ...contract.errors import ConfigError, shown
from ...contract.section import Section
from ...devices.kinds import explain
from ...system import toml
from .fields import CONFIG, flat, require_known
from .ranges import Range, is_choice, require_values

MAX_RUNS = 100_000
"""Most points of a sweep."""
Count = Annotated[int, Field(ge=1, le=MAX_RUNS)]
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]


class _Choices(Section):
    """Fields, each with what it is drawn or chosen from."""

    fields: dict[str, Any]
    """A list for each, or a range."""

    @property
    def choices(self) -> dict[str, Any]:
        """By the dotted names of the fields: a list, or a `Range`."""
        return {name: Range.of(name, choice) if isinstance(choice, dict) else choice
                for name, choice in flat(self.fields, is_choice).items()}


class Random(_Choices):
    """Points whose fields are drawn, independently of each other."""

    draws: Count
    """How many."""
    seed: Seed = 1
    """They follow from it. The first draws are the same however many follow."""


class Search(_Choices):
    """Points that an optimiser (optuna's TPE) proposes from the results of earlier ones.

    A trial is proposed from the complete batches before its own, so it does not depend on which run ends first.
    """

    trials: Count
    """How many points are proposed."""
    at_once: Annotated[int, Field(ge=1, le=1024)] = 8
    """Trials of a batch, which are proposed together and may run side by side."""
    seed: Seed = 1
    goal: Literal["maximize", "minimize"] = "maximize"
    of: str = "test_accuracy"
    """The column of the table that is maximised or minimised: of several runs of a trial, their mean."""


class Sweep(Section):
    """What is varied, and how. A point takes an entry of the list, a draw and a combination of the grid, each with each
    other; a search proposes points that are each combined with all of these."""

    config: str | None = None
    """The configuration that is varied: a preset, or a file, relative to that of the sweep."""
    baseline: bool = True
    """Whether a floating-point baseline is trained beside each run."""
    fixed: dict[str, Any] = {}
    """Fields that have one value in all runs."""
    grid: dict[str, Any] = {}
    """Fields with a list of values each; every combination is a point."""
    list: tuple[dict[str, Any], ...] = ()
    """Points, each with its own fields."""
    random: Random | None = None
    search: Search | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [name for part in self._parts.values() for name in part]
        require_known(given)
        for name in given:
            places = [place for place, part in self._parts.items() if name in part]
            if len(places) > 1:
                raise ConfigError(f"{name}: given twice, in {' and in '.join(places)}")
        for name, values in self._grid.items():
            require_values(name, values)
        for place, part in (("random", self.random), ("search", self.search)):
            if part and not part.fields:
                raise ConfigError(f"{place}.fields: gives no field")
            for name, choice in part.choices.items() if part else ():
                if not isinstance(choice, Range):
                    require_values(name, choice)
        if not self.varied and CONFIG not in given:
            raise ConfigError("nothing is varied; give [grid], [[list]], [random] or [search] a field, such as "
                              "grid.seed = [1, 2, 3]")
        if CONFIG not in given and self.config is None:
            raise ConfigError('config: missing; give a preset or a file, such as config = "digits-dw5"')
        if self.count > MAX_RUNS:
            raise ConfigError(f"there are {self.count:,} points; at most {MAX_RUNS:,} are possible")
        return self

    @property
    def _parts(self) -> dict[str, dict[str, Any]]:
        """The fields that each part gives."""
        listed = {name: None for entry in self.list for name in flat(entry)}
        drawn = [part.choices if part else {} for part in (self.random, self.search)]
        return {"fixed": flat(self.fixed), "list": listed, "random": drawn[0], "grid": self._grid,
                "search": drawn[1]}

    @property
    def _grid(self) -> dict[str, Any]:
        return flat(self.grid)

    @property
    def varied(self) -> tuple[str, ...]:
        """The fields that are not the same in all runs, but for the configuration: columns of the table."""
        names = [name for place, part in self._parts.items() if place != "fixed" for name in part]
        return tuple(name for name in dict.fromkeys(names) if name != CONFIG)

    @property
    def count(self) -> int:
        """The number of points."""
        return (max(1, len(self.list)) * prod(len(values) for values in self._grid.values())
                * (self.random.draws if self.random else 1) * (self.search.trials if self.search else 1))


def read(source: str | Path | dict[str, Any]) -> Sweep:
    """The sweep that ``source`` describes: a file, whose name must end in ``.toml``, or what is in one. ``ConfigError``
    in one line if it is not valid."""
    name = "sweep" if isinstance(source, dict) else str(source)
    if not isinstance(source, dict) and not toml.is_name(name):
        raise ConfigError(f"{shown(name)}: the name of a sweep's file must end in {toml.SUFFIX}")
    try:
        return Sweep.model_validate(source if isinstance(source, dict) else toml.read(Path(name)))
    except ValidationError as error:
        raise ConfigError(explain(error, name, Sweep)) from None
