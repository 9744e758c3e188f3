"""Commands that train on the golden model."""

import click

from ..config import load
from ..render.text import table
from .common import Answer, answers, config_argument, data_option, device_option, override
from .options import EPOCHS, SAMPLES, SEED, Real


@click.command()
@config_argument
@click.option("--epochs", type=EPOCHS, metavar="N", help="Epochs to train, instead of the configuration's.")
@click.option("--seed", type=SEED, metavar="N", help="Seed, instead of the configuration's.")
@click.option("--samples", type=SAMPLES, metavar="N", help="Train on the first N samples only.")
@device_option
@data_option
@click.option("--out", metavar="DIR", help="Run folder; default runs/NAME.")
@click.option("--resume", metavar="DIR", help="Continue the interrupted run in this folder.")
@click.option("--reference", is_flag=True, help="Train by PyTorch, not the compiled trainer: slow, the same bits.")
@answers
def train(config: str, epochs: int | None, seed: int | None, samples: int | None, device: str | None,
          data_dir: str | None, out: str | None, resume: str | None, reference: bool) -> Answer:
    """Train in situ on the golden model, beside a floating-point baseline, and evaluate."""
    experiment = override(load(config, device), epochs=epochs, seed=seed)
    if resume is not None:
        fixed = {"--epochs": epochs, "--seed": seed, "--samples": samples, "--device": device, "--out": out}
        for option, value in fixed.items():
            if value is not None:
                raise click.UsageError(f"{option} is fixed by the run that --resume continues; leave it out")
    from ..train import loop as training
    from ..train import transfer
    from ..train.results import TransferResult

    runner = transfer.run if experiment.transfer else training.run
    result = runner(experiment, data_dir=data_dir, out=out, resume=resume, samples=samples, compiled=not reference)
    rows: dict[str, str] = {}
    if isinstance(result, TransferResult):
        rows |= {
            "test accuracy before writing": f"{result.precursor_accuracy:.2f} %",
            "write pulses a cell": f"{result.attempts_per_cell:.3f}, at most {result.most_attempts}",
            "cells outside the margin": f"{result.cells_outside_margin:,} of {result.cells:,}",
        }
    rows |= {
        "test accuracy": f"{result.test_accuracy:.2f} %",
        "floating-point baseline": f"{result.baseline_accuracy:.2f} %",
        "write pulses": f"{result.write_pulses:,}",
        "samples a second": f"{result.samples_per_second:,}",
        "run folder": str(result.out),
    }
    return result, table(rows), True


@click.command()
@click.argument("run_folder", metavar="RUN")
@click.option("--drift", "seconds", type=Real(0, 1e12), multiple=True, metavar="SECONDS",
              help="Also so long after programming; may be given several times.")
@data_option
@answers
def evaluate(run_folder: str, seconds: tuple[float, ...], data_dir: str | None) -> Answer:
    """Evaluate the network in the folder RUN of a run, also after its conductances have drifted."""
    from ..train import evaluate as evaluation

    result = evaluation.run(run_folder, data_dir=data_dir, seconds=seconds)
    rows = {"test accuracy": f"{result.test_accuracy:.2f} %"}
    rows |= {f"after {drifted.seconds:g} s": f"{drifted.test_accuracy:.2f} %" for drifted in result.drift}
    return result, table(rows), True


@click.command()
@click.argument("names", nargs=-1, metavar="[PRESET]...")
@click.option("--epochs", type=EPOCHS, metavar="N", help="Epochs to train, instead of each preset's.")
@data_option
@click.option("--out", default="runs/reproduce", show_default=True, metavar="DIR",
              help="Folder for the runs and the table; what has run there already is not run again.")
@answers
def reproduce(names: tuple[str, ...], epochs: int | None, data_dir: str | None, out: str) -> Answer:
    """Train every preset on MNIST, and put them into one table beside their baselines and the papers' figures."""
    from ..study import reproduce as reproduction

    result = reproduction.run(names, data_dir=data_dir, out=out, epochs=epochs)
    return result, reproduction.report(result), True
