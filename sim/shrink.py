"""An experiment made small enough for every simulator: on the digits, with narrow hidden layers."""

from ..config import Experiment
from ..contract import names

HIDDEN = 16
"""Columns of a hidden layer, at most."""
BATCH = 50
"""Samples of a mini-batch, at most."""
REFRESH = {"refresh_high": 0.1, "refresh_low": 0.03}
"""When pairs are refreshed, so that some are within a few hundred samples."""


def shrink(experiment: Experiment) -> Experiment:
    """``experiment`` on the packaged digits: 64 inputs, hidden layers of at most ``HIDDEN`` columns, mini-batches of at
    most ``BATCH`` samples, and pairs refreshed early; devices, rules, formats and converters are kept otherwise."""
    return experiment.replaced(
        name=names.extended(experiment.name, "-digits"), dataset="digits", batch=min(experiment.batch, BATCH),
        input={"count": 64},
        device=REFRESH if experiment.device_tables.pair else {},
        layers={index: {"cols": min(layer.cols, HIDDEN), "lanes": None, "adcs": None}
                for index, layer in enumerate(experiment.layers)})
