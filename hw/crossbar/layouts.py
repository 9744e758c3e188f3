"""The payloads of the streams between the blocks of a crossbar."""

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from ...contract.geometry import COUNTER_BITS, CrossbarGeometry
from ...contract.pulses import ATTEMPT_BITS, SAMPLE_BITS
from ...contract.widths import index_bits, signed_bits
from .operations import Operation


def x_shape(geometry: CrossbarGeometry) -> Shape:
    """The shape of what drives a row."""
    return Shape(geometry.x.bits, geometry.x.signed)


def drive_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The drive of one cell of the feature map, which is a row of a crossbar with one position, and the derivative of
    the neuron that drives it, if any. Cells ascend within a sample; those that are not sent are zero. A beat of zeros
    only serves to carry ``last``."""
    layout = {"row": unsigned(index_bits(geometry.window.cells)), "x": x_shape(geometry)}
    if geometry.derivative_bits:
        layout["derivative"] = unsigned(geometry.derivative_bits)
    return data.StructLayout(layout | {"last": 1})


def conversion_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The outputs of the next ``adcs`` columns. Groups of columns come in ascending order, at each position; ``last``
    is the last of the sample."""
    return data.StructLayout({"z": data.ArrayLayout(signed(geometry.z_bits), geometry.adcs), "last": 1})


def delta_layout(geometry: CrossbarGeometry, deltas: int = 1) -> data.StructLayout:
    """The deltas of ``deltas`` cells of the pooled map from ``col`` on, which is a multiple of ``deltas``; without
    pooling and with one position, these are the columns. They ascend within a sample; those that are not sent are
    zero."""
    return data.StructLayout({"col": unsigned(index_bits(geometry.window.pooled_cells)),
                              "delta": data.ArrayLayout(signed(geometry.delta_bits), deltas), "last": 1})


def position_delta_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The delta of a column at a position. They come in any order; those that are not sent are zero, and those that are
    sent more than once add up."""
    return data.StructLayout({"position": unsigned(index_bits(geometry.positions)),
                              "col": unsigned(index_bits(geometry.cols)),
                              "delta": signed(geometry.delta_bits), "last": 1})


def row_sum_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The exact row sum of a cell of the feature map, and the derivative of the neuron that drives it."""
    layout = {"row": unsigned(index_bits(geometry.window.cells)), "e": signed(geometry.error_bits)}
    if geometry.derivative_bits:
        layout["derivative"] = unsigned(geometry.derivative_bits)
    return data.StructLayout(layout | {"last": 1})


def error_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """What a word passes back to a cell of the feature map: ``e`` is the sum over the lanes."""
    width = signed_bits(geometry.lanes << geometry.device.g_bits - 1 + geometry.delta_bits - 1)
    return data.StructLayout({"cell": unsigned(index_bits(geometry.window.cells)),
                              "derivative": unsigned(max(1, geometry.derivative_bits)), "e": signed(width)})


def forward_item_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The rows that a forward pass reads in one clock cycle: ``row[b]`` is one of those whose remainder by the number
    of reads is ``b``, any of them where ``x[b]`` is 0."""
    reads = geometry.forward_reads
    return data.StructLayout({
        "row": data.ArrayLayout(unsigned(index_bits(geometry.rows)), reads),
        "x": data.ArrayLayout(x_shape(geometry), reads),
        "fold": unsigned(index_bits(geometry.folds)),
        "first": 1,  # the column sums of this fold at this position start here
        "last": 1,  # they are complete
        "final": 1,  # last: they are the last of the sample
    })


def second_item_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The rows that a backward pass and an update read in one clock cycle, and the position that they are read for:
    ``row``, a multiple of the number of reads, and those that follow."""
    reads = geometry.second_reads
    return data.StructLayout({
        "row": unsigned(index_bits(geometry.rows)),
        "x": data.ArrayLayout(x_shape(geometry), reads),
        "derivative": data.ArrayLayout(unsigned(max(1, geometry.derivative_bits)), reads),
        "cell": data.ArrayLayout(unsigned(index_bits(geometry.window.cells)), reads),  # where a derivative is not 0
        "delta": unsigned(index_bits(geometry.positions * geometry.folds)),  # address of the deltas
        "fold": unsigned(index_bits(geometry.folds)),
        "first": 1,  # the first position of this fold of these rows
        "last": 1,  # the last one
        "update": data.ArrayLayout(1, reads),  # last: the row is driven at a position that has an error
    })


def level_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """What the device array holds of a cell."""
    layout = {"g": signed(geometry.device.g_bits)}
    if geometry.device.pair:
        layout["g_minus"] = unsigned(geometry.device.minus_bits)
    if geometry.device.life_bits:
        layout["life"] = unsigned(geometry.device.life_bits)
    if geometry.device.slices:
        layout["slices"] = data.ArrayLayout(signed(geometry.device.slices.g_bits), geometry.devices - 1)
    return data.StructLayout(layout)


def cell_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """One cell in a state word."""
    return data.StructLayout({"chi": signed(geometry.chi_bits)} | level_layout(geometry).members)


def state_bits(geometry: CrossbarGeometry) -> int:
    """Width of a state word. It holds a cell, an LFSR, a counter or a parameter in its low bits."""
    return max(cell_layout(geometry).size, COUNTER_BITS)


def banks(geometry: CrossbarGeometry) -> int:
    """Banks of the device array: so many rows that follow one another can be read in the same clock cycle."""
    return max(geometry.forward_reads, geometry.second_reads)


def padded_rows(geometry: CrossbarGeometry) -> int:
    """Rows, and words that are not used, so that every bank has as many words of a fold."""
    return -(-geometry.rows // banks(geometry)) * banks(geometry)


def address_bits(geometry: CrossbarGeometry) -> int:
    """Width of the address of a word: ``fold * padded_rows + row`` for the cells of that fold of that row."""
    return index_bits(geometry.folds * padded_rows(geometry))


def word_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The place of a word; also its row and fold where cells differ by their place."""
    layout = {"address": unsigned(address_bits(geometry))}
    if geometry.device.differs:
        layout |= {"row": unsigned(index_bits(geometry.rows)), "fold": unsigned(index_bits(geometry.folds))}
    return data.StructLayout(layout)


def position_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The place of a cell: that of its word, and its lane. Its column is ``fold * lanes + lane``."""
    return data.StructLayout(word_layout(geometry).members | {"lane": unsigned(index_bits(geometry.lanes))})


def slot_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """What one clock cycle of the arrays is used for. The controller issues at most one slot a clock cycle. A slot
    travels with its data down the pipeline of the arrays:

    ============= =====================================================================================
    clock cycle   work
    ============= =====================================================================================
    ``ADDRESS``   the arrays are read
    ``READ``      products; a lane enters its selection
    ``PRODUCT``   column sums; row sums enter the adder tree; residual plus change, or a lane replaced
    ``SUM``       column sums enter the ADC; stochastic rounding begins
    `write_back`  comparison with the threshold; both arrays are written
    ============= =====================================================================================

    Unless the geometry is plain, there is one more clock cycle, for sums over positions, between a product and its
    residual (`timing.change`), and column sums may take more (`timing.summed`).
    """
    row = data.StructLayout({"x": x_shape(geometry)} | {
        name: error_layout(geometry)[name].shape for name in ("derivative", "cell")})
    windows = {
        "reads": data.ArrayLayout(data.StructLayout({  # forward: the words to be read, one for each remainder
            "address": unsigned(address_bits(geometry)), "x": x_shape(geometry)}), geometry.forward_reads),
        "rows": data.ArrayLayout(row, geometry.second_reads),  # backward, update: those of the words from `address` on
        "delta": unsigned(index_bits(geometry.positions * geometry.folds)),  # backward, update: address of the deltas
    }
    return data.StructLayout({
        "address": unsigned(address_bits(geometry)),
        "fold": unsigned(index_bits(geometry.folds)),
        "row": unsigned(index_bits(geometry.rows)),
        "x": x_shape(geometry),
        "derivative": unsigned(max(1, geometry.derivative_bits)),
        "forward": 1,  # multiply by x, and add to the column sums
        "first": 1,  # forward: the column sums start here; update: the sums over positions do
        "last": 1,  # forward: the column sums are complete, and are converted; update: the sums over positions are
        "final": 1,  # last: these are the last columns of the sample
        "backward": 1,  # multiply by the deltas, and add to the row sum
        "row_sum_last": 1,  # backward: the row sum is the last of the sample
        "update": 1,  # add the product of x and delta to the residual
        "apply": 1,  # add the assembled increments to the residual
        "fire": 1,  # visit the cells: round and bound them, program those that reach the threshold
        "fetch": 1,  # answer with the cell at `lane`
        "override": 1,  # replace the cell at `lane` by `cell`
        "assemble": 1,  # override: hold the other lanes, which were assembled before
        "write": 1,  # write the word back
        "lane": unsigned(index_bits(geometry.lanes)),
        "cell": cell_layout(geometry),  # is held in one register: no other `override` for HOLD clock cycles
    } | ({} if geometry.plain else windows))


def visit_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The part of a slot that the residuals are for. A second pass that reads several rows at once has slots without
    it, and one such part for each row, later: ``update`` then adds the sum of ``read``, one of these rows."""
    names = ("address", "fold", "row", "update", "apply", "fire", "override", "assemble", "write", "lane")
    return data.StructLayout({name: slot_layout(geometry)[name].shape for name in names}
                             | {"read": unsigned(index_bits(geometry.second_reads))})


def request_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """A cell to be programmed: by its residual, or, with ``write``, to ``state`` by program-and-verify. With ``relax``,
    where cells do, it is not programmed but relaxes."""
    return data.StructLayout({"position": position_layout(geometry), "write": 1,
                              "state": unsigned(index_bits(geometry.device.states))}
                             | ({"relax": 1} if geometry.relaxation else {}))


def replacement_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """The place of a cell, and what replaces the cell there."""
    return data.StructLayout({"position": position_layout(geometry), "cell": cell_layout(geometry)})


def asked_shape(geometry: CrossbarGeometry) -> Shape:
    """The shape of a conductance that is to be reached. A landing device may never reach its outermost nominal levels,
    so these may need more bits than its levels."""
    return signed(max(geometry.device.g_bits, signed_bits(-geometry.device.origin)))


def pulse_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """A write pulse of a trace (docs/trace.md), with the place of its cell, and which of the cell's devices got it."""
    one = geometry.single
    g = signed(one.device.g_bits)
    return data.StructLayout({"position": position_layout(geometry), "device": device_shape(geometry), "before": g,
                              "asked": asked_shape(one), "after": g, "attempt": unsigned(ATTEMPT_BITS), "up": 1,
                              "verify": 1})


def device_shape(geometry: CrossbarGeometry) -> Shape:
    """The shape of the number of a device of a cell."""
    return unsigned(index_bits(geometry.devices))


def traced_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """A write pulse, and how many samples the crossbar had updated by then."""
    return data.StructLayout({"pulse": pulse_layout(geometry), "sample": unsigned(SAMPLE_BITS)})


def boost_bits(geometry: CrossbarGeometry) -> int:
    """Width of ``boost``, the left shift of ``x`` that selects a learning rate."""
    lowest, highest = geometry.learning_rate_shifts
    return index_bits(highest - lowest + 1)


def command_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """An operation of a crossbar. Updates are made at the learning rate ``2**-(learning_rate_shifts[1] - boost)``."""
    return data.StructLayout({"operation": Operation, "boost": unsigned(boost_bits(geometry))})


