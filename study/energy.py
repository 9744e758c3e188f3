"""The energy of a training run: its events, each at its cost, beside a digital implementation of the same training.

Events follow from the counters of each crossbar (arithmetic 4.5) and its geometry; costs are a TOML file, `energy.toml`
unless another is given, in which every figure states where it comes from. Where the counters leave an event's number
open, it is the largest that they allow.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..config import Experiment
from ..contract.errors import ConfigError
from ..contract.geometry import COUNTER_BITS, COUNTERS, CrossbarGeometry
from ..devices.specification import KINDS
from ..train import run_folder

COSTS = Path(__file__).parent / "energy.toml"
FLOAT_BITS = 32
Standing = Literal["sourced", "derived", "placeholder"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cost(_Section):
    """What one event costs, and what stands behind the figure."""

    picojoules: Annotated[float, Field(ge=0)]
    standing: Standing
    source: str


class Memory(Cost):
    """An access of 64 bits to a memory of ``bytes``."""

    bytes: Annotated[int, Field(gt=0)] | None = None
    """Its size; None for one without bound."""


class Digital(_Section):
    """32-bit floating-point arithmetic."""

    multiply: Cost
    add: Cost


class Array(_Section):
    """The circuits around an array."""

    drive: Cost
    """A row or column is driven."""
    conversion: Cost
    accumulation: Cost
    """``dw`` is made and added to a residual."""
    comparison: Cost
    """A residual is compared with the threshold."""


class Pulses(_Section):
    """A kind of device."""

    read: Cost
    """A cell contributes to a sum."""
    pulse: Cost
    reset: Cost | None = None


class Costs(_Section):
    """A table of costs."""

    memory: Annotated[tuple[Memory, ...], Field(min_length=1)]
    """By size; an array is held in the first that it fits in."""
    digital: Digital
    array: Array
    device: dict[str, Pulses]

    @model_validator(mode="after")
    def _ordered(self):
        sizes = [memory.bytes for memory in self.memory]
        if sizes[-1] is not None or None in sizes[:-1] or sizes[:-1] != sorted(sizes[:-1]):
            raise ValueError(f"memory: bytes={sizes}: must ascend, and be left out in the last")
        for kind in self.device:
            if kind not in KINDS:
                raise ValueError(f"device.{kind}: must be one of {', '.join(KINDS)}")
        return self

    def access(self, array_bits: int, bits: int) -> Cost:
        """Of ``bits`` of an array of ``array_bits``."""
        memory = next(memory for memory in self.memory if memory.bytes is None or array_bits <= 8 * memory.bytes)
        standing = "derived" if memory.standing == "sourced" else memory.standing
        return Cost(picojoules=memory.picojoules * bits / 64, standing=standing, source=f"{bits}/64 of {memory.source}")


def load_costs(path: str | Path = COSTS) -> Costs:
    """The costs in a TOML file; ``ConfigError`` in one line if there are none."""
    try:
        return Costs.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {place + ': ' if place else ''}{message}") from None


def events(experiment: Experiment, crossbar: CrossbarGeometry, counters: dict[str, int]) -> dict[str, int]:
    """The number of each event in one crossbar, by name."""
    cols, count = crossbar.cols, counters
    driven = count["forward_rows"] + (cols * count["forwards"] if crossbar.source is not None else 0)
    pulses = count["attempts"] - count["verify_attempts"]
    numbers = {
        "drives": driven,
        "cell reads": cols * (count["forward_rows"] + count["backward_rows"]),
        "conversions": cols * count["forwards"] + count["backward_rows"],
        "accumulations": cols * count["update_rows"],
        "accumulator accesses": _accumulator_accesses(experiment, crossbar, counters),
        "comparisons": cols * count["visited_rows"],
        "write pulses": pulses, "verify pulses": count["verify_attempts"], "resets": 2 * count["refreshes"],
        "read-backs": count["verify_attempts"] + (pulses if crossbar.residual == "verified" else 0),
    }
    if crossbar.rounding == "stochastic":
        numbers["switching trials"] = numbers.pop("comparisons")
    return numbers


def _accumulator_accesses(experiment: Experiment, crossbar: CrossbarGeometry, counters: dict[str, int]) -> int:
    """A residual is read and written by every accumulation, and read once more by a visit of its own; if nothing
    outlasts a sample, there is no accumulator."""
    if crossbar.residual == "none" and experiment.batch == 1:
        return 0
    visits = counters["visited_rows"] if experiment.batch > 1 else 0
    return crossbar.cols * (2 * counters["update_rows"] + visits)


def digital_events(experiment: Experiment, crossbar: CrossbarGeometry, samples: int) -> dict[str, int]:
    """The number of each event of one layer in a dense 32-bit floating-point implementation that trains on ``samples``:
    multiplications and additions, and accesses to weights; the gradients of a mini-batch are accumulated in a
    memory of their own."""
    weights, inputs = crossbar.rows * crossbar.cols, crossbar.inputs * crossbar.cols
    backward = inputs if crossbar.source is not None else 0
    macs = samples * (2 * weights + backward)  # forward, update, backward
    accesses = samples * (3 * weights + backward)  # the update reads and writes
    if experiment.batch > 1:
        batches = -(-samples // experiment.batch)
        macs += batches * weights
        accesses += batches * 3 * weights
    return {"multiplications": macs, "additions": macs, "weight accesses": accesses}


def run(folder: str | Path, costs: Costs | None = None) -> dict:
    """The energy of the training run in ``folder``: what its counters say has happened, from its start.

    Returns ``kind``, of the device; ``samples`` trained; ``events`` and ``digital``, lists of rows ``event``,
    ``number``, ``picojoules`` (of one), ``joules``, ``share`` (of the sum), ``standing`` and ``source``; ``joules`` and
    ``digital_joules``, their sums; ``ratio`` of the two, None where they do not stand for the same work: nothing was
    trained, or a host had a part in it; ``placeholder_share`` of ``joules`` that placeholders make up; ``notes``, what
    the figures leave out. Raises ``ConfigError`` if there is no run, or no cost for what it did.
    """
    costs = load_costs() if costs is None else costs
    experiment, counters = _read(Path(folder))
    kind = experiment.device.kind
    if kind not in costs.device:
        raise ConfigError(f"there are no costs for device.{kind}; give a section of that name")
    device, array = costs.device[kind], costs.array
    samples = counters[0]["forwards"]
    spent, reference = [], []
    for crossbar, count in zip(experiment.crossbars, counters, strict=True):
        cells = crossbar.rows * crossbar.cols
        trial = crossbar.rounding == "stochastic"
        price = {
            "drives": (array.drive,), "cell reads": (device.read,), "conversions": (array.conversion,),
            "accumulations": (array.accumulation,), "comparisons": (array.comparison,),
            "accumulator accesses": (costs.access(cells * crossbar.chi_bits, crossbar.chi_bits),),
            "write pulses": () if trial else (device.pulse,),  # the trial that succeeded has been paid for
            "switching trials": (device.pulse,), "verify pulses": (device.pulse,), "resets": (device.reset,),
            "read-backs": (device.read, array.conversion),
        }
        if price["resets"] == (None,):
            price["resets"] = ()
            if count["refreshes"]:
                raise ConfigError(f"there is no cost for device.{kind}.reset")
        spent += [(name, number, price[name]) for name, number in events(experiment, crossbar, count).items()]
        access = costs.access(cells * FLOAT_BITS, FLOAT_BITS)
        price = {"multiplications": costs.digital.multiply, "additions": costs.digital.add, "weight accesses": access}
        reference += [(name, number, (price[name],))
                      for name, number in digital_events(experiment, crossbar, samples).items()]
    rows, digital = _sum(spent), _sum(reference)
    joules, digital_joules = (sum(row["joules"] for row in part) for part in (rows, digital))
    return {
        "run": str(folder), "kind": kind, "samples": samples, "events": rows, "joules": joules,
        "placeholder_share": sum(row["share"] for row in rows if row["standing"] == "placeholder"),
        "digital": digital, "digital_joules": digital_joules,
        "ratio": digital_joules / joules if samples and joules and not experiment.host else None,
        "notes": _notes(experiment, samples),
    }


def _notes(experiment: Experiment, samples: int) -> list[str]:
    notes = []
    if experiment.host:
        notes.append("what the host computes, gradients and optimiser, is not counted, but is part of the digital side")
    if experiment.transfer:
        notes.append("the cells were written from a precursor; the run in the folder precursor trained it")
    elif not samples:
        notes.append("nothing was trained")
    return notes


def _sum(parts: list[tuple[str, int, tuple[Cost, ...]]]) -> list[dict]:
    """A row an event that has happened, over all layers. The weakest standing of what an event costs is its own."""
    rows: dict[str, dict] = {}
    for name, number, prices in parts:
        row = rows.setdefault(name, {"event": name, "number": 0, "joules": 0.0, "standing": set(), "source": {}})
        row["number"] += number
        row["joules"] += number * sum(price.picojoules for price in prices) * 1e-12
        if number:
            row["standing"] |= {price.standing for price in prices}
            row["source"] |= dict.fromkeys(price.source for price in prices)
    total = sum(row["joules"] for row in rows.values())
    weakest = ("placeholder", "derived", "sourced")
    return [{"event": name, "number": row["number"], "picojoules": row["joules"] / row["number"] * 1e12,
             "joules": row["joules"], "share": row["joules"] / total if total else 0.0,
             "standing": next((standing for standing in weakest if standing in row["standing"]), ""),
             "source": "; ".join(row["source"])} for name, row in rows.items() if row["number"]]


class _Counters:
    """The counters of a state's crossbars, by name."""

    def __init__(self, layers: int) -> None:
        self.layers = layers
        self.values: list[dict[str, int]] = []

    def load(self, state: dict[str, np.ndarray]) -> None:
        for layer in range(self.layers):
            array = state[f"layer{layer}_counters"]
            if array.shape != (len(COUNTERS),) or not np.issubdtype(array.dtype, np.integer):
                raise ValueError(f"its crossbars do not have {len(COUNTERS)} counters each")
            counts = array.tolist()
            if not all(0 <= count < 1 << COUNTER_BITS for count in counts):
                raise ValueError(f"layer{layer}_counters: counters must lie in 0 to {(1 << COUNTER_BITS) - 1}")
            self.values.append(dict(zip(COUNTERS, counts, strict=True)))


def _read(folder: Path) -> tuple[Experiment, list[dict[str, int]]]:
    """The experiment of a run, and the counters of each of its crossbars."""
    record = run_folder.read_record(folder)
    run_folder.remark_if_unbound(folder, record)
    counters = _Counters(len(record.experiment.layers))
    run_folder.read_state(folder, record, counters)
    return record.experiment, counters.values
