"""The command that accounts for the energy and the time of a training run."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ..render.text import columns, si, table
from .common import Answer, answers, data_option
from .options import SAMPLES

if TYPE_CHECKING:
    from ..study.energy.results import EnergyResult, EventResult, PhaseResult


@click.command()
@click.argument("run_folder", metavar="RUN")
@click.option("--costs", metavar="FILE", help="TOML file of costs, instead of those in study/energy/costs.toml.")
@click.option("--increments", type=SAMPLES, metavar="N",
              help="Train on N samples more, and count the increments that are 0.")
@data_option
@answers
def energy(run_folder: str, costs: str | None, increments: int | None, data_dir: str | None) -> Answer:
    """What the training run in the folder RUN would cost in joules and seconds, beside digital implementations."""
    from ..study.energy import account
    from ..study.energy import increments as counting
    from ..study.energy.costs import load_costs

    table_of_costs = load_costs(costs)
    result = account.run(run_folder, table_of_costs)
    if increments is not None:
        result = replace(result, increments=counting.measure(run_folder, increments, table_of_costs, data_dir))
    return result, "\n\n".join(_parts(result)), True


def _parts(result: "EnergyResult") -> Iterator[str]:
    """The parts of the report, each with its title. What is of a sample is of the training where there are none."""
    of, each = ("a sample", result.samples) if result.samples else ("all in all", 1)
    yield table(_head(result))
    for title, rows in (
        (f"energy and time {of}, by layer and phase", _phases(result, each)),
        ("events of the training, over all layers", _events(result)),
        (f"digital implementations of the same training, {of}", _digital(result, each)),
        (f"operations {of}. An operation is {result.operation}", _efficiency(result, each)),
        (f"time {of}, by what takes it", _times(result, each)),
        (f"a tenth and ten times each placeholder, {of}", _sensitivity(result, each)),
        ("cells a sample that an update is for, and what it costs", _increments(result)),
        ("what was published, and this run beside it, memories banked, operations dense", _published(result)),
    ):
        if rows:
            yield f"{title}\n{columns(rows)}"
    if lines := [*_sources(result), *result.notes]:
        yield "\n".join(lines)


def _sources(result: "EnergyResult") -> list[str]:
    """A line for every figure behind the report, on our side and on the digital side."""
    ours = (line for row in result.events for line in (
        *((f"{row.event}, energy: {row.standing}: {source}" for source in (row.source, row.source_one_memory))
          if row.standing else ()),
        *((f"{row.event}, time: {row.time_standing}: {row.time_source}",) if row.time_standing else ())))
    digital = (f"{row.name}, {line}" for row in result.digital for line in row.sources)
    return list(dict.fromkeys((*ours, *digital)))


def _head(result: "EnergyResult") -> dict[str, str]:
    def spent(value: float, unit: str) -> str:
        return si(value, unit) + (f", {si(value / result.samples, unit)} a sample" if result.samples else "")

    return {
        "device": result.kind, "layers": ", ".join(result.layers), "samples trained": f"{result.samples:,}",
        "energy, memories banked": spent(result.joules, "J"),
        "energy, one memory an array": spent(result.joules_one_memory, "J"),
        "energy by placeholders": f"{100 * result.placeholder_share:.2f} %, memories banked",
        "ratio to 32 bit, dense": f"{_ratio(result.ratio)} banked, {_ratio(result.ratio_one_memory)} one memory",
        "time, sequential": spent(result.seconds, "s"),
        "time, pipelined": spent(result.seconds_pipelined, "s"),
        "time by placeholders": f"{100 * result.seconds_placeholder_share:.1f} %, sequential",
    }


def _phases(result: "EnergyResult", each: int) -> list[dict[str, Any]]:
    """A row a phase of a layer, and behind those of all layers their sum."""
    groups: dict[tuple[str, str], list[PhaseResult]] = {}
    for phase in dict.fromkeys(row.phase for row in result.phases):
        rows = [row for row in result.phases if row.phase == phase]
        groups |= {(phase, _layer(result, row.layer)): [row] for row in rows} | {(phase, "all"): rows}
    return [{"phase": phase, "layer": layer} | {
        f"{name}{period}": si(sum(getattr(row, field) for row in rows) / number, unit)
        for period, number in (("", each), (", training", 1))
        for name, field, unit in (("banked", "joules", "J"), ("one memory", "joules_one_memory", "J"),
                                  ("time", "seconds", "s"))}
        for (phase, layer), rows in groups.items()]


def _events(result: "EnergyResult") -> list[dict[str, Any]]:
    """A row an event of a phase, over all layers."""
    groups: dict[tuple[str, str], list[EventResult]] = {}
    for row in result.events:
        groups.setdefault((row.phase, row.event), []).append(row)
    rows = []
    for (phase, event), group in groups.items():
        number, spent = sum(row.number for row in group), sum(row.joules for row in group)
        rows.append({"phase": phase, "event": event, "number": number, "pJ each": spent / number * 1e12,
                     "banked": si(spent, "J"), "share": f"{100 * spent / (result.joules or 1.0):.1f} %",
                     "one memory": si(sum(row.joules_one_memory for row in group), "J"),
                     "standing": group[0].standing})
    return rows


def _digital(result: "EnergyResult", each: int) -> list[dict[str, Any]]:
    return [{"arithmetic": row.name, "rows that are 0": "computed" if row.zeros else "left out",
             "banked": si(row.joules / each, "J"), "ratio": _ratio(row.ratio),
             "one memory": si(row.joules_one_memory / each, "J"), "its ratio": _ratio(row.ratio_one_memory)}
            for row in result.digital]


def _efficiency(result: "EnergyResult", each: int) -> list[dict[str, Any]]:
    return [{"phase": row.phase, "dense": round(row.operations / each), "done": round(row.operations_done / each),
             "dense/s/W": _rate(row.operations_per_joule), "done/s/W": _rate(row.done_per_joule),
             "dense/s": _rate(row.operations_per_second),
             "energy by placeholders": f"{100 * row.placeholder_share:.1f} %"}
            for row in result.efficiency if row.operations]


def _times(result: "EnergyResult", each: int) -> list[dict[str, Any]]:
    return [{"layer": _layer(result, row.layer), "reads": si(row.reads / each, "s"),
             "conversions": si(row.conversions / each, "s"), "updates": si(row.updates / each, "s"),
             "pulses": si(row.pulses / each, "s")} for row in result.times]


def _sensitivity(result: "EnergyResult", each: int) -> list[dict[str, Any]]:
    return [{"placeholder": row.figure, "figure": row.value,
             **{f"{name} x {factor}": text for index, factor in enumerate(("0.1", "10"))
                for name, text in (("ratio", _ratio(row.ratio[index])), ("energy", si(row.joules[index] / each, "J")),
                                   ("time", si(row.seconds[index] / each, "s")))}} for row in result.sensitivity]


def _increments(result: "EnergyResult") -> list[dict[str, Any]]:
    return [{"layer": _layer(result, row.layer), "in rows": row.given / row.samples,
             "with an error": row.with_error / row.samples, "changing": row.changing / row.samples,
             "due without": row.due / row.samples, "update, banked": si(row.joules / row.samples, "J"),
             "only with an error": si(row.joules_with_error / row.samples, "J")} for row in result.increments]


def _published(result: "EnergyResult") -> list[dict[str, Any]]:
    return [{"quantity": row.quantity, "unit": row.unit, "published": f"{row.published:.4g}",
             "here": f"{row.here:.3g}" if row.here is not None else "none", "of": f"{row.system} [{row.source}]"}
            for row in result.published]


def _layer(result: "EnergyResult", index: int) -> str:
    return f"{index + 1}: {result.layers[index]}"


def _rate(rate: float | None) -> str:
    return si(rate, "").rstrip() if rate is not None else "none"


def _ratio(ratio: float | None) -> str:
    return f"{ratio:.3g}" if ratio is not None else "none"
