"""An experiment made small enough for every simulator: on the digits, with narrow hidden layers."""

from ..config import Experiment, parse

HIDDEN = 16
"""Columns of a hidden layer, at most."""
BATCH = 50
"""Samples of a mini-batch, at most."""
REFRESH = {"refresh_high": 0.1, "refresh_low": 0.03}
"""When pairs are refreshed, so that some are within a few hundred samples."""


def shrink(experiment: Experiment) -> Experiment:
    """``experiment`` on the packaged digits: 64 inputs, hidden layers of at most ``HIDDEN`` columns, mini-batches of at
    most ``BATCH`` samples, and pairs refreshed early; devices, rules, formats and converters are kept otherwise."""
    document = experiment.model_dump(exclude={"name"})
    document |= {"dataset": "digits", "batch": min(experiment.batch, BATCH),
                 "input": document["input"] | {"count": 64}}
    if experiment.device_tables.pair:
        document["device"] |= REFRESH
    for layer in document["layers"]:
        layer |= {"cols": min(layer["cols"], HIDDEN), "lanes": None, "adcs": None}
    return parse(document, f"{experiment.name}-digits")
