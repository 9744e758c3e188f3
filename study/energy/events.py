"""What happens in a crossbar while a network trains: how often, and how much of it one after the other.

All of it follows from the counters of the crossbar (arithmetic 4.5) and its geometry. Where the counters leave a number
open, it is the largest that they allow. docs/energy.md, section 2, is the specification.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from ...config import Experiment
from ...contract.geometry import CrossbarGeometry

Phase = Literal["forward", "backward", "update", "programming"]
"""``update`` is about residuals, ``programming`` about cells."""
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens ``number`` times."""

    phase: Phase
    name: str
    number: int
    steps: int = 0
    """How many there are one after the other: those that happen at once, or while something else does, count once, or
    not at all."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a crossbar that training goes through."""

    forwards: int
    """Forward passes, one at each position."""
    forward: int
    """Rows that they read."""
    backwards: int
    """Backward passes."""
    backward: int
    """Rows that they read."""
    products: int
    """Rows that are multiplied with a delta, at every position."""
    updates: int
    """Rows that increments are added to, once a sample."""
    visits: int
    """Rows that are looked at."""


def counted(counters: dict[str, int]) -> Rows:
    """What the ``counters`` of a crossbar tell. A backward pass reads at least one row."""
    return Rows(
        forwards=counters["forwards"], forward=counters["forward_rows"],
        backwards=min(counters["forwards"], counters["backward_rows"]), backward=counters["backward_rows"],
        products=max(counters["update_rows"], counters.get("product_rows", 0)), updates=counters["update_rows"],
        visits=counters["visited_rows"])


def dense(crossbar: CrossbarGeometry, samples: int, batches: int) -> Rows:
    """What ``samples`` in ``batches`` mini-batches take where nothing that is 0 is left out: every row, at every
    position."""
    passes = samples * crossbar.positions
    backwards = passes if crossbar.backward else 0
    return Rows(forwards=passes, forward=passes * crossbar.rows, backwards=backwards,
                backward=backwards * crossbar.inputs, products=passes * crossbar.rows, updates=samples * crossbar.rows,
                visits=batches * crossbar.rows)


def operations(crossbar: CrossbarGeometry, rows: Rows) -> dict[str, int]:
    """Operations of the phases that have any: a multiplication and an addition for each cell of ``rows``."""
    passes = {"forward": rows.forward, "backward": rows.backward, "update": rows.products}
    return {phase: 2 * crossbar.cols * number for phase, number in passes.items()}


def events(experiment: Experiment, crossbar: CrossbarGeometry, counters: dict[str, int]) -> list[Event]:
    """What has happened in ``crossbar``. Every device of a cell is read with it."""
    rows, cols, devices = counted(counters), crossbar.cols, crossbar.devices
    return [
        Event(phase="forward", name="drives", number=rows.forward),
        Event(phase="forward", name="cell reads", number=devices * cols * rows.forward, steps=rows.forwards),
        Event(phase="forward", name="conversions", number=cols * rows.forwards,
              steps=cols // crossbar.adcs * rows.forwards),
        Event(phase="backward", name="drives", number=cols * rows.backwards),
        Event(phase="backward", name="cell reads", number=devices * cols * rows.backward, steps=rows.backwards),
        Event(phase="backward", name="conversions", number=rows.backward, steps=-(-rows.backward // crossbar.adcs)),
        *_update(experiment, crossbar, rows),
        *_programming(crossbar, counters, rows),
    ]


def _update(experiment: Experiment, crossbar: CrossbarGeometry, rows: Rows) -> list[Event]:
    """A row that is updated has its residuals read and written, once for all positions. In mini-batches a visit reads
    them once more, and writes them where nothing is left of them."""
    cols, batches = crossbar.cols, experiment.batch > 1 and not experiment.host
    visits = Event(phase="update", name="comparisons", number=cols * rows.visits,
                   steps=crossbar.folds * rows.visits if batches else 0)
    parts = [Event(phase="update", name="accumulations", number=cols * rows.products,
                   steps=crossbar.folds * rows.products)]
    if crossbar.rounding == "threshold":
        parts.append(visits)
    if outlasts(experiment, crossbar):
        accesses = 2 * rows.updates + (rows.visits * (1 if crossbar.rounding == "threshold" else 2) if batches else 0)
        parts.append(Event(phase="update", name="accumulator accesses", number=cols * accesses))
    return parts


def _programming(crossbar: CrossbarGeometry, counters: dict[str, int], rows: Rows) -> list[Event]:
    """Cells are programmed one after the other, each with its residual. Where rounding is stochastic, every cell that
    is visited gets a pulse, those of a word at once: a *switching trial*."""
    verified = counters["verify_attempts"]
    pulses = counters["attempts"] - verified
    stochastic = crossbar.rounding == "stochastic"
    read_back = verified + (pulses if crossbar.residual == "verified" else 0)
    if crossbar.devices > 1:  # all of a cell are read to see which are to be pulsed: at most once a pulse
        read_back += crossbar.devices * pulses
    parts = [
        Event(phase="programming", name="write pulses", number=pulses, steps=0 if stochastic else pulses),
        Event(phase="programming", name="verify pulses", number=verified, steps=verified),
        Event(phase="programming", name="resets", number=2 * counters["refreshes"], steps=counters["refreshes"]),
        Event(phase="programming", name="read-backs", number=read_back, steps=read_back),
    ]
    if stochastic:
        trials = Event(phase="programming", name="switching trials", number=crossbar.cols * rows.visits,
                       steps=crossbar.folds * rows.visits)
        return [trials, *parts]
    return [*parts, Event(phase="programming", name="accumulator accesses", number=2 * pulses)]


def outlasts(experiment: Experiment, crossbar: CrossbarGeometry) -> bool:
    """Whether any residual outlasts the operation that makes it. Otherwise there is no accumulator."""
    return crossbar.residual != "none" or (experiment.batch > 1 and not experiment.host)


def digital_events(experiment: Experiment, crossbar: CrossbarGeometry, rows: Rows, batches: int) -> list[Event]:
    """What a digital implementation of the same training does for ``rows`` in ``batches`` mini-batches.

    A multiplication and an addition a weight forward, backward and in the update; a weight is read for each pass, read
    and written by the update. In mini-batches gradients are accumulated in a memory of their own, and applied to all
    weights at the end.
    """
    cols, weights = crossbar.cols, crossbar.rows * crossbar.cols
    ends = batches * weights if experiment.batch > 1 else 0
    numbers: dict[Phase, tuple[int, int]] = {
        "forward": (cols * rows.forward, cols * rows.forward), "backward": (cols * rows.backward, cols * rows.backward),
        "update": (cols * rows.products + ends, 2 * cols * rows.updates + 3 * ends)}
    return [Event(phase=phase, name=name, number=number) for phase, (products, accesses) in numbers.items()
            for name, number in (("multiplications", products), ("additions", products), ("weight accesses", accesses))]
