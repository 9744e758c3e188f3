"""What a report says first: what was trained, how well, what it cost, and whether hardware agreed."""

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Literal

from ...config import Experiment
from ...contract.results import Result
from ...render.text import si
from ..sweep.table import DONE, FAILED, WAITING
from .detail import Detail
from .material import Material
from .table import FIRST_RESULT, Row, shortened

STATES = "device.states"
"""The field of a configuration that tells the states of a device."""


@dataclass(frozen=True, kw_only=True)
class Tile(Result):
    """A figure in large type."""

    label: str
    value: str
    remark: str = ""
    standing: Literal["", "good", "bad", "none"] = ""


@dataclass(frozen=True, kw_only=True)
class Summary(Result):
    """The head of a report."""

    lead: str
    """In a sentence or two, what was trained."""
    tiles: tuple[Tile, ...]


def summarise(material: Material, details: Sequence[Detail]) -> Summary:
    """The summary of ``material``, with what the runs in ``details`` tell of networks and energy."""
    return Summary(lead=_lead(material, details), tiles=tuple(_tiles(material, details)))


def _lead(material: Material, details: Sequence[Detail]) -> str:
    rows = _rows(material)
    parts = []
    if rows:
        configs = list(dict.fromkeys(str(row["config"]) for row in rows))
        varied = list(dict.fromkeys(name for study in material.studies for name in study.fields))
        parts.append(f"{_counted(len(rows), 'run')} of {_listed(configs)}"
                     + (f", with different {_listed(varied)}" if varied else "") + ".")
    if details:
        experiments = [each.experiment for each in details]
        sets = dict.fromkeys(str(each.result.data) for each in details if each.result.data)
        parts.append(f"Networks: {_networks(rows, experiments)}." + (f" Data: {_listed(list(sets))}." if sets else ""))
    beside: list[tuple[Sized, str, str]] = [
        (material.agreements, "comparison with hardware", "comparisons with hardware"),
        (material.sizes, "design for an FPGA", "designs for FPGAs"),
        (material.fits, "device learned from measurements", "devices learned from measurements")]
    told = [_counted(len(found), one, many) for found, one, many in beside if found]
    return " ".join([*parts, *([f"{'Beside them: ' if parts else ''}{_listed(told)}."] if told else [])])


def _networks(rows: Sequence[Row], experiments: Sequence[Experiment]) -> str:
    """Networks and their devices, with all numbers of states in ``rows`` and ``experiments``."""
    networks = dict.fromkeys(f"{each.topology} of {each.device.kind.replace('_', ' ')} devices" for each in experiments)
    varied = {row[STATES] for row in rows if isinstance(row.get(STATES), int)}
    states = sorted(varied | {each.device.compile().states for each in experiments})
    return f"{_listed(list(networks))} with {_listed(list(map(str, states)), most=8)} states"


def _tiles(material: Material, details: Sequence[Detail]) -> Iterator[Tile]:
    rows = _rows(material)
    if rows:
        yield _runs(rows)
    done = [row for study in material.studies for row in study.done]
    if done:
        best = max(done, key=lambda row: row[FIRST_RESULT])
        floating = best.get("baseline_accuracy")
        beside = f"floating point beside this run {floating:.2f} %; " if isinstance(floating, int | float) else ""
        yield Tile(label="best test accuracy", value=f"{best[FIRST_RESULT]:.2f} %",
                   remark=beside + shortened(best["run"]))
        worst = best.get("most_write_pulses")
        if isinstance(pulses := best.get("write_pulses"), int | float):
            yield Tile(label="its write pulses", value=f"{pulses:,}",
                       remark=f"worst cell {worst:,}" if isinstance(worst, int | float) else "")
    yield from _failed(details)
    yield from _energy(details)
    yield _agreement(material)


def _runs(rows: Sequence[Row]) -> Tile:
    counts = {status: sum(row["status"] == status for row in rows) for status in (DONE, FAILED, WAITING)}
    remarks = [f"{count:,} {status}" for status, count in counts.items() if count and status != DONE]
    return Tile(label="runs that have ended", value=f"{counts[DONE]:,}",
                remark=f"of {', '.join([f'{len(rows):,}', *remarks])}")


def _failed(details: Sequence[Detail]) -> Iterator[Tile]:
    """Of the run with the largest share of failed cells of those looked at one by one, if cells age."""
    aged = [(each.failed, sum(shape.cells for shape in each.experiment.shapes), each.name) for each in details
            if each.failed is not None]
    if aged:
        failed, cells, name = max(aged, key=lambda each: each[0] / each[1])
        yield Tile(label="most failed cells", value=f"{100 * failed / cells:.3g} %",
                   remark=f"{failed:,} of {cells:,}; {name}")


def _energy(details: Sequence[Detail]) -> Iterator[Tile]:
    """Of the run that is the best of those looked at one by one."""
    spent = [each for each in details if each.energy and each.energy.samples]
    if spent:
        best = max(spent, key=lambda each: each.result.test_accuracy)
        account = best.energy
        assert account is not None
        beside = f"float32: {account.ratio:.3g} times as much; " if account.ratio is not None else ""
        yield Tile(label="energy a sample", value=si(account.joules / account.samples, "J").replace(" u", " µ"),
                   remark=f"{beside}{best.name}")


def _agreement(material: Material) -> Tile:
    found = material.agreements
    label = "golden model = hardware"
    if not found:
        return Tile(label=label, value="not compared", standing="none", remark="no cosim, epoch or board among these")
    wrong = [each for each in found if not each.bit_exact]
    if wrong:
        return Tile(label=label, value=f"NO, in {len(wrong)} of {len(found)}", standing="bad",
                    remark=f"{wrong[0].name}: {wrong[0].first_difference}")
    return Tile(label=label, value="every bit", standing="good",
                remark=f"{_counted(len(found), 'comparison')}, {sum(each.samples for each in found):,} samples")


def _rows(material: Material) -> list[Row]:
    return [row for study in material.studies for row in study.rows]


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
