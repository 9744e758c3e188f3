"""What a trace costs: training with one against that without, in turns, and the bytes of a write pulse."""

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from ..config import load
from ..contract.results import Result
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..system.temporary import temporary_folder
from ..train import data, run_folder
from ..train.identity import Identity
from ..train.loop import one_thread
from ..train.trace import TraceWriter

ROUNDS = 9
EPOCHS = 2
CHUNK = 2000
"""Samples between two writes to the file."""


@dataclass(frozen=True, kw_only=True)
class TraceCost(Result):
    """What has been measured."""

    samples: int
    """Samples of an epoch."""
    pulses: int
    """Write pulses of ``EPOCHS`` epochs from the initial state on."""
    bytes_per_pulse: float
    """Of the file, its header included."""
    ratio: float
    """CPU time with a trace, over that without: the median over ``ROUNDS`` in which they take turns."""


@one_thread()
def run(config: str, samples: int | None = None) -> TraceCost:
    """Measure on the first ``samples`` samples of the data set of ``config``, all unless given. ``ConfigError`` if it
    cannot be trained."""
    experiment = load(config)
    dataset = data.load(experiment).first(samples)
    xs = data.drive(dataset.train.images, experiment.input.format)
    size = len(dataset.train.labels)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    with temporary_folder("spinloom-trace-") as folder:
        record = run_folder.create(folder, Identity.of("train", experiment, dataset), traced=True)

        def train(traced: bool) -> int:
            """The write pulses that have been traced."""
            network = Network(experiment)
            writer = TraceWriter(folder, record, network.record()) if traced else None
            if writer:
                writer.begin()
            trainer, begun = CompiledTrainer(network), time.process_time()
            for epoch in range(EPOCHS):
                order = experiment.sample_order(epoch, size)
                for first in range(0, size, CHUNK):
                    trainer.train_span(xs, dataset.train.labels, order, range(first, min(first + CHUNK, size)),
                                       experiment.learning_rate_shift(epoch))
                    if writer:
                        writer.append()
            seconds[traced].append(time.process_time() - begun)
            return writer.written if writer else 0

        for number in range(ROUNDS):
            pulses = sum(train(traced) for traced in (number % 2 == 0, number % 2 != 0))
        held = (Path(folder) / run_folder.TRACE).stat().st_size
    ratios = np.array(seconds[True]) / np.array(seconds[False])
    return TraceCost(samples=size, pulses=pulses, bytes_per_pulse=held / max(1, pulses),
                     ratio=statistics.median(ratios.tolist()))


@click.command(help=__doc__)
@click.argument("config")
@click.option("--samples", type=int, metavar="N", help="Train on the first N samples only.")
def main(config: str, samples: int | None) -> None:
    click.echo(json.dumps(run(config, samples).to_json()))


if __name__ == "__main__":
    main()
