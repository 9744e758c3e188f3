"""Commands that train on the golden model."""


import click

from ..config import load
from ..render.text import table
from .common import answers, config_argument, data_option, device_option, override


@click.command()
@config_argument
@click.option("--epochs", type=int, metavar="N", help="Epochs to train, instead of the configuration's.")
@click.option("--seed", type=int, metavar="N", help="Seed, instead of the configuration's.")
@click.option("--samples", type=int, metavar="N", help="Train on the first N samples only.")
@device_option
@data_option
@click.option("--out", metavar="DIR", help="Run folder; default runs/NAME.")
@click.option("--resume", metavar="DIR", help="Continue the interrupted run in this folder.")
@click.option("--reference", is_flag=True, help="Train by PyTorch, not the compiled trainer: slow, the same bits.")
@answers
def train(config, epochs, seed, samples, device, data_dir, out, resume, reference):
    """Train in situ on the golden model, beside a floating-point baseline, and evaluate."""
    experiment = override(load(config, device), epochs=epochs, seed=seed)
    if resume is not None:
        fixed = {"--epochs": epochs, "--seed": seed, "--samples": samples, "--device": device, "--out": out}
        for option, value in fixed.items():
            if value is not None:
                raise click.UsageError(f"{option} is fixed by the run that --resume continues; leave it out")
    from ..train import loop as training
    from ..train import transfer

    runner = transfer.run if experiment.transfer else training.run
    answer = runner(experiment, data_dir=data_dir, out=out, resume=resume, samples=samples, compiled=not reference)
    written = {
        "test accuracy before writing": f"{answer['precursor_accuracy']:.2f} %",
        "write pulses a cell": f"{answer['attempts_per_cell']:.3f}, at most {answer['most_attempts']}",
        "cells outside the margin": f"{answer['cells_outside_margin']:,} of {answer['cells']:,}",
    } if experiment.transfer else {}
    return answer, table(written | {
        "test accuracy": f"{answer['test_accuracy']:.2f} %",
        "floating-point baseline": f"{answer['baseline_accuracy']:.2f} %",
        "programming events": f"{answer['programming_events']:,}",
        "samples a second": f"{answer['samples_per_second']:,}",
        "run folder": answer["out"],
    }), True


@click.command()
@click.argument("run_folder", metavar="RUN")
@click.option("--drift", "seconds", type=click.FloatRange(min=0), multiple=True, metavar="SECONDS",
              help="Also so long after programming; may be given several times.")
@data_option
@answers
def evaluate(run_folder, seconds, data_dir):
    """Evaluate the network in the folder RUN of a run, also after its conductances have drifted."""
    from ..train import evaluate as evaluation

    answer = evaluation.run(run_folder, data_dir=data_dir, seconds=seconds)
    rows = {"test accuracy": f"{answer['test_accuracy']:.2f} %"}
    rows |= {f"after {row['seconds']:g} s": f"{row['test_accuracy']:.2f} %" for row in answer["drift"]}
    return answer, table(rows), True


@click.command()
@click.argument("names", nargs=-1, metavar="[PRESET]...")
@click.option("--epochs", type=int, metavar="N", help="Epochs to train, instead of each preset's.")
@data_option
@click.option("--out", default="runs/reproduce", show_default=True, metavar="DIR",
              help="Folder for the runs and the table; what has run there already is not run again.")
@answers
def reproduce(names, epochs, data_dir, out):
    """Train every preset on MNIST, and put them into one table beside their baselines and the papers' figures."""
    from ..study import reproduce as reproduction

    result = reproduction.run(names, data_dir=data_dir, out=out, epochs=epochs)
    return result, reproduction.report(result), True
