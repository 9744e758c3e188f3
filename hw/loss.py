"""Prediction and output error; ``model/loss.py`` is its golden twin."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..contract import tables
from ..contract.geometry import CrossbarGeometry, Loss
from .fixed import round_shift, saturate
from .signatures import column_error_layout, conversion_layout, index_bits, result_layout, sample_layout


class LossUnit(wiring.Component):
    """The losses of docs/arithmetic.md 6, on one column a cycle.

    Takes one ``sample`` and then the ADC outputs of all columns, in groups; ``z`` waits for its sample. Answers
    with one ``result`` (the first of the largest columns), and, if ``sample.train``, with ``d`` of every column,
    ascending, ``last`` on the final one.

    Throughput: one column a cycle. Latency: ``latency`` cycles from a group to its first ``d``, and as many from
    the last column to ``result``. Cost: one group of columns in registers, a comparator, and a ROM of
    ``2**z_bits`` words of ``delta_frac`` bits (``cross_entropy``) or two adders and a shifter by a constant
    (``squared_hinge``).

    Raises ``ValueError`` for a loss it does not know.

    Members
    -------
    z : In stream of ``conversion_layout(geometry)``.
    sample : In stream of ``sample_layout(cols)``.
    result : Out stream of ``result_layout(cols)``.
    d : Out stream of ``column_error_layout(geometry)``.
    """

    #: Cycles from the transfer of a group to the cycle in which the error of its first column is offered.
    latency = 3

    def __init__(self, *, geometry: CrossbarGeometry, loss: Loss):
        if loss not in ("cross_entropy", "squared_hinge"):
            raise ValueError(f"loss={loss!r}: must be cross_entropy or squared_hinge")
        self._geometry = geometry
        self._loss = loss
        super().__init__({
            "z": In(stream.Signature(conversion_layout(geometry))),
            "sample": In(stream.Signature(sample_layout(geometry.cols))),
            "result": Out(stream.Signature(result_layout(geometry.cols))),
            "d": Out(stream.Signature(column_error_layout(geometry))),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        adcs, col_shape = self._geometry.adcs, index_bits(self._geometry.cols)
        proceed = Signal()

        # The sample at hand, until its last column has been taken.
        sample, known, finished = Signal(sample_layout(self._geometry.cols)), Signal(), Signal()
        m.d.comb += self.sample.ready.eq(~known)
        with m.If(finished):
            m.d.sync += known.eq(0)
        with m.If(self.sample.valid & self.sample.ready):
            m.d.sync += [sample.eq(self.sample.p), known.eq(1)]

        # One group of columns, shifted so that the next column is in front.
        group, remaining = Signal(data.ArrayLayout(signed(self._geometry.z_bits), adcs)), Signal(range(adcs + 1))
        group_last, col = Signal(), Signal(col_shape)
        taken, last = Signal(), Signal()
        m.d.comb += [
            taken.eq(proceed & (remaining != 0)),
            last.eq(group_last & (remaining == 1)),
            finished.eq(taken & last),
            self.z.ready.eq(known & ((remaining == 0) | taken & (remaining == 1) & ~group_last)),
        ]
        with m.If(taken):
            m.d.sync += [remaining.eq(remaining - 1), col.eq(Mux(last, 0, col + 1)),
                         *(group[place].eq(group[place + 1]) for place in range(adcs - 1))]
        with m.If(self.z.valid & self.z.ready):
            m.d.sync += [group.eq(self.z.p.z), group_last.eq(self.z.p.last), remaining.eq(adcs)]

        # The largest column so far, and what the error of this one is made of.
        z = group[0]
        best, prediction = Signal(signed(self._geometry.z_bits)), Signal(col_shape)
        evaluated = Signal(data.StructLayout({
            "col": col_shape, "target": 1, "label": col_shape, "train": 1, "last": 1}))
        valid = Signal()
        with m.If(proceed):
            m.d.sync += valid.eq(taken)
        with m.If(taken):
            m.d.sync += [evaluated.col.eq(col), evaluated.target.eq(col == sample.label),
                         evaluated.label.eq(sample.label), evaluated.train.eq(sample.train), evaluated.last.eq(last)]
            with m.If((col == 0) | (z > best)):
                m.d.sync += [best.eq(z), prediction.eq(col)]
        delta = getattr(self, f"_{self._loss}")(m, z, col == sample.label, evaluated.target, proceed)

        d, result = self.d.p, self.result.p
        m.d.comb += proceed.eq((self.d.ready | ~self.d.valid) &
                               (self.result.ready | ~self.result.valid | ~(valid & evaluated.last)))
        with m.If(self.d.ready):
            m.d.sync += self.d.valid.eq(0)
        with m.If(proceed):
            m.d.sync += [d.col.eq(evaluated.col), d.delta.eq(delta), d.last.eq(evaluated.last),
                         self.d.valid.eq(valid & evaluated.train)]
        with m.If(self.result.ready):
            m.d.sync += self.result.valid.eq(0)
        with m.If(proceed & valid & evaluated.last):
            m.d.sync += [result.prediction.eq(prediction), result.correct.eq(prediction == evaluated.label),
                         self.result.valid.eq(1)]
        return m

    def _cross_entropy(self, m: Module, z, is_target, was_target, enable):
        bits, one = self._geometry.z_bits, (1 << self._geometry.delta_frac) - 1
        table = tables.sigmoid(bits, self._geometry.z_frac, one)
        # The address is the two's complement of z, so the upper half of the table comes first.
        order = [(index + (1 << bits - 1)) % (1 << bits) for index in range(1 << bits)]
        m.submodules.rom = rom = memory.Memory(shape=self._geometry.delta_frac, depth=1 << bits,
                                               init=[int(table[i]) for i in order])
        port = rom.read_port()
        m.d.comb += [port.addr.eq(z.as_unsigned()), port.en.eq(enable)]
        return port.data - Mux(was_target, one, 0)

    def _squared_hinge(self, m: Module, z, is_target, was_target, enable):
        one, shift = 1 << self._geometry.z_frac, self._geometry.delta_frac - self._geometry.z_frac
        margin = saturate(Mux(is_target, one - z, one + z), self._geometry.z_bits + 1, signed=False)
        slope = Signal(signed(self._geometry.z_bits + 2))
        with m.If(enable):
            m.d.sync += slope.eq(Mux(is_target, -margin, margin))
        return saturate(slope << shift if shift >= 0 else round_shift(slope, -shift), self._geometry.delta_bits)
