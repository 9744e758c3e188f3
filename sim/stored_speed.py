"""``python -m spinloom.sim.stored_speed``: how fast a network trains on samples in a ULX3S's SDRAM.

Verilator runs the network, the controller and the model of the chip, which checks its rules. The golden model trains
beside it: what the network predicts correctly and the state that it ends in must be the same.
"""

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from ..config import Experiment, load
from ..contract.errors import SpinloomError
from ..contract.store import pack
from ..hw.store.sdram_chip import ULX3S_SDRAM
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..train import data
from ..train.lockstep import Plan, Twins
from .bench import complete
from .benches.compiled import CompiledBench
from .sdram import SdramMemory
from .stored import NetworkWithMemory, Report, StoredDriver

CLOCK_MHZ = 50
MOST = 1 << 16
"""Samples of a set."""


class DifferentReportError(SpinloomError, AssertionError):
    """Network and golden model predict differently."""


def measure(experiment: Experiment, samples: data.Samples, sizes: list[int]) -> Iterator[Report]:
    """Train on the first ``samples`` of the first epoch, in parts of ``sizes``, and report each part.

    ``DifferentReportError`` or ``DifferenceError`` unless the golden model does the same, bit for bit;
    ``SimulatorError`` if Verilator cannot be used.
    """
    experiment.require_in_situ()
    chip, words = ULX3S_SDRAM, pack(*samples)
    bench = CompiledBench(NetworkWithMemory(
        experiment, SdramMemory(chip=chip, timing=chip.timing(CLOCK_MHZ)), most=MOST))
    bench.columns[:2 * len(words)] = words.view("<u2")
    golden, plan, first = Network(experiment), Plan(experiment, samples, sum(sizes)), 0
    trainer = CompiledTrainer(golden)
    driver = StoredDriver(bench, experiment, address_bits=chip.address_bits, most=MOST)
    twins = Twins(golden, driver, trainer=trainer)
    complete(twins.load())
    for size in sizes:
        span = next(plan.spans(size, first))
        predictions = trainer.train_span(plan.xs, plan.labels, *span)
        report = complete(driver.train(0, len(plan.labels), span.places))
        if report.correct != int(np.count_nonzero(predictions == plan.labels[span.chosen])):
            raise DifferentReportError(f"of samples {first:,} to {first + size - 1:,} the network predicts "
                                       f"{report.correct:,} correctly, and the golden model other ones")
        complete(twins.compare())
        yield report
        first += size


@click.command(help=__doc__)
@click.argument("preset", default="ulx3s-mnist")
@click.option("--lanes", default=128, show_default=True, help="Of the first layer.")
@click.option("--samples", default=2000, show_default=True, help="Trained on, once as many have been before.")
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Folder of the data set.")
def main(preset: str, lanes: int, samples: int, folder: Path | None) -> None:
    experiment = load(preset).replaced(order="permuted", layers={0: {"lanes": lanes}})
    *_, report = measure(experiment, data.load(experiment, folder).train, [samples, samples])
    cycles = report.cycles / samples
    click.echo(f"clock cycles a sample  {cycles:.1f}\n"
               f"of them stalls         {100 * report.stalls / report.cycles:.2f} %\n"
               f"samples a second       {1e6 * CLOCK_MHZ / cycles:,.0f} at {CLOCK_MHZ} MHz\n"
               f"predicted correctly    {100 * report.correct / samples:.2f} %\n"
               "bit-exact              yes")


if __name__ == "__main__":
    main()
