"""Commands that train on the golden model."""

from pathlib import Path
from typing import Any

import click

from ..config import Experiment, load
from ..render.text import columns, table
from .common import (
    Answer,
    answers,
    config_argument,
    data_option,
    device_option,
    override,
    overwrite_option,
    replace_option,
    sweep_options,
    worn,
)
from .options import EPOCHS, SAMPLES, SEED, Real, Whole


def shifts(_: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """The learning-rate shifts of an option ``S,S,...``."""
    if value is None:
        return None
    parts = value.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) <= 2 and int(part) <= 31 for part in parts):
        raise click.BadParameter(f"{value!r} is no list of whole numbers from 0 to 31, such as 5,6", param=option)
    return tuple(map(int, parts))


@click.command()
@config_argument
@click.option("--epochs", type=EPOCHS, metavar="N",
              help="Epochs to train, instead of the configuration's. With --resume: let the run get so many, more than "
                   "it has.")
@click.option("--rates", metavar="S,S,...", callback=shifts,
              help="With --resume: learning-rate shifts from the next epoch on; later epochs reuse the last.")
@click.option("--seed", type=SEED, metavar="N", help="Seed, instead of the configuration's.")
@click.option("--samples", type=SAMPLES, metavar="N", help="Train on the first N samples only.")
@device_option
@data_option
@click.option("--out", metavar="DIR", help="Run folder; default runs/NAME-DIGEST.")
@click.option("--resume", metavar="DIR",
              help="Continue the interrupted run in this folder; of one that has ended, give the result.")
@overwrite_option
@click.option("--trace", is_flag=True, help="Record every write pulse, for spinloom trace.")
@click.option("--reference", is_flag=True, help="Train by PyTorch, not the compiled trainer: slow, the same bits.")
@answers
def train(config: str, epochs: int | None, rates: tuple[int, ...] | None, seed: int | None, samples: int | None,
          device: str | None, data_dir: str | None, out: str | None, resume: str | None, overwrite: bool,
          trace: bool, reference: bool) -> Answer:
    """Train in situ on the golden model, beside a floating-point baseline, and evaluate.

    A run is continued with --resume only on the same configuration, data and order. What --epochs and --rates change
    then is recorded in the run folder.
    """
    change: dict[str, Any]
    if resume is not None:
        fixed = {"--seed": seed, "--samples": samples, "--device": device, "--out": out,
                 "--overwrite": overwrite or None, "--trace": trace or None}
        for option, value in fixed.items():
            if value is not None:
                raise click.UsageError(f"{option} is fixed by the run that --resume continues; leave it out")
        experiment, change = _resumed(config, Path(resume)), {"epochs": epochs, "rates": rates}
    else:
        if rates is not None:
            raise click.UsageError("--rates changes a run that --resume continues; a new one takes "
                                   "learning_rate_shifts of CONFIG")
        experiment = override(load(config, device), epochs=epochs, seed=seed)
        given = {"epochs": epochs, "seed": seed,
                 "device": None if device is None else experiment.device.model_dump(mode="json")}
        change = {"options": {name: value for name, value in given.items() if value is not None}}
    from ..train import loop as training
    from ..train import transfer
    from ..train.results import TransferResult

    runner = transfer.run if experiment.transfer else training.run
    result = runner(experiment, data_dir=data_dir, out=out, resume=resume, samples=samples, compiled=not reference,
                    overwrite=overwrite, trace=trace, **change)
    rows: dict[str, Any] = {}
    if isinstance(result, TransferResult):
        rows |= {
            "test accuracy before writing": f"{result.precursor_accuracy:.2f} %",
            "cells outside the margin": f"{result.cells_outside_margin:,} of {result.cells:,}",
        }
    cells = sum(shape.cells for shape in experiment.shapes)
    rows |= {
        "network": f"{experiment.topology}, {cells:,} cells",
        "test accuracy": f"{result.test_accuracy:.2f} %",
        "floating-point baseline": f"{result.baseline_accuracy:.2f} %",
        **({"data": str(result.data)} if result.data else {}),
        "write pulses": f"{result.write_pulses:,}",
        "write pulses a cell": f"{result.write_pulses / cells:.3f}",
        **worn(result.wear),
        "samples a second": f"{result.samples_per_second:,}",
        "run folder": str(result.out),
    }
    return result, table(rows), True


def _resumed(config: str, folder: Path) -> Experiment:
    """The experiment of ``config``, with what options gave when the run in ``folder`` began."""
    from ..train import run_folder

    record = run_folder.read_record(folder)
    options = record.options
    if options is None:  # an earlier version did not tell what came from options
        options = {"epochs": record.began.epochs, "seed": record.began.seed, "device": record.began.device.model_dump()}
    return override(load(config, options.get("device")), **{
        name: options[name] for name in ("epochs", "seed") if name in options})


@click.command()
@click.argument("run_folder", metavar="RUN")
@click.option("--drift", "seconds", type=Real(0, 1e12), multiple=True, metavar="SECONDS",
              help="Also so long after programming; may be given several times.")
@click.option("--wires", "ratios", type=Real(0, 1), multiple=True, metavar="RATIO",
              help="Also with wires whose resistance from cell to cell is RATIO of that of a device at its largest "
                   "conductance; may be given several times.")
@data_option
@answers
def evaluate(run_folder: str, seconds: tuple[float, ...], ratios: tuple[float, ...], data_dir: str | None) -> Answer:
    """Evaluate the network in the folder RUN of a run, also after its conductances have drifted, and behind wires."""
    from ..train import evaluate as evaluation

    result = evaluation.run(run_folder, data_dir=data_dir, seconds=seconds, ratios=ratios)
    rows = {"test accuracy": f"{result.test_accuracy:.2f} %"}
    rows |= {f"after {drifted.seconds:g} s": f"{drifted.test_accuracy:.2f} %" for drifted in result.drift}
    rows |= {f"wires of {wired.ratio:g}": f"{wired.test_accuracy:.2f} %" for wired in result.wires}
    return result, table(rows), True


@click.command()
@click.argument("run_folder", metavar="RUN")
@click.option("--samples", type=SAMPLES, default=1000, show_default=True, metavar="N",
              help="Training samples to choose from: the first N.")
@click.option("--out", metavar="FILE", help="Write the experiment with the ranges to this TOML file.")
@replace_option
@data_option
@answers
def calibrate(run_folder: str, samples: int, out: str | None, overwrite: bool, data_dir: str | None) -> Answer:
    """Choose the ranges of the ADCs from what the network in the folder RUN of a run sees. The run stays as it is."""
    from ..train import calibrate as calibration

    result = calibration.run(run_folder, data_dir=data_dir, samples=samples, out=out, overwrite=overwrite)
    rows = [{"layer": each.layer, "largest": each.largest, "z_frac": each.z_frac_before,
             "limited %": each.limited_before, "chosen z_frac": each.z_frac, "then limited %": each.limited}
            for each in result.ranges]
    summary = {"test accuracy": f"{result.accuracy_before:.2f} %", "with the ranges chosen": f"{result.accuracy:.2f} %"}
    return result, f"{columns(rows)}\n{table(summary)}", True


@click.command()
@click.argument("names", nargs=-1, metavar="[PRESET]...")
@click.option("--seeds", type=Whole(1, 1000), default=3, show_default=True, metavar="N",
              help="Seeds of each preset, over which the table gives means.")
@click.option("--epochs", type=EPOCHS, metavar="N", help="Epochs to train, instead of each preset's.")
@sweep_options
@data_option
@click.option("--out", default="runs/reproduce", show_default=True, metavar="DIR", help="Folder of the sweep.")
@answers
def reproduce(names: tuple[str, ...], seeds: int, epochs: int | None, workers: int | None, cluster: str | None,
              retry: bool, data_dir: str | None, out: str) -> Answer:
    """Train every preset on MNIST, and put them into one table beside their baselines and the papers' figures.

    It is a sweep: what exists is not trained again, and what was interrupted goes on.
    """
    from ..study import reproduce as reproduction

    result = reproduction.run(names, data_dir=data_dir, out=out, seeds=seeds, epochs=epochs, workers=workers,
                              cluster=cluster, retry=retry)
    page = f"\nAs a page: {result.page}\n" if result.page else ""
    return result, reproduction.report(result) + page, True
