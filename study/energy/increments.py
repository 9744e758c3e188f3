"""How many accumulators an update would have to touch: those whose increment is not 0.

The ledger, like the RTL, reads and writes the residuals of all columns of a row that is updated.
"""

from pathlib import Path

import torch

from ...contract.errors import ConfigError
from ...model.accumulator import GradientAccumulator
from ...model.crossbar import Crossbar
from ...model.network import Network
from ...train import data, run_folder
from .costs import Costs
from .ledger import Entry, Run, entries, joules
from .results import IncrementsResult


class Counting(GradientAccumulator):
    """An accumulator that counts the increments that it is given."""

    def __init__(self, crossbar: Crossbar) -> None:
        """In the place of that of ``crossbar``."""
        super().__init__(crossbar.geometry, crossbar.lfsrs.get("rounding_lfsr"))
        self.chi = crossbar.accumulator.chi
        crossbar.accumulator = self
        self.given = self.with_error = self.changing = self.due = 0

    def accumulate(self, rows: torch.Tensor, x: torch.Tensor, d: torch.Tensor, learning_rate_shift: int) -> None:
        self.with_error += len(rows) * int(d.any(dim=0).count_nonzero())
        super().accumulate(rows, x, d, learning_rate_shift)

    def add(self, rows: torch.Tensor, change: torch.Tensor) -> None:
        idle = change == 0
        self.given += change.numel()
        self.changing += change.numel() - int(idle.count_nonzero())
        self.due += int((idle & self._reached(self.chi.index_select(0, rows))).count_nonzero())
        super().add(rows, change)


def measure(folder: str | Path, samples: int, costs: Costs, data_dir: str | Path | None = None,
            ) -> tuple[IncrementsResult, ...]:
    """The increments of the first ``samples`` samples of the epoch that the run in ``folder`` would go on with, by
    layer; the run stays as it is. ``ConfigError`` if there is no run, a host makes its increments, or it is not one of
    `spinloom train`."""
    folder = Path(folder)
    record = run_folder.read_record(folder)
    experiment = record.experiment
    if experiment.host:
        raise ConfigError(f"{folder}: a host makes the increments; leave --increments out")
    if record.identity and record.identity.command.split()[0] in ("epoch", "run"):
        raise ConfigError(f"{folder}: the state that `spinloom {record.identity.command}` leaves does not say which "
                          "epoch comes next; leave --increments out")
    network, dataset = Network(experiment), data.load(experiment, data_dir)
    run_folder.read_state(folder, record, network)
    epoch = run_folder.read_position(folder, record).epoch
    accumulators = [Counting(crossbar) for crossbar in network.crossbars]
    before = [dict(crossbar.counters) for crossbar in network.crossbars]
    images, labels = dataset.train
    order = experiment.sample_order(epoch, len(labels))
    span = range(data.taken(samples, len(order), "samples"))
    network.train_span(data.drive(images, experiment.input.format), labels, order, span,
                       experiment.learning_rate_shift(epoch))
    since = [{name: count - old[name] for name, count in crossbar.counters.items()}
             for crossbar, old in zip(network.crossbars, before, strict=True)]
    part = entries(Run(experiment=experiment, counters=since), costs, banked=True)
    return tuple(_result(layer, len(span), each, [entry for entry in part if entry.layer == layer], experiment.batch)
                 for layer, each in enumerate(accumulators))


def _result(layer: int, samples: int, counted: Counting, part: list[Entry], batch: int) -> IncrementsResult:
    """What was ``counted`` in a layer whose entries are ``part``."""
    update = [entry for entry in part if entry.event.phase == "update"]
    price = {entry.event.name: entry.joules / entry.event.number for entry in update}
    idle = 2 * price.get("accumulator accesses", 0.0) + (price.get("comparisons", 0.0) if batch == 1 else 0.0)
    return IncrementsResult(
        layer=layer, samples=samples, given=counted.given, with_error=counted.with_error, changing=counted.changing,
        due=counted.due, joules=joules(update),
        joules_with_error=joules(update) - (counted.given - counted.with_error) * idle)
