"""The data of compiled code: the layers, the state of the network, what is looked up, and where it works."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ...contract.geometry import COUNTERS, MAX_SIDE, CrossbarGeometry
from ...contract.lfsr import WIDTH
from ...contract.tables import normal_quantiles
from ..lfsr import jump
from ..network import Network

BLOCK = 4
"""Rows whose products ``x * g`` are added up before the sum is widened."""
SIDE = MAX_SIDE + BLOCK
"""Length of the vectors in ``Scratch``."""
(FORWARDS, FORWARD_ROWS, BACKWARD_ROWS, UPDATE_ROWS, VISITED_ROWS, ATTEMPTS, VERIFY_ATTEMPTS, FAILURES,
 REFRESHES) = range(len(COUNTERS))
LFSRS = "lfsr", "rounding_lfsr", "read_lfsr"
PROGRAMMING, ROUNDING, READING = range(len(LFSRS))
PULSES = "landing", "step", "switching"
LANDING, STEP, SWITCHING = range(len(PULSES))
RESIDUALS = "verified", "nominal", "none"
VERIFIED, NOMINAL, NONE = range(len(RESIDUALS))

Layer = Any
"""One record of ``layer_records``, whose fields compiled code reads as attributes."""
Integer = Any
"""An integer of a width that Numba infers."""


class State(NamedTuple):
    """The state of a network."""

    g: np.ndarray
    """int16 (cells,): the conductances of all crossbars, layer by layer, row-major."""
    g_minus: np.ndarray
    """Likewise, of the devices that count negative; empty without pairs."""
    chi: np.ndarray
    """int32 (cells,): the residuals."""
    lfsrs: np.ndarray
    """uint32 (layers, len(LFSRS)); 0 where a crossbar has no such LFSR."""
    counters: np.ndarray
    """int64 (layers, len(COUNTERS)). Compiled code does not wrap them."""


class Tables(NamedTuple):
    """What compiled code looks up."""

    neuron_x: np.ndarray
    """int16 (layers, size): the drive for each ``z`` of the layer before, the smallest ``z`` first."""
    neuron_y: np.ndarray
    """Likewise, the derivative."""
    delta: np.ndarray
    """int16 (2, size): the delta of the labelled column, and that of the others, for each ``z`` of the last layer."""
    mean: np.ndarray
    sigma: np.ndarray
    probability: np.ndarray
    """int64: the tables of ``DeviceTables`` of these names; empty where the device has none."""
    base: np.ndarray
    slope: np.ndarray
    """int64: those of its switching curve, likewise."""
    normal: np.ndarray
    """int64 (2**NORMAL_INDEX_BITS,): the normal quantiles."""
    leap: np.ndarray
    """uint32 (4, 256): for each byte of an LFSR's state, the images of its values one draw on."""


class Scratch(NamedTuple):
    """Where compiled code works: vectors of a layer's inputs, rows or columns."""

    x: np.ndarray
    """int16 (layers, SIDE): the drive of every row."""
    y: np.ndarray
    """int16 (layers, SIDE): the derivative that belongs to every row."""
    rows: np.ndarray
    """int64 (layers, SIDE): the rows with a drive that is not 0, then ``BLOCK`` others."""
    active: np.ndarray
    """int64 (layers,): how many rows have a drive that is not 0."""
    needed: np.ndarray
    """int64 (layers,): how many rows training has to read."""
    some: np.ndarray
    """int64 (SIDE,): rows that a backward pass reads, or a visit."""
    drive16: np.ndarray
    """int16 (SIDE,): what drives the rows in ``rows``; 0 for the others behind them."""
    drive32: np.ndarray
    """int32 (SIDE,): the same."""
    sum32: np.ndarray
    """int32 (SIDE,): column sums, where they fit."""
    sum64: np.ndarray
    """int64 (SIDE,): column sums."""
    noise: np.ndarray
    """int64 (SIDE,): the noise of the readings of the columns."""
    z: np.ndarray
    """int16 (SIDE,): the outputs of the layer computed last."""
    d: np.ndarray
    """int16 (SIDE,): the delta of a layer."""
    d_before: np.ndarray
    """int16 (SIDE,): the delta of the layer before it."""


def layer_records(geometries: list[CrossbarGeometry]) -> np.ndarray:
    """A record for each crossbar of a network; all fields are int64."""
    cells = np.cumsum([0] + [geometry.rows * geometry.cols for geometry in geometries]).tolist()
    fields = [_fields(geometry, cell) for geometry, cell in zip(geometries, cells, strict=False)]
    return np.array([tuple(each.values()) for each in fields], dtype=[(name, np.int64) for name in fields[0]])


@cache
def digest() -> str:
    """A digest of the files of this package."""
    hashed = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()[:16]


def _fields(geometry: CrossbarGeometry, cell: int) -> dict[str, int]:
    """What compiled code knows of a crossbar whose first cell has the index ``cell``."""
    device = geometry.device
    return {
        # Numba finds compiled code again by the types of its arguments and the time stamp of one file. This name makes
        # a change of any file here a change of type.
        f"sources_{digest()}": 0,
        "index": geometry.index, "cell": cell, "inputs": geometry.inputs, "rows": geometry.rows, "cols": geometry.cols,
        "bias_value": geometry.bias_value,
        "narrow_sum": BLOCK * geometry.x.magnitude << device.g_bits - 1 < 1 << 15,
        "adc_shift": geometry.adc_shift, "z_limit": 1 << geometry.z_bits - 1, "read_noise": geometry.read_noise,
        "narrow_error": geometry.error_bits <= 32,
        "error_shift": geometry.error_shift if geometry.source else 0,
        "source_delta_limit": 1 << geometry.source_delta_bits - 1 if geometry.source else 0,
        "update_shift": geometry.update_shift(0), "chi_limit": 1 << geometry.chi_bits - 1,
        "threshold": geometry.threshold, "held": geometry.held, "stochastic": geometry.rounding == "stochastic",
        "threshold_shift": geometry.threshold_shift, "curve_bits": device.curve.bits if device.curve else 0,
        "residual": RESIDUALS.index(geometry.residual), "residual_shift": geometry.residual_shift,
        "margin": geometry.margin, "max_attempts": geometry.max_attempts,
        "pulse": PULSES.index(device.pulse), "g_limit": 1 << device.g_bits - 1, "origin": device.origin,
        "lowest_top": device.lowest_top, "highest_bottom": device.highest_bottom, "sub_bits": device.sub_bits,
        "states": device.states, "pair": device.pair, "span": device.span, "segment_shift": device.segment_shift,
        "segments": device.segments, "refresh_high": device.refresh_high, "refresh_low": device.refresh_low,
        "differs": device.differs, "cell_seed": geometry.cell_seed, "variation": device.variation,
        "stuck": device.stuck,
    }


def tables(network: Network) -> Tables:
    """The tables of a network."""
    geometries = [crossbar.geometry for crossbar in network.crossbars]
    shape = len(geometries), 1 << max(geometry.z_bits for geometry in geometries)
    x, y = np.zeros(shape, dtype=np.int16), np.zeros(shape, dtype=np.int16)
    for layer, neuron in enumerate(network.neurons, start=1):
        z = _every_z(geometries[layer - 1])
        x[layer, :len(z)], y[layer, :len(z)] = neuron(z)
    z = _every_z(geometries[-1])
    device, values = geometries[0].device, torch.arange(256)
    base, slope = (device.curve.base, device.curve.slope) if device.curve else ((), ())

    def integers(table: tuple[int, ...]) -> np.ndarray:
        return np.array(table, dtype=np.int64)

    return Tables(
        neuron_x=x, neuron_y=y,
        delta=network.loss.delta(torch.stack([z, z]), 0).numpy().astype(np.int16),  # label 0 is the first row
        mean=integers(device.mean), sigma=integers(device.sigma), probability=integers(device.probability),
        base=integers(base), slope=integers(slope), normal=normal_quantiles(),
        leap=torch.stack([jump(values << shift, 1) for shift in range(0, WIDTH, 8)]).numpy().astype(np.uint32))


def _every_z(geometry: CrossbarGeometry) -> torch.Tensor:
    return torch.arange(-(1 << geometry.z_bits - 1), 1 << geometry.z_bits - 1)


def scratch(layers: int) -> Scratch:
    """Memory for a network of as many layers."""
    def vector(dtype: type[np.generic]) -> np.ndarray:
        return np.zeros(SIDE, dtype)

    return Scratch(
        x=np.zeros((layers, SIDE), np.int16), y=np.zeros((layers, SIDE), np.int16),
        rows=np.zeros((layers, SIDE), np.int64), active=np.zeros(layers, np.int64), needed=np.zeros(layers, np.int64),
        some=vector(np.int64), drive16=vector(np.int16), drive32=vector(np.int32), sum32=vector(np.int32),
        sum64=vector(np.int64), noise=vector(np.int64), z=vector(np.int16), d=vector(np.int16),
        d_before=vector(np.int16))
