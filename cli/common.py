"""What the commands share: their options, and how they answer."""

import functools
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..config import Experiment
from ..contract.results import Result
from .options import Whole

if TYPE_CHECKING:
    from ..train.results import WearResult

Answer = tuple[Result | dict[str, Any], str, bool]
"""What a command returns: its result, the summary for people, and whether it succeeded."""


def answers(command: Callable[..., Answer]) -> Callable[..., int]:
    """Make ``command`` print its summary, or with ``--json`` its result as one JSON object, and return the exit
    status: 0 for success, 1 for a failure."""
    @functools.wraps(command)
    def answering(as_json: bool, **arguments: Any) -> int:
        result, summary, success = command(**arguments)
        document = result.to_json() if isinstance(result, Result) else result
        click.echo(json.dumps(document, allow_nan=False) if as_json else _printable(summary))
        return 0 if success else 1
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(answering)


def _printable(summary: str) -> str:
    """``summary`` as standard output can carry it: a name of a file may hold bytes that are no text."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return summary.encode(encoding, "backslashreplace").decode(encoding)


config_argument = click.argument("config")
device_option = click.option("--device", metavar="DEVICE",
                             help="Another device: of a TOML file, a kind, a published device or a preset.")
data_option = click.option("--data", "data_dir", metavar="DIR",
                           help="Folder of the data set in IDX format; else SPINLOOM_DATA, else it is downloaded.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Delete the run that is in the folder already.")

replace_option = click.option("--overwrite", is_flag=True, help="Replace files that something else has made, too.")


def sweep_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give ``command`` the options that say where a sweep is trained, and whether failures are repeated."""
    for option in (
            click.option("--retry", is_flag=True, help="Train again what has failed before."),
            click.option("--cluster", metavar="ADDRESS",
                         help="Train on the cluster whose dask scheduler is at ADDRESS."),
            click.option("--workers", type=Whole(0, 4096), metavar="N",
                         help="Processes that train; one a core unless given. With 0 this process itself trains.")):
        command = option(command)
    return command


def worn(wear: "WearResult | None") -> dict[str, Any]:
    """What the table of a run says of the wear of its cells; nothing if it is not known."""
    if wear is None:
        return {}
    rows: dict[str, Any] = {"worst cell": wear.worst, "cells by write pulses": wear}
    return rows if wear.failed is None else rows | {
        "failed cells": f"{wear.failed:,} of {wear.cells:,}, {100 * wear.failed / wear.cells:.2f} %"}


def override(experiment: Experiment, **options: Any) -> Experiment:
    """``experiment`` with the fields for which options were given: those that are not None."""
    return experiment.replaced(**{name: value for name, value in options.items() if value is not None})
