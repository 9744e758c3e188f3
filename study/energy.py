"""The energy of a training run: its events, each at its cost, beside a digital implementation of the same training.

Events follow from the counters of each crossbar (arithmetic 4.5) and its geometry. Costs come from a TOML file,
`energy.toml` unless another is given, and from the kind of device; every figure states where it comes from. Where the
counters leave the number of an event open, it is the largest that they allow.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from ..config import Experiment
from ..contract.errors import ConfigError, key, shown
from ..contract.geometry import COUNTER_BITS, CrossbarGeometry
from ..contract.results import Result
from ..contract.section import Section
from ..devices.costs import Cost, DeviceCosts, Standing
from ..devices.kinds import KINDS
from ..system import toml
from ..train import run_folder

COSTS = Path(__file__).parent / "energy.toml"
FLOAT_BITS = 32
MAX_MEMORIES = 64
WEAKEST_FIRST: tuple[Standing, ...] = ("placeholder", "derived", "sourced")


class Memory(Cost):
    """An access of 64 bits to a memory of ``bytes``."""

    bytes: Annotated[int, Field(gt=0, lt=1 << 50)] | None = None
    """Its size; None for one without bound."""


class Digital(Section):
    """32-bit floating-point arithmetic."""

    multiply: Cost
    add: Cost


class Array(Section):
    """The circuits around an array."""

    drive: Cost
    """A row or column is driven."""
    conversion: Cost
    """A sum is converted."""
    accumulation: Cost
    """An increment is made and added to a residual."""
    comparison: Cost
    """A residual is compared with the threshold."""


class Costs(Section):
    """A table of costs."""

    memory: Annotated[tuple[Memory, ...], Field(min_length=1, max_length=MAX_MEMORIES)]
    """By size; an array is held in the first that it fits in."""
    digital: Digital
    array: Array
    device: dict[str, DeviceCosts] = Field(default_factory=lambda: {name: kind.costs() for name, kind in KINDS.items()})
    """By kind; each kind's own costs unless any are given."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        sizes = [memory.bytes for memory in self.memory]
        bounded = [size for size in sizes[:-1] if size is not None]
        if sizes[-1] is not None or len(bounded) < len(sizes) - 1 or bounded != sorted(bounded):
            raise ValueError(f"memory: bytes={sizes}: must ascend, and be left out in the last")
        for kind in self.device:
            if kind not in KINDS:
                raise ValueError(f"device.{key(kind)}: must be one of {', '.join(KINDS)}")
        return self

    def access(self, array_bits: int, bits: int) -> Cost:
        """Of ``bits`` of an array of ``array_bits``."""
        memory = next(memory for memory in self.memory if memory.bytes is None or array_bits <= 8 * memory.bytes)
        standing = "derived" if memory.standing == "sourced" else memory.standing
        return Cost(picojoules=memory.picojoules * bits / 64, standing=standing, source=f"{bits}/64 of {memory.source}")


@dataclass(frozen=True, kw_only=True)
class EventEnergy(Result):
    """What one kind of event has cost, over all layers."""

    event: str
    """Its name."""
    number: int
    """How often it has happened."""
    picojoules: float
    """What one event has cost, on average over the layers."""
    joules: float
    """What all of them have cost."""
    share: float
    """Fraction of the joules of all events of its side."""
    standing: str
    """The weakest standing of the figures behind it; empty if no cost counts for it."""
    source: str
    """Where these figures come from."""


@dataclass(frozen=True, kw_only=True)
class EnergyResult(Result):
    """The energy of a training run."""

    run: str
    """The run folder."""
    kind: str
    """The kind of device."""
    samples: int
    """Samples that were trained."""
    events: tuple[EventEnergy, ...]
    """What the machine has spent, event by event; events that did not happen are left out."""
    joules: float
    """Their sum."""
    placeholder_share: float
    """Fraction of ``joules`` that rests on placeholders."""
    digital: tuple[EventEnergy, ...]
    """What a dense 32-bit floating-point implementation would have spent on the same training."""
    digital_joules: float
    """Their sum."""
    ratio: float | None
    """``digital_joules / joules``; None where they do not stand for the same work: nothing was trained, or a host had a
    part in it."""
    notes: list[str]
    """What the figures leave out."""


def load_costs(path: str | Path = COSTS) -> Costs:
    """The costs in a TOML file; ``ConfigError`` in one line if there are none."""
    try:
        return Costs.model_validate(toml.read(Path(path)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(key(part) if isinstance(part, str) else str(part) for part in first["loc"])
        given = "" if isinstance(first["input"], dict | tuple) else f"={shown(first['input'])}"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {place + given + ': ' if place else ''}{message}") from None


def run(folder: str | Path, costs: Costs | None = None) -> EnergyResult:
    """The energy of the training run in ``folder``: of what its counters say has happened since its start.
    ``ConfigError`` if there is no run, or no cost for what it did."""
    costs = load_costs() if costs is None else costs
    experiment, counters = _read(Path(folder))
    kind = experiment.device.kind
    if kind not in costs.device:
        raise ConfigError(f"there are no costs for device.{kind}; give a section of that name")
    samples = counters[0]["forwards"] // experiment.crossbars[0].positions
    spent: list[_Spent] = []
    reference: list[_Spent] = []
    for crossbar, count in zip(experiment.crossbars, counters, strict=True):
        prices = _prices(costs, kind, crossbar)
        if not prices["resets"] and count["refreshes"]:
            raise ConfigError(f"there is no cost for device.{kind}.reset")
        spent += [(name, number, prices[name]) for name, number in events(experiment, crossbar, count).items()]
        prices = _digital_prices(costs, crossbar)
        reference += [(name, number, prices[name])
                      for name, number in digital_events(experiment, crossbar, samples).items()]
    rows, digital = _sum(spent), _sum(reference)
    joules, digital_joules = (sum(row.joules for row in part) for part in (rows, digital))
    return EnergyResult(
        run=str(folder), kind=kind, samples=samples, events=rows, joules=joules,
        placeholder_share=sum(row.share for row in rows if row.standing == "placeholder"),
        digital=digital, digital_joules=digital_joules,
        ratio=digital_joules / joules if samples and joules and not experiment.host else None,
        notes=_notes(experiment, samples))


def events(experiment: Experiment, crossbar: CrossbarGeometry, counters: dict[str, int]) -> dict[str, int]:
    """The number of each event in one crossbar, by name. What happens at every position of a sample counts there, an
    accumulation of a product too; residuals are accessed, compared and pulsed once a sample."""
    cols, count = crossbar.cols, counters
    driven = count["forward_rows"] + (cols * count["forwards"] if crossbar.source is not None else 0)
    pulses = count["attempts"] - count["verify_attempts"]
    numbers = {
        "drives": driven,
        "cell reads": cols * (count["forward_rows"] + count["backward_rows"]),
        "conversions": cols * count["forwards"] + count["backward_rows"],
        "accumulations": cols * count.get("product_rows", count["update_rows"]),
        "accumulator accesses": _accumulator_accesses(experiment, crossbar, counters),
        "comparisons": cols * count["visited_rows"],
        "write pulses": pulses, "verify pulses": count["verify_attempts"], "resets": 2 * count["refreshes"],
        "read-backs": count["verify_attempts"] + (pulses if crossbar.residual == "verified" else 0),
    }
    if crossbar.rounding == "stochastic":
        numbers["switching trials"] = numbers.pop("comparisons")
    return numbers


def _accumulator_accesses(experiment: Experiment, crossbar: CrossbarGeometry, counters: dict[str, int]) -> int:
    """Every row that is updated reads and writes its residuals, once for all positions; in mini-batches a visit reads
    them once more. If nothing outlasts a sample, there is no accumulator."""
    if crossbar.residual == "none" and experiment.batch == 1:
        return 0
    visits = counters["visited_rows"] if experiment.batch > 1 else 0
    return crossbar.cols * (2 * counters["update_rows"] + visits)


def digital_events(experiment: Experiment, crossbar: CrossbarGeometry, samples: int) -> dict[str, int]:
    """The number of each event of one layer in a dense 32-bit floating-point implementation that trains on ``samples``:
    multiplications, additions and accesses to weights. All count at every position, but an update reads and writes the
    weights once a sample. The gradients of a mini-batch are accumulated in a memory of their own."""
    weights, inputs = crossbar.rows * crossbar.cols, crossbar.inputs * crossbar.cols
    backward = inputs if crossbar.source is not None else 0
    macs = samples * crossbar.positions * (2 * weights + backward)  # forward, update, backward
    accesses = samples * (crossbar.positions * (weights + backward) + 2 * weights)  # the update reads and writes
    if experiment.batch > 1:
        batches = -(-samples // experiment.batch)
        macs += batches * weights
        accesses += batches * 3 * weights
    return {"multiplications": macs, "additions": macs, "weight accesses": accesses}


_Prices = dict[str, tuple[Cost, ...]]
"""What each event costs, as the sum of several costs."""
_Spent = tuple[str, int, tuple[Cost, ...]]
"""An event, its number, and what one costs."""


def _prices(costs: Costs, kind: str, crossbar: CrossbarGeometry) -> _Prices:
    device, array = costs.device[kind], costs.array
    trial = crossbar.rounding == "stochastic"
    return {
        "drives": (array.drive,), "cell reads": (device.read,), "conversions": (array.conversion,),
        "accumulations": (array.accumulation,), "comparisons": (array.comparison,),
        "accumulator accesses": (costs.access(crossbar.rows * crossbar.cols * crossbar.chi_bits, crossbar.chi_bits),),
        "write pulses": () if trial else (device.pulse,),  # the trial that succeeded has been paid for
        "switching trials": (device.pulse,), "verify pulses": (device.pulse,),
        "resets": (device.reset,) if device.reset is not None else (),
        "read-backs": (device.read, array.conversion),
    }


def _digital_prices(costs: Costs, crossbar: CrossbarGeometry) -> _Prices:
    access = costs.access(crossbar.rows * crossbar.cols * FLOAT_BITS, FLOAT_BITS)
    return {"multiplications": (costs.digital.multiply,), "additions": (costs.digital.add,),
            "weight accesses": (access,)}


def _notes(experiment: Experiment, samples: int) -> list[str]:
    notes = []
    if experiment.host:
        notes.append("what the host computes, gradients and optimiser, is not counted, but is part of the digital side")
    if experiment.transfer:
        notes.append("the cells were written from a precursor; the run in the folder precursor trained it")
    elif not samples:
        notes.append("nothing was trained")
    return notes


def _sum(parts: Iterable[_Spent]) -> tuple[EventEnergy, ...]:
    """A row for each event that has happened, over all layers."""
    numbers: dict[str, int] = {}
    joules: dict[str, float] = {}
    counted: dict[str, dict[Cost, None]] = {}
    for name, number, prices in parts:
        numbers[name] = numbers.get(name, 0) + number
        joules[name] = joules.get(name, 0.0) + number * sum(price.picojoules for price in prices) * 1e-12
        counted.setdefault(name, {}).update(dict.fromkeys(prices if number else ()))
    total = sum(joules.values())
    return tuple(
        EventEnergy(event=name, number=number, picojoules=joules[name] / number * 1e12, joules=joules[name],
                    share=joules[name] / total if total else 0.0, standing=_weakest(counted[name]),
                    source="; ".join(dict.fromkeys(price.source for price in counted[name])))
        for name, number in numbers.items() if number)


def _weakest(prices: Iterable[Cost]) -> str:
    standings = {price.standing for price in prices}
    return next((standing for standing in WEAKEST_FIRST if standing in standings), "")


class _Counters:
    """The counters of the crossbars of a state, by name."""

    def __init__(self, crossbars: tuple[CrossbarGeometry, ...]) -> None:
        self.crossbars = crossbars
        self.values: list[dict[str, int]] = []

    def load(self, state: dict[str, np.ndarray]) -> None:
        for layer, crossbar in enumerate(self.crossbars):
            array, names = state[f"layer{layer}_counters"], crossbar.counters
            if array.shape != (len(names),) or not np.issubdtype(array.dtype, np.integer):
                raise ValueError(f"layer{layer}_counters: the crossbar has {len(names)} counters")
            counts = array.tolist()
            if not all(0 <= count < 1 << COUNTER_BITS for count in counts):
                raise ValueError(f"layer{layer}_counters: counters must lie in 0 to {(1 << COUNTER_BITS) - 1}")
            self.values.append(dict(zip(names, counts, strict=True)))


def _read(folder: Path) -> tuple[Experiment, list[dict[str, int]]]:
    """The experiment of a run, and the counters of each of its crossbars."""
    record = run_folder.read_record(folder)
    run_folder.remark_if_unbound(folder, record)
    counters = _Counters(record.experiment.crossbars)
    run_folder.read_state(folder, record, counters)
    return record.experiment, counters.values
