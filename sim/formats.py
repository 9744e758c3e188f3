"""The words that a crossbar's streams carry, from and to the golden model's arrays."""

from typing import Any

import numpy as np
from amaranth.hdl import Shape

from ..contract.geometry import COUNTER_BITS, CrossbarGeometry
from ..contract.lfsr import WIDTH
from ..contract.parameters import replacements
from ..contract.pulses import PULSE, UP, VERIFY
from ..hw.crossbar.layouts import cell_layout, drive_layout, padded_rows
from .bench import ProtocolError

_STORED = {"g": np.int16, "g_minus": np.int16, "life": np.int16, "slices": np.int16, "chi": np.int32}
"""Types of the arrays of a state that hold a value a cell, or one a device."""


def state_words(geometry: CrossbarGeometry, state: dict[str, np.ndarray]) -> list[int]:
    """The words that ``LOAD`` takes, for a crossbar's state as `model.crossbar.Crossbar.state` returns it."""
    words = np.zeros((geometry.rows, geometry.cols), dtype=np.int64)
    for name, fields in _fields(geometry).items():
        values = state[name].reshape(geometry.rows, geometry.cols, -1).astype(np.int64)
        for index, (offset, width, _) in enumerate(fields):
            words += (values[..., index] & (1 << width) - 1) << offset
    return [*words.ravel().tolist(), *(int(state[name]) for name in geometry.lfsrs), *state["counters"].tolist()]


def words_state(geometry: CrossbarGeometry, words: list[int]) -> dict[str, np.ndarray]:
    """The inverse of ``state_words``, for the words that ``DUMP`` answers with. ``ProtocolError`` if one has more bits
    than what it holds."""
    widths = [cell_layout(geometry).size] * geometry.rows * geometry.cols + [WIDTH] * len(geometry.lfsrs)
    widths += [COUNTER_BITS] * (len(words) - len(widths))
    for number, (word, width) in enumerate(zip(words, widths, strict=True)):
        if word >> width:
            raise ProtocolError(f"state_out: word {number} of crossbar {geometry.index} is 0x{word:x}, and has more "
                                f"than {width} bits")
    cells = np.array(words[:geometry.rows * geometry.cols], dtype=np.int64).reshape(geometry.rows, geometry.cols)
    rest = iter(words[cells.size:])
    state = {}
    for name, fields in _fields(geometry).items():
        values = []
        for offset, width, signed in fields:
            raw = cells >> offset & (1 << width) - 1
            values.append((raw - ((raw & signed << width - 1) << 1)).astype(_STORED[name]))
        state[name] = np.stack(values, axis=-1) if name == "slices" else values[0]
    state |= {name: np.array(next(rest), dtype=np.uint32) for name in geometry.lfsrs}
    return state | {"counters": np.array(list(rest), dtype=np.int64)}


def _fields(geometry: CrossbarGeometry) -> dict[str, list[tuple[int, int, bool]]]:
    """Of every array of a state that cells have values in, for each value of a cell: offset and width in its word, and
    whether it is signed."""
    found = {}
    for name, field in cell_layout(geometry):
        count = geometry.devices - 1 if name == "slices" else 1
        width = field.width // count
        signed = name == "slices" or Shape.cast(field.shape).signed
        found[name] = [(field.offset + index * width, width, signed) for index in range(count)]
    return found


def state_size(geometry: CrossbarGeometry) -> int:
    """Words of a crossbar's state."""
    return geometry.rows * geometry.cols + len(geometry.lfsrs) + len(geometry.counters)


def increment_words(geometry: CrossbarGeometry, dw: np.ndarray) -> list[int]:
    """The words that ``APPLY`` takes for the increments ``dw`` (rows, cols)."""
    return (dw.astype(np.int64).ravel() & (1 << geometry.chi_bits) - 1).tolist()


def parameter_words(generated: CrossbarGeometry, wanted: CrossbarGeometry) -> list[int]:
    """The words that ``CONFIGURE`` takes. ``ConfigError`` as `contract.parameters.replacements`."""
    return [parameter.value for parameter in replacements(generated, wanted)]


def drive_words(geometry: CrossbarGeometry, x: np.ndarray, y: np.ndarray | None = None) -> list[int]:
    """The words of the stream ``x`` that drive a crossbar with ``x`` (cells,) and, behind neurons, with their
    derivatives ``y`` (0 if it is None): one for each cell with a drive or a derivative, and one at least."""
    active = x != 0 if y is None else (x != 0) | (y != 0)
    rows = np.flatnonzero(active) if active.any() else np.zeros(1, dtype=np.int64)
    layout = drive_layout(geometry)
    words = (rows << layout["row"].offset
             | (x[rows].astype(np.int64) & (1 << geometry.x.bits) - 1) << layout["x"].offset)
    if geometry.derivative_bits and y is not None:
        words |= y[rows].astype(np.int64) << layout["derivative"].offset
    words[-1] |= 1 << layout["last"].offset
    return words.tolist()


def pulses_of(geometry: CrossbarGeometry, beats: list[dict[str, Any]]) -> np.ndarray:
    """The write pulses in ``beats`` of `traced_layout`, as a trace holds them: `PULSE` (n,). Cells, or their
    devices where they have several, are counted from the first of their layer."""
    found = np.empty(len(beats), PULSE)
    for index, beat in enumerate(beats):
        pulse = beat["pulse"]
        fold, row = divmod(pulse["position"]["address"], padded_rows(geometry))
        cell = row * geometry.cols + fold * geometry.lanes + pulse["position"]["lane"]
        found[index] = (beat["sample"], cell * geometry.devices + pulse["device"], pulse["before"], pulse["asked"],
                        pulse["after"], pulse["attempt"] | pulse["up"] * UP | pulse["verify"] * VERIFY)
    return found
