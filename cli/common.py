"""What the commands share: options, and how they answer."""

import functools
import json

import click

from ..config import Experiment, parse
from ..contract.results import Result


def answers(command):
    """Gives ``command``, which returns a result, its summary and its success, the option ``--json``."""
    @functools.wraps(command)
    def answering(as_json: bool, **arguments) -> int:
        answer, summary, success = command(**arguments)
        document = answer.to_json() if isinstance(answer, Result) else answer
        click.echo(json.dumps(document) if as_json else summary)
        return 0 if success else 1
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(answering)


config_argument = click.argument("config")
device_option = click.option("--device", metavar="DEVICE",
                             help="Another device: of a TOML file, a kind or a preset.")
data_option = click.option("--data", "data_dir", metavar="DIR",
                           help="Folder of the data set in IDX format; else SPINLOOM_DATA, else it is downloaded.")


def override(experiment: Experiment, **fields) -> Experiment:
    """``experiment`` with the fields that are not None, validated again."""
    given = {name: value for name, value in fields.items() if value is not None}
    return parse(experiment.model_dump() | given, experiment.name) if given else experiment
