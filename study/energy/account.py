"""The account of a training run: what its counters say has happened since its start, in joules and in seconds."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ...config import Experiment
from ...contract.geometry import COUNTER_BITS, CrossbarGeometry
from ...devices.costs import Figure
from ...train import run_folder
from .costs import REFERENCE, Costs, Place, load_costs, placeholders, scaled
from .ledger import UNITS, Entry, Run, digital_entries, entries, joules, pipelined, seconds, weakest, work
from .published import beside
from .results import (
    OPERATION,
    DigitalResult,
    EfficiencyResult,
    EnergyResult,
    EventResult,
    PhaseResult,
    SensitivityResult,
    TimeResult,
)

EFFICIENCIES = {"forward": ("forward",), "backward": ("backward",), "update": ("update", "programming")}
"""What operations are for, and the phases that they cost."""


def run(folder: str | Path, costs: Costs | None = None) -> EnergyResult:
    """The account of the training run in ``folder``. ``ConfigError`` if there is no run, or no cost for what it
    did."""
    experiment, counters = _read(Path(folder))
    return account(Run(experiment=experiment, counters=counters), costs or load_costs(), str(folder))


def spent(folder: str | Path, costs: Costs) -> tuple[float, float | None]:
    """The joules of the training run in ``folder``, and those of the dense 32-bit digital implementation, None where
    the two do not stand for the same work; memories are banked. ``ConfigError`` as of ``run``."""
    experiment, counters = _read(Path(folder))
    of = Run(experiment=experiment, counters=counters)
    ours = joules(entries(of, costs, banked=True))
    if experiment.host or experiment.transfer:
        return ours, None
    return ours, joules(digital_entries(of, costs, costs.digital[REFERENCE], zeros=True, banked=True))


def account(of: Run, costs: Costs, name: str = "") -> EnergyResult:
    """The account of a run, which is called ``name``. ``ConfigError`` if there is no cost for what it did."""
    banked, whole = (entries(of, costs, banked=banked) for banked in (True, False))
    ours = joules(banked), joules(whole)
    digital = tuple(_digital(of, costs, twin, zeros, ours) for twin in costs.digital for zeros in (True, False))
    reference = next(each for each in digital if each.name == REFERENCE and each.zeros)
    efficiency = tuple(_efficiency(of, banked, phase) for phase in EFFICIENCIES)
    return EnergyResult(
        run=name, kind=of.experiment.device.kind, layers=tuple(map(str, of.experiment.shapes)), samples=of.samples,
        joules=ours[0], joules_one_memory=ours[1], placeholder_share=_share(banked, joules),
        digital_joules=reference.joules, digital_joules_one_memory=reference.joules_one_memory, ratio=reference.ratio,
        ratio_one_memory=reference.ratio_one_memory,
        seconds=seconds(banked), seconds_pipelined=pipelined(banked), seconds_placeholder_share=_share(banked, seconds),
        phases=_phases(banked, whole), events=_events(banked, whole), digital=digital, operation=OPERATION,
        efficiency=efficiency, times=tuple(_times(banked, layer) for layer, _ in of.layers),
        sensitivity=_sensitivity(of, costs), published=beside(_quantities(of.samples, efficiency, reference)),
        notes=_notes(of))


def _of(part: Iterable[Entry], *phases: str, layer: int | None = None) -> list[Entry]:
    """The entries of some phases, in one layer or in all."""
    return [entry for entry in part if entry.event.phase in phases and layer in (None, entry.layer)]


def _share(part: list[Entry], total: Callable[[Iterable[Entry]], float]) -> float:
    """Fraction of the ``total`` of some entries that rests on placeholders."""
    return total(entry.assumed() for entry in part) / (total(part) or 1.0)


def _phases(banked: list[Entry], whole: list[Entry]) -> tuple[PhaseResult, ...]:
    """Those of every layer in which something happened."""
    places = dict.fromkeys((entry.layer, entry.event.phase) for entry in banked)
    return tuple(PhaseResult(
        layer=layer, phase=phase, joules=joules(_of(banked, phase, layer=layer)),
        joules_one_memory=joules(_of(whole, phase, layer=layer)), seconds=seconds(_of(banked, phase, layer=layer)))
        for layer, phase in places)


def _events(banked: list[Entry], whole: list[Entry]) -> tuple[EventResult, ...]:
    return tuple(EventResult(
        layer=entry.layer, phase=entry.event.phase, event=entry.event.name, number=entry.event.number,
        joules=entry.joules, joules_one_memory=other.joules, standing=weakest(entry.price.energy),
        source=_sources(entry.price.energy), source_one_memory=_sources(other.price.energy), seconds=entry.seconds,
        time_standing=weakest(entry.price.time) if entry.event.steps else "",
        time_source=_sources(entry.price.time) if entry.event.steps else "")
        for entry, other in zip(banked, whole, strict=True))


def _sources(figures: Iterable[Figure]) -> str:
    return "; ".join(dict.fromkeys(figure.source for figure in figures))


def _digital(of: Run, costs: Costs, name: str, zeros: bool, ours: tuple[float, float]) -> DigitalResult:
    """A digital implementation beside ``ours``: our joules with memories banked, and as one."""
    ledgers = [digital_entries(of, costs, costs.digital[name], zeros=zeros, banked=banked) for banked in (True, False)]
    spent = [joules(ledger) for ledger in ledgers]
    ratios = [theirs / own if of.samples and own and not of.experiment.host else None
              for theirs, own in zip(spent, ours, strict=True)]
    products, accesses = (sum(entry.event.number for entry in ledgers[0] if entry.event.name == event)
                          for event in ("multiplications", "weight accesses"))
    return DigitalResult(
        name=name, bits=costs.digital[name].bits, zeros=zeros, multiplications=products, weight_accesses=accesses,
        joules=spent[0], joules_one_memory=spent[1], ratio=ratios[0], ratio_one_memory=ratios[1],
        sources=tuple(dict.fromkeys(
            f"{entry.event.name}: {weakest(entry.price.energy)}: {_sources(entry.price.energy)}"
            for ledger in ledgers for entry in ledger)))


def _efficiency(of: Run, banked: list[Entry], phase: str) -> EfficiencyResult:
    """Of one of `EFFICIENCIES`."""
    part = _of(banked, *EFFICIENCIES[phase])
    spent, took = joules(part), seconds(part)
    dense, done = (of.operations(phase, zeros=zeros) for zeros in (True, False))
    return EfficiencyResult(
        phase=phase, operations=dense, operations_done=done, joules=spent, seconds=took,
        operations_per_joule=dense / spent if spent else None, done_per_joule=done / spent if spent else None,
        operations_per_second=dense / took if took else None, placeholder_share=_share(part, joules))


def _times(banked: list[Entry], layer: int) -> TimeResult:
    return TimeResult(layer=layer, **{
        kind: seconds(entry for entry in banked if entry.layer == layer and work(entry.event) == kind)
        for kind in UNITS})


def _sensitivity(of: Run, costs: Costs) -> tuple[SensitivityResult, ...]:
    """Of every placeholder that changes anything."""
    now, results = _totals(of, costs), []
    for place, figure in placeholders(costs):
        low, high = (_totals(of, scaled(costs, place, factor)) for factor in (0.1, 10.0))
        if low != now or high != now:
            results.append(SensitivityResult(
                figure=_name(place), value=getattr(figure, figure.number), joules=(low[0], high[0]),
                seconds=(low[1], high[1]), ratio=(low[2], high[2])))
    return tuple(results)


def _totals(of: Run, costs: Costs) -> tuple[float, float, float | None]:
    """Joules and seconds of a run, and its ratio to the dense 32-bit implementation; memories are banked."""
    part = entries(of, costs, banked=True)
    spent = joules(part)
    return spent, seconds(part), _digital(of, costs, REFERENCE, True, (spent, spent)).ratio


def _name(place: Place) -> str:
    return ".".join(map(str, place))


def _quantities(samples: int, efficiency: Iterable[EfficiencyResult], reference: DigitalResult,
                ) -> dict[str, float | None]:
    """What `published` has figures of."""
    phases = {each.phase: each for each in efficiency}
    a_sample = {phase: each.joules / samples if samples else None for phase, each in phases.items()}
    return {
        "operations a second and a watt, forward": phases["forward"].operations_per_joule,
        "operations a second and a watt, update": phases["update"].operations_per_joule,
        "energy a sample": sum(each.joules for each in phases.values()) / samples if samples else None,
        **{f"energy a sample, {phase}": spent for phase, spent in a_sample.items()},
        "energy a sample, digital": reference.joules / samples if samples else None,
        "ratio to 32 bit": reference.ratio,
    }


def _notes(of: Run) -> list[str]:
    notes = []
    if of.experiment.host:
        notes.append("what the host computes, gradients and optimiser, is not counted, but is part of the digital side")
    if of.experiment.transfer:
        notes.append("the cells were written from a precursor; the run in the folder precursor trained it")
    elif not of.samples:
        notes.append("nothing was trained")
    return notes


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
