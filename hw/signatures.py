"""The payloads of the streams between the blocks, and the operations of a crossbar."""

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, enum
from amaranth.utils import ceil_log2

from ..contract.geometry import COUNTER_BITS, CrossbarGeometry


def index_bits(count: int) -> int:
    """Width of an index into ``count`` places; at least 1, as ``range(1)`` would have none."""
    return max(1, ceil_log2(count))


def x_shape(geometry: CrossbarGeometry) -> Shape:
    """Shape of what drives a row."""
    return Shape(geometry.x.bits, geometry.x.signed)


class Operation(enum.Enum, shape=4):
    """What a crossbar does on command; the primitives of the same names are their golden twins."""

    FORWARD = 0
    """Take the drive of one sample, keep its active rows, answer with ``z``."""
    SELECT = 1
    """Take the drive of one sample and keep its active rows, without a forward pass."""
    BACKWARD = 2
    """Take ``d``, answer with ``e`` of every input row."""
    UPDATE = 3
    """Take ``d``; on the kept rows, answer with ``e`` and update, programming at once."""
    ACCUMULATE = 4
    """As ``UPDATE``, without programming."""
    PROGRAM = 5
    """Program every cell whose residual has reached the threshold."""
    WRITE = 6
    """Take a state a cell, row-major, and program-and-verify each."""
    LOAD = 7
    """Take the complete state (see ``StateWord``)."""
    DUMP = 8
    """Answer with the complete state."""


def drive_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """One driven row of a crossbar. Rows ascend within a sample; rows that are not sent are
    zero. A beat whose drive (and derivative) is zero only serves to carry ``last``."""
    layout = {"row": unsigned(index_bits(geometry.inputs)), "x": x_shape(geometry)}
    if geometry.derivative_bits:
        layout["derivative"] = unsigned(geometry.derivative_bits)
    return data.StructLayout(layout | {"last": 1})


def conversion_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """ADC outputs of the next ``adcs`` columns; groups come in ascending order."""
    return data.StructLayout({"z": data.ArrayLayout(signed(geometry.z_bits), geometry.adcs), "last": 1})


def column_error_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The error of one column; columns that are not sent have none."""
    return data.StructLayout({"col": unsigned(index_bits(geometry.cols)),
                              "delta": signed(geometry.delta_bits), "last": 1})


def row_error_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The exact row sum of one input row, with the derivative of the neuron that drives it (on a
    ``BACKWARD`` of its own, the derivative is zero)."""
    layout = {"row": unsigned(index_bits(geometry.inputs)), "e": signed(geometry.error_bits)}
    if geometry.derivative_bits:
        layout["derivative"] = unsigned(geometry.derivative_bits)
    return data.StructLayout(layout | {"last": 1})


def cell_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """One cell in a state word."""
    return data.StructLayout({"chi": signed(geometry.chi_bits), "g": signed(geometry.device.g_bits)})


def state_bits(geometry: CrossbarGeometry) -> int:
    """Width of a state word: a cell, the LFSR or a counter, in the low bits."""
    return max(cell_layout(geometry).size, COUNTER_BITS)


def sample_layout(cols: int) -> data.StructLayout:
    """What the loss is told of a sample: its label, and whether to answer with an error."""
    return data.StructLayout({"label": unsigned(index_bits(cols)), "train": 1})


def result_layout(cols: int) -> data.StructLayout:
    """The answer to a sample."""
    return data.StructLayout({"prediction": unsigned(index_bits(cols)), "correct": 1})
