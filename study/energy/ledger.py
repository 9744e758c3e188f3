"""The ledger: every event of a run with what it costs, on our side and on the digital side.

Both sides hold their numbers, residuals or weights, alike: an array is banked as in the RTL, in a memory for each lane,
or it is one memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ...config import Experiment
from ...contract.errors import ConfigError
from ...contract.geometry import CrossbarGeometry
from ...devices.costs import Cost, Duration, Figure
from .costs import Costs, Digital
from .events import PHASES, Event, Rows, counted, dense, digital_events, events, operations

WEAKEST_FIRST = ("placeholder", "derived", "sourced")
UNITS = {"reads": "array", "conversions": "converters", "updates": "accumulator", "pulses": "array"}
"""The kinds of work, and what does it."""
WORK = {"cell reads": "reads", "drives": "reads", "conversions": "conversions", "accumulations": "updates",
        "comparisons": "updates", "accumulator accesses": "updates"}
"""The work that events belong to; those that are not listed are pulses, and what follows from them."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the ledger is of."""

    experiment: Experiment
    counters: Sequence[dict[str, int]]
    """The counters of each crossbar."""

    @property
    def samples(self) -> int:
        """Samples that went forward."""
        return self.counters[0]["forwards"] // self.experiment.crossbars[0].positions

    @property
    def batches(self) -> int:
        """Mini-batches. Each ends with a visit of all rows; without any, every sample is one."""
        if self.experiment.batch == 1:
            return self.samples
        return self.counters[0]["visited_rows"] // self.experiment.crossbars[0].rows

    @property
    def layers(self) -> Iterator[tuple[int, CrossbarGeometry]]:
        """The number of each layer, and its crossbar."""
        return enumerate(self.experiment.crossbars)

    def rows(self, layer: int, *, zeros: bool) -> Rows:
        """The rows of a layer that training goes through, those that are 0 among them or not."""
        if zeros:
            return dense(self.experiment.crossbars[layer], self.samples, self.batches)
        return counted(self.counters[layer])

    def operations(self, phase: str, *, zeros: bool) -> int:
        """Operations of a phase, over all layers. What a host computes is none of the array's."""
        zeros = zeros and (phase == "forward" or not self.experiment.host)
        return sum(operations(crossbar, self.rows(layer, zeros=zeros))[phase] for layer, crossbar in self.layers)


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one event costs, as sums."""

    energy: tuple[Cost, ...] = ()
    time: tuple[Duration, ...] = ()
    """Of a step."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An event of a layer, and its price."""

    layer: int
    event: Event
    price: Price

    @property
    def joules(self) -> float:
        return self.event.number * sum(cost.picojoules for cost in self.price.energy) / 1e12

    @property
    def seconds(self) -> float:
        """How long the steps take, one after the other."""
        return self.event.steps * sum(duration.nanoseconds for duration in self.price.time) / 1e9

    def assumed(self) -> "Entry":
        """The part of it that rests on placeholders."""
        return replace(self, price=Price(
            energy=tuple(cost for cost in self.price.energy if cost.standing == "placeholder"),
            time=tuple(duration for duration in self.price.time if duration.standing == "placeholder")))


def entries(run: Run, costs: Costs, *, banked: bool) -> list[Entry]:
    """Our side, phase by phase. ``ConfigError`` if there is no cost for what was done."""
    found = []
    for layer, crossbar in run.layers:
        prices = _prices(run.experiment, costs, crossbar, banked)
        for event in events(run.experiment, crossbar, run.counters[layer]):
            if event.number:
                if event.name not in prices:
                    raise ConfigError(f"there is no cost for device.{run.experiment.device.kind}.reset")
                found.append(Entry(layer=layer, event=event, price=prices[event.name]))
    return sorted(found, key=lambda entry: PHASES.index(entry.event.phase))


def digital_entries(run: Run, costs: Costs, digital: Digital, *, zeros: bool, banked: bool) -> list[Entry]:
    """The digital side. It computes with ``zeros``, or leaves out the rows that we leave out."""
    found = []
    for layer, crossbar in run.layers:
        access = costs.access(_held(crossbar, digital.bits, banked), digital.bits)
        prices = {"multiplications": digital.multiply, "additions": digital.add, "weight accesses": access}
        found += [Entry(layer=layer, event=event, price=Price(energy=(prices[event.name],))) for event in
                  digital_events(run.experiment, crossbar, run.rows(layer, zeros=zeros), run.batches) if event.number]
    return found


def joules(part: Iterable[Entry]) -> float:
    """The energy of some entries."""
    return sum(entry.joules for entry in part)


def seconds(part: Iterable[Entry]) -> float:
    """The time of some entries, one after the other."""
    return sum(entry.seconds for entry in part)


def weakest(figures: Iterable[Figure]) -> str:
    """The weakest standing of some figures; empty if there are none."""
    standings = {figure.standing for figure in figures}
    return next((standing for standing in WEAKEST_FIRST if standing in standings), "")


def pipelined(part: Iterable[Entry]) -> float:
    """The time of the busiest unit, where all work side by side, each on another sample: in each layer the array, which
    is read and pulsed by turns, the converters, and the accumulator."""
    busy: dict[tuple[int, str], float] = {}
    for entry in part:
        unit = entry.layer, UNITS[work(entry.event)]
        busy[unit] = busy.get(unit, 0.0) + entry.seconds
    return max(busy.values(), default=0.0)


def work(event: Event) -> str:
    """The work that an event belongs to, one of `UNITS`."""
    return WORK.get(event.name, "pulses")


def _held(crossbar: CrossbarGeometry, bits: int, banked: bool) -> int:
    """Bits that are held together, of an array of numbers of ``bits``."""
    return crossbar.rows * (crossbar.folds if banked else crossbar.cols) * bits


def _prices(experiment: Experiment, costs: Costs, crossbar: CrossbarGeometry, banked: bool) -> dict[str, Price]:
    """The price of each event; of resets only where a device has them."""
    device, array, time = costs.device[experiment.device.kind], costs.array, costs.time
    access = costs.access(_held(crossbar, crossbar.chi_bits, banked), crossbar.chi_bits)
    pulse = Price(energy=(device.pulse,), time=(device.pulse_time,))
    prices = {
        "drives": Price(energy=(array.drive,)),
        "cell reads": Price(energy=(device.read,), time=(time.read,)),
        "conversions": Price(energy=(array.conversion,), time=(time.conversion,)),
        "accumulations": Price(energy=(array.accumulation,), time=(time.word,)),
        "comparisons": Price(energy=(array.comparison,), time=(time.word,)),
        "accumulator accesses": Price(energy=(access,)),
        "switching trials": pulse, "verify pulses": pulse,
        "write pulses": pulse if crossbar.rounding == "threshold" else Price(),  # the trial has been paid for
        "read-backs": Price(energy=(device.read, array.conversion), time=(time.read, time.conversion)),
    }
    if device.reset is not None:
        prices["resets"] = Price(energy=(device.reset,), time=(device.reset_time,))
    return prices
