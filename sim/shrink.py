"""An experiment made small enough for every simulator: on the digits, with narrow hidden layers."""

from typing import Any

from ..config import Experiment, Layer
from ..contract import names
from ..contract.window import Shape

HIDDEN = 16
"""Columns of a hidden layer, at most."""
CHANNELS, KERNEL, READS = 10, 3, 2
"""Columns of a convolution, at most; sides of its window; rows that it reads in a clock cycle."""
BATCH = 50
"""Samples of a mini-batch, at most."""
REFRESH = {"refresh_high": 0.1, "refresh_low": 0.03}
"""When pairs are refreshed, so that some are within a few hundred samples."""


def shrink(experiment: Experiment) -> Experiment:
    """``experiment`` on the packaged digits: 64 inputs, hidden layers of at most ``HIDDEN`` columns, convolutions of at
    most ``CHANNELS`` columns with windows and pooling that fit, mini-batches of at most ``BATCH`` samples, and pairs
    refreshed early; devices, rules, formats and converters are kept otherwise."""
    shape: Shape = (1, 1, 64) if experiment.input.map is None else (8, 8, 1)
    layers: dict[int, dict[str, Any]] = {}
    drives = shape
    for index, layer in enumerate(experiment.layers):
        layers[index] = _smaller(layer, drives)
        drives = layer.model_copy(update=layers[index]).window(drives).pooled
    return experiment.replaced(
        name=names.extended(experiment.name, "-digits"), dataset="digits", batch=min(experiment.batch, BATCH),
        input={"count": 64, "map": experiment.input.map and shape},
        device=REFRESH if experiment.device_tables.pair else {}, layers=layers)


def _smaller(layer: Layer, shape: Shape) -> dict[str, Any]:
    """What changes in a ``layer`` that is driven by a map of ``shape``."""
    reads = {name: min(READS, getattr(layer, name)) for name in ("forward_reads", "second_reads")}
    changes: dict[str, Any] = {"lanes": None, "adcs": None, **reads}
    if layer.map is not None:
        height, width, channels = layer.map
        channels = min(channels, max(1, HIDDEN // (height * width)))
        return changes | {"cols": height * width * channels, "map": (height, width, channels)}
    if layer.kernel is None:
        return changes | {"cols": min(layer.cols, HIDDEN)}
    kernel = [min(KERNEL, *sides) for sides in zip(layer.kernel, shape, strict=False)]
    padding = [min(padding, side - 1) for padding, side in zip(layer.padding, kernel, strict=True)]
    changes |= {"cols": min(layer.cols, CHANNELS), "kernel": tuple(kernel), "padding": tuple(padding), "drop": True,
                "pool": None, "pool_stride": None}
    if layer.pool is None:
        return changes
    outputs = layer.model_copy(update=changes).window(shape).outputs
    return changes | {"pool": tuple(min(sides) for sides in zip(layer.pool, outputs, strict=False))}
