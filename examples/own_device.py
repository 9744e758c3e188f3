"""Arrays of a device of one's own, learned from measurements: a CSV file with a row a write pulse, as
`spinloom device fit` reads it. Unless given, it is one that a simulated device gives."""

import sys
from math import log2
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from common import Run, options, start
from digits import train_arrays, train_floats
from spinloom import device, nn
from spinloom.contract.errors import ConfigError
from spinloom.devices import fit, measure

LIKE = device("incremental", states=32, up_mean=(1.4, 1.0, 0.7, 0.5), down_mean=(0.5, 0.7, 1.0, 1.4))
"""What is measured if there are no measurements."""


def fitted(measurements: Path | None, kind: str | None, seed: int) -> fit.FitResult:
    """The device that the ``measurements`` show."""
    with TemporaryDirectory() as folder:
        if measurements is None:
            measurements = Path(folder) / "measurements.csv"
            measure.run(LIKE, measurements, pulses=5000, seed=seed)
        return fit.run(measurements, Path(folder) / "device.toml", kind)


def in_arrays(inputs: int, own) -> torch.nn.Module:
    """As many states as the device has, over the range in which five levels would suit."""
    finer = round(log2(own.compile().states / 5))
    cells = {"device": own, "init_spread": 2.0**finer}
    return torch.nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, 32, weight_step=-2 - finer, **cells), nn.ReLU(bits=8),
        nn.Linear(32, 10, weight_step=-1 - finer, z_frac=5, **cells))


def main() -> None:
    parser = options(__doc__, epochs=20, dataset="mnist")
    parser.add_argument("--measurements", type=Path, metavar="FILE", help="CSV file: before, pulse, after")
    parser.add_argument("--kind", metavar="KIND", help="kind of the device that was measured; else as they look")
    run = Run(parser.parse_args())
    given = run.options
    if given.kind and not given.measurements:
        raise ConfigError(f"--kind {given.kind}: name what was measured, with --measurements")
    found = fitted(given.measurements, given.kind, given.seed)
    print(f"{found.why}: {found.device}", *found.notes, sep="\n", file=sys.stderr)
    samples = run.images()
    model = run.placed(in_arrays(samples[0].images[0].numel(), found.device), samples[0].images[:8])
    run.answer(model, test_accuracy=train_arrays(run, model, samples), baseline_accuracy=train_floats(run, samples))


if __name__ == "__main__":
    start(main)
