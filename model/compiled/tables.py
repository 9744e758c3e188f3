"""The data of compiled code: the layers, the state of the network, what is looked up, and where it works."""

import hashlib
from functools import cache
from math import gcd, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ...contract.converters import OFFSET_FRAC, fine_bits, mismatch
from ...contract.device import DeviceTables
from ...contract.geometry import MAX_SIDE, POSITION_COUNTERS, CrossbarGeometry
from ...contract.lfsr import LFSRS, WIDTH
from ...contract.tables import NOISE_FRAC, normal_quantiles
from ...contract.widths import signed_bits
from ...contract.window import Window
from ...contract.wires import mean_factors
from ..lfsr import Lfsr, jump
from ..network import Network

MANY, SOME, FEW = 32, 16, 8
"""Columns that are worked on together, where there are so many."""
BLOCK = 4
"""Rows whose products ``x * g`` are added up before the sum is widened."""
SIDE = MAX_SIDE + BLOCK
"""Length of the vectors in ``Scratch`` of rows or columns."""
NARROW = 29
"""Width up to which 32 bits hold a sum and whatever is added to it: half of a shift, which is 30 at most, or noise."""
(FORWARDS, FORWARD_ROWS, BACKWARD_ROWS, UPDATE_ROWS, VISITED_ROWS, ATTEMPTS, VERIFY_ATTEMPTS, FAILURES,
 REFRESHES, PRODUCT_ROWS) = range(len(POSITION_COUNTERS))
COUNTS = len(POSITION_COUNTERS)
PROGRAMMING, ROUNDING, READING, FIRING = range(len(LFSRS))
KINDS = len(LFSRS)
PULSES = "landing", "step", "switching"
LANDING, STEP, SWITCHING = range(len(PULSES))
RESIDUALS = "verified", "nominal", "none"
VERIFIED, NOMINAL, NONE = range(len(RESIDUALS))
LIMIT, SAMPLE, TRACED = range(3)
"""Places in ``State.tracing``."""

Layer = Any
"""One record of ``layer_records``, whose fields compiled code reads as attributes."""
Integer = Any
"""An integer of a width that Numba infers."""
Pointer = Any
"""What compiled code has of an array: one of the fields below, by ``lanes.pointers``."""


class State(NamedTuple):
    """The state of a network."""

    g: np.ndarray
    """int16 (cells,): the conductances of all crossbars, layer by layer, row-major."""
    g_minus: np.ndarray
    """Likewise, of the devices that count negative; empty without pairs."""
    life: np.ndarray
    """int16: what is left of the lives of cells; empty where they do not age."""
    slices: np.ndarray
    """int16 (cells * (devices - 1),): the conductances of the devices of each cell of several, but for the last; empty
    unless they have."""
    chi: np.ndarray
    """int32 (cells,): the residuals."""
    pulses: np.ndarray
    """int32 (cells * devices,): the write pulses that the devices of cells have been given."""
    read_g: np.ndarray
    """``g`` as it is read: through wires. The same array where these have no resistance."""
    lfsrs: np.ndarray
    """uint32 (layers * KINDS,); 0 where a crossbar has no such LFSR."""
    counters: np.ndarray
    """int64 (layers * COUNTS,). Compiled code does not wrap them."""
    row_reads: np.ndarray
    """int64 (2 * layers,): those of the network."""
    trace: np.ndarray
    """int64: where write pulses are traced, ``PULSE_WORDS`` words each, the first bytes of `PULSE` in the low bits."""
    tracing: np.ndarray
    """int64 (3,): traced pulses after which compiled code comes back, 0 if none is traced; samples trained, the one
    under way among them; pulses traced."""


class Tables(NamedTuple):
    """What compiled code looks up."""

    neuron_x: np.ndarray
    """int16: for each layer, the drive for each ``z`` of the layer before, the smallest ``z`` first."""
    neuron_y: np.ndarray
    """Likewise, the derivative."""
    firing: np.ndarray
    """int64: likewise, of stochastic neurons: the probability that they fire; empty without any."""
    delta_right: np.ndarray
    """int16: the delta of the labelled column, for each ``z`` of the last layer."""
    delta_wrong: np.ndarray
    """int16: likewise, of the others."""
    mean: np.ndarray
    sigma: np.ndarray
    quantiles: np.ndarray
    probability: np.ndarray
    """int64: the tables of ``DeviceTables`` of these names; empty where the device has none."""
    base: np.ndarray
    slope: np.ndarray
    """int64: those of its switching curve, likewise."""
    shifts: np.ndarray
    """int64: log2 of what each device of a cell counts; empty unless cells have several."""
    normal: np.ndarray
    """int64 (2**NORMAL_INDEX_BITS,): the normal quantiles."""
    offset: np.ndarray
    gain: np.ndarray
    """int64: the offsets and the gains of the columns of all crossbars, from each layer's ``column`` on; empty where
    none is distorted."""
    nonlinearity: np.ndarray
    """int64: that of all converters."""
    factors: np.ndarray
    """int64: what wires leave of each cell, of all crossbars; empty where they have no resistance."""
    leap: np.ndarray
    """uint32 (4 * 256,): for each byte of an LFSR's state, the images of its values one draw on."""


class Samples(NamedTuple):
    """What is trained on."""

    xs: np.ndarray
    """int16 (samples * inputs,): the drives of all samples."""
    labels: np.ndarray
    """int64: the labels of the chosen ones."""
    chosen: np.ndarray
    """int64: which samples are trained on."""
    predictions: np.ndarray
    """int64: what is predicted for each of them, before its update."""


class Scratch(NamedTuple):
    """Where compiled code works.

    The map that drives a layer lies in ``x`` and ``y`` from the layer's ``map`` on, with its padding around it, which
    stays 0. So windows never leave it, and consist of stretches of successive cells, which begin and end at multiples
    of the layer's ``grain``, in cells.
    """

    x: np.ndarray
    """int16 (maps,): the drives of all maps."""
    y: np.ndarray
    """int16 (maps,): the derivatives that belong to them."""
    lists: np.ndarray
    """int64: the cells of each map whose drive is not 0, from the layer's ``driven`` on, and those whose derivative is
    not 0, from ``sloped`` on. They are counted from the first of the map."""
    before: np.ndarray
    """int64: how many cells of these kinds come before each grain of the map, from the layer's ``driven_before`` and
    ``sloped_before`` on, and from ``needed_before`` on, how many that are of either kind: training has to read them.
    Behind the last grain it says how many there are."""
    firsts: np.ndarray
    """int64 (SIDE,): the first cells of rows of a crossbar that are driven, or visited."""
    drives16: np.ndarray
    """int16 (SIDE,): what drives these rows; 0 for ``BLOCK`` others behind them."""
    drives32: np.ndarray
    """int32 (SIDE,): the same."""
    noise: np.ndarray
    """int32 (SIDE,): the noise of the readings of the columns."""
    fine: np.ndarray
    """int64 (SIDE,): the column sums before converters that are not ideal."""
    z: np.ndarray
    """int16 (positions x cols,): the outputs of a layer at all of its positions."""
    pooled: np.ndarray
    """int16 (cells,): the outputs behind the pooling."""
    winners: np.ndarray
    """int32 (cells of all layers,): the positions that they are from."""
    delta: np.ndarray
    """int16 (cells,): the delta of these outputs."""
    slots: np.ndarray
    """int64 (positions,): where in ``d`` the delta of a position is; -1 between two layers."""
    errors: np.ndarray
    """int64 (positions,): the positions with an error, in the order of ``d``."""
    d32: np.ndarray
    """int32 (positions x cols,): the delta of each, while it is summed up."""
    d: np.ndarray
    """int16 (positions x cols,): the delta of each."""
    d_read: np.ndarray
    """int16 (positions x cols,): what DACs make of it in a backward pass."""
    e: np.ndarray
    """int64 (cells,): row sums, for the cells of a map."""
    windows: np.ndarray
    """int64 (positions,): the first cells of the windows with an error, in ``x``."""
    factors: np.ndarray
    """int32 (positions,): minus the drives of a row, where they are not 0."""
    deltas: np.ndarray
    """int64 (positions,): where in ``d`` the deltas that belong to them begin."""


def layer_records(geometries: list[CrossbarGeometry]) -> np.ndarray:
    """A record for each crossbar of a network; all fields are int64."""
    records: list[dict[str, int]] = []
    cell = first = listed = counted = pooled = column = 0
    for geometry in geometries:
        fields = _fields(geometry) | _window_fields(geometry.window)
        # Where the derivative is 0 exactly where the drive is, or there is none, one list serves for both.
        kinds = (0, 0, 0) if fields["alike"] else (0, 1, 2)
        fields |= {"index": len(records), "layers": len(geometries), "cell": cell, "map": first, "pooled": pooled,
                   "column": column,
                   "neuron": len(records) * _values(geometries) + (1 << geometries[len(records) - 1].z_bits - 1)}
        for name, kind in zip(("driven", "sloped", "needed"), kinds, strict=True):
            fields |= {name: listed + kind * (fields["cells"] + 1),
                       f"{name}_before": counted + kind * (fields["grains"] + 1)}
        records.append(fields)
        cell += geometry.rows * geometry.cols
        column += geometry.cols
        first += fields["cells"]
        listed += (max(kinds) + 1) * (fields["cells"] + 1)
        counted += (max(kinds) + 1) * (fields["grains"] + 1)
        pooled += fields["outputs"]
    return np.array([tuple(each.values()) for each in records], dtype=[(name, np.int64) for name in records[0]])


def _values(geometries: list[CrossbarGeometry]) -> int:
    """Entries of a table for each ``z``."""
    return 1 << max(geometry.z_bits for geometry in geometries)


@cache
def digest() -> str:
    """A digest of the files of this package."""
    hashed = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()[:16]


def _fields(geometry: CrossbarGeometry) -> dict[str, int]:
    """What compiled code knows of a crossbar."""
    device = geometry.device
    magnitude = geometry.x.magnitude << device.g_bits - 1
    finer = max(geometry.adc_shift - NOISE_FRAC, 0) if geometry.read_noise else 0
    adc_shift = geometry.adc_shift - finer
    narrow_sum = geometry.sum_bits <= NARROW or (  # or the sum and half of its own shift, and nothing else, fit 32 bits
        adc_shift <= 30 and not geometry.read_noise and not geometry.distorted
        and signed_bits(geometry.rows * magnitude + (1 << adc_shift >> 1)) <= 32)
    widest = 30 if narrow_sum else 62
    in_lane = -(-geometry.cols // SOME) * (SOME // FEW)  # products of a row that a lane adds up
    return {
        # Numba finds compiled code again by the types of its arguments and the time stamp of one file. This name makes
        # a change of any file here a change of type.
        f"sources_{digest()}": 0,
        "inputs": geometry.inputs, "rows": geometry.rows, "cols": geometry.cols,
        "alike": geometry.source in (None, "relu"), "fires": geometry.source == "stochastic",
        "bias_value": geometry.bias_value,
        "narrow_products": BLOCK * magnitude < 1 << 15, "narrow_sum": narrow_sum, "finer": finer,
        "adc_shift": min(adc_shift, widest), "distorted": geometry.distorted, "wired": bool(geometry.wires),
        "nonlinear": bool(geometry.nonlinearity), "fine_shift": min(max(adc_shift - OFFSET_FRAC, 0), widest),
        "finer_sums": max(OFFSET_FRAC - adc_shift, 0), "fine_limit": 1 << fine_bits(geometry) - 1,
        "code_shift": geometry.z_bits - (len(geometry.nonlinearity).bit_length() - 1),
        "x_dropped": geometry.x_dropped, "x_highest": geometry.x.maximum >> geometry.x_dropped,
        "delta_dropped": geometry.delta_dropped,
        "z_limit": 1 << geometry.z_bits - 1,
        "read_noise": geometry.read_noise, "coarser": max(NOISE_FRAC - geometry.adc_shift, 0),
        "narrow_error": signed_bits(in_lane << device.g_bits - 1 + geometry.delta_bits - 1) <= 32,
        "delta_limit": 1 << geometry.delta_bits - 1,
        "error_shift": geometry.error_shift if geometry.source else 0,
        "source_delta_limit": 1 << geometry.source_delta_bits - 1 if geometry.source else 0,
        "narrow_gradient": geometry.gradient_bits <= NARROW, "update_shift": geometry.update_shift(0),
        "chi_limit": 1 << geometry.chi_bits - 1,
        "threshold": geometry.threshold, "held": geometry.held, "stochastic": geometry.rounding == "stochastic",
        "threshold_shift": geometry.threshold_shift, "curve_bits": device.curve.bits if device.curve else 0,
        "residual": RESIDUALS.index(geometry.residual), "residual_shift": geometry.residual_shift,
        "margin": geometry.margin, "max_attempts": geometry.max_attempts,
        "pulse": PULSES.index(device.pulse), "g_limit": 1 << device.single.g_bits - 1, "origin": device.origin,
        "lowest_top": device.lowest_top, "highest_bottom": device.highest_bottom, "sub_bits": device.sub_bits,
        "states": device.states, "pair": device.pair, "span": device.span, "segment_shift": device.segment_shift,
        "segments": device.segments, "quantiles": bool(device.quantiles),
        "refresh_high": device.refresh_high, "refresh_low": device.refresh_low,
        "forward_reads": geometry.forward_reads, "second_reads": geometry.second_reads,
        "ages": bool(device.life_bits), "wear": device.wear, "sticks": device.failed is not None,
        "failed": device.failed or 0, "relaxation": geometry.relaxation, "resting": device.resting,
        "differs": device.differs, "cell_seed": geometry.cell_seed, "variation": device.variation,
        "stuck": device.stuck,
        "devices": geometry.devices, "in_turn": device.slices is not None and device.slices.in_turn,
        "device_states": device.single.states, "device_origin": device.single.origin,
    }


def _window_fields(window: Window) -> dict[str, int]:
    """What compiled code knows of where a crossbar is applied."""
    (height, width, channels), (down, right) = window.map, window.stride
    (kernel_height, kernel_width), (above, left) = window.kernel, window.padding
    width += 2 * left
    line = width * channels
    cells, stretch = (height + 2 * above) * line, kernel_width * channels
    stretches = kernel_height
    if kernel_width == width:
        stretch, stretches = stretch * kernel_height, 1
    rows, cols, _ = window.outputs
    grain = gcd(cells, stretch, line if stretches > 1 else 0, down * line if rows > 1 else 0,
                right * channels if cols > 1 else 0)
    lines, inner = (height, (width - 2 * left) * channels) if left else (1, height * line)
    return {
        "cells": cells, "lines": lines, "inner": inner, "line": line, "first_inner": above * line + left * channels,
        "grain": grain, "grains": cells // grain, "stretches": stretches, "stretch": stretch,
        "stretch_grains": stretch // grain, "line_grains": line // grain, "down_grains": down * line // grain,
        "right_grains": right * channels // grain, "positions": window.positions, "positions_across": cols,
        "pool_height": window.pool[0], "pool_width": window.pool[1], "pool_down": window.pool_stride[0],
        "pool_right": window.pool_stride[1], "places_down": window.places[0], "places_across": window.places[1],
        "outputs": window.pooled_cells,
    }


def tables(network: Network) -> Tables:
    """The tables of a network."""
    geometries = [crossbar.geometry for crossbar in network.crossbars]
    shape = len(geometries), _values(geometries)
    x, y = np.zeros(shape, dtype=np.int16), np.zeros(shape, dtype=np.int16)
    firing = np.zeros(shape if any(neuron.kind == "stochastic" for neuron in network.neurons) else 0, dtype=np.int64)
    for layer, neuron in enumerate(network.neurons, start=1):
        z = _every_z(geometries[layer - 1])
        if neuron.kind == "stochastic":
            firing[layer, :len(z)] = neuron.probability(z)
        x[layer, :len(z)], y[layer, :len(z)] = neuron(z, Lfsr(1))
    z = _every_z(geometries[-1])
    right, wrong = network.loss.delta(torch.stack([z, z]), 0).numpy().astype(np.int16)  # label 0 is the first row
    return Tables(neuron_x=x.ravel(), neuron_y=y.ravel(), firing=firing.ravel(), delta_right=right, delta_wrong=wrong,
                  **device_tables(geometries[0].device), **converter_tables(geometries))


def crossbar_tables(geometry: CrossbarGeometry) -> Tables:
    """The tables of a crossbar without a network around it."""
    nothing = np.zeros(0, dtype=np.int16)
    return Tables(neuron_x=nothing, neuron_y=nothing, firing=nothing.astype(np.int64), delta_right=nothing,
                  delta_wrong=nothing, **device_tables(geometry.device), **converter_tables([geometry]))


def converter_tables(geometries: list[CrossbarGeometry]) -> dict[str, np.ndarray]:
    """Those of the tables that follow from the converters and wires."""
    offsets, gains = zip(*map(mismatch, geometries), strict=True) if geometries[0].distorted else ([], [])
    nothing = np.zeros(0, dtype=np.int64)
    factors = [mean_factors(geometry).ravel() for geometry in geometries if geometry.wires]
    return {"factors": np.concatenate([nothing, *factors]), "offset": np.concatenate([nothing, *offsets]),
            "gain": np.concatenate([nothing, *gains]),
            "nonlinearity": np.array(geometries[0].nonlinearity, dtype=np.int64)}


def device_tables(device: DeviceTables) -> dict[str, np.ndarray]:
    """Those of the tables that follow from the devices alone."""
    values = torch.arange(256)
    base, slope = (device.curve.base, device.curve.slope) if device.curve else ((), ())

    def integers(table: tuple[int, ...]) -> np.ndarray:
        return np.array(table, dtype=np.int64)

    return {
        "mean": integers(device.mean), "sigma": integers(device.sigma), "quantiles": integers(device.quantiles),
        "probability": integers(device.probability),
        "base": integers(base), "slope": integers(slope), "normal": normal_quantiles(),
        "shifts": integers(device.slices.shifts if device.slices else ()),
        "leap": torch.stack([jump(values << shift, 1) for shift in range(0, WIDTH, 8)]).numpy().astype(
            np.uint32).ravel()}


def _every_z(geometry: CrossbarGeometry) -> torch.Tensor:
    return torch.arange(-(1 << geometry.z_bits - 1), 1 << geometry.z_bits - 1)


def scratch(geometries: list[CrossbarGeometry], layers: np.ndarray) -> Scratch:
    """Memory for the network with the records ``layers``."""
    windows = [geometry.window for geometry in geometries]
    behind = [window.pooled_cells for window in windows]
    errors = [min(window.positions, outputs) for window, outputs in zip(windows, behind, strict=True)]
    d = max(count * geometry.cols for count, geometry in zip(errors, geometries, strict=True))
    cells = int(layers["cells"].sum())

    def vector(dtype: type[np.generic], size: int = SIDE) -> np.ndarray:
        return np.zeros(size, dtype)

    return Scratch(
        x=vector(np.int16, cells), y=vector(np.int16, cells), lists=vector(np.int64, 3 * (cells + len(layers))),
        before=vector(np.int64, 3 * int(layers["grains"].sum() + len(layers))), firsts=vector(np.int64),
        drives16=vector(np.int16), drives32=vector(np.int32), noise=vector(np.int32),
        fine=vector(np.int64),
        z=vector(np.int16, max(prod(window.outputs) for window in windows)), pooled=vector(np.int16, max(behind)),
        winners=vector(np.int32, sum(behind)), delta=vector(np.int16, max(behind)),
        slots=np.full(max(window.positions for window in windows), -1, np.int64), errors=vector(np.int64, max(errors)),
        d32=vector(np.int32, d), d=vector(np.int16, d),
        d_read=vector(np.int16, d), e=vector(np.int64, int(layers["cells"].max())),
        windows=vector(np.int64, max(errors)), factors=vector(np.int32, max(errors) + 1),
        deltas=vector(np.int64, max(errors) + 1))
