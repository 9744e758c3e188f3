"""Predictions, and the deltas at the output. `model.loss` is the golden twin."""

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..contract import tables
from ..contract.geometry import CrossbarGeometry, Loss
from ..contract.widths import index_bits
from .basics.fixed import round_shift, saturate
from .crossbar.layouts import conversion_layout, delta_layout
from .layouts import result_layout, sample_layout


class LossUnit(wiring.Component):
    """The losses of docs/arithmetic.md 6, on ``adcs`` columns at once.

    It takes one ``sample``, then the outputs ``z`` of all columns, behind the pooling if there is any, in groups. It
    answers with one ``result``, whose prediction is the first of the largest columns. If ``sample.train``, it also
    answers with the deltas ``d`` of every group, ascending, ``last`` on the final one.

    Latency: ``latency`` clock cycles from a group to its ``d``. From the last group to ``result`` it is one clock cycle
    more for each factor of 2 in ``adcs``. Throughput: a group a clock cycle.

    Cost: ``2 * adcs`` comparators. ``cross_entropy`` takes a ROM of ``2**z_bits`` words of ``delta_frac`` bits with
    ``adcs`` read ports; ``squared_hinge`` takes ``2 * adcs`` adders and shifters by a constant. Raises ``ValueError``
    for a loss that it does not know.
    """

    latency = 2
    """Clock cycles from the transfer of a group to the one in which its deltas are offered."""

    def __init__(self, *, geometry: CrossbarGeometry, loss: Loss) -> None:
        if loss not in ("cross_entropy", "squared_hinge"):
            raise ValueError(f"loss={loss!r}: must be cross_entropy or squared_hinge")
        self._geometry = geometry
        self._loss = loss
        super().__init__({
            #: Outputs of the last crossbar: its map is 1 x 1 x cols.
            "z": In(stream.Signature(conversion_layout(geometry))),
            #: What they are compared with.
            "sample": In(stream.Signature(sample_layout(geometry.cols))),
            #: The prediction.
            "result": Out(stream.Signature(result_layout(geometry.cols))),
            #: The deltas.
            "d": Out(stream.Signature(delta_layout(geometry, geometry.adcs))),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        adcs, col_shape, z_shape = self._geometry.adcs, index_bits(self._geometry.cols), signed(self._geometry.z_bits)
        proceed, taken = Signal(), Signal()

        # The sample at hand, until its last group has been taken.
        sample, known = Signal(sample_layout(self._geometry.cols)), Signal()
        col = Signal(col_shape)  # the first of the group
        m.d.comb += [
            self.sample.ready.eq(~known),
            self.z.ready.eq(known & proceed),
            taken.eq(self.z.valid & self.z.ready),
        ]
        with m.If(taken):
            m.d.sync += [col.eq(Mux(self.z.p.last, 0, col + adcs)), known.eq(~self.z.p.last)]
        with m.If(self.sample.valid & self.sample.ready):
            m.d.sync += [sample.eq(self.sample.p), known.eq(1)]

        # A clock cycle later: the group, while the deltas of its columns are looked up.
        group = Signal(data.StructLayout({
            "z": data.ArrayLayout(z_shape, adcs), "targets": adcs, "col": col_shape, "label": col_shape, "train": 1,
            "last": 1}))
        targets = [col + place == sample.label for place in range(adcs)]
        present = Signal()
        with m.If(proceed):
            m.d.sync += present.eq(taken)
        with m.If(taken):
            m.d.sync += [
                group.z.eq(self.z.p.z), group.col.eq(col), group.last.eq(self.z.p.last),
                group.label.eq(sample.label), group.train.eq(sample.train),
                *(group.targets[place].eq(target) for place, target in enumerate(targets)),
            ]
        deltas = list(getattr(self, f"_{self._loss}")(m, self.z.p.z, targets, group.targets, proceed))

        # Another clock cycle later: its deltas.
        d, result = self.d.p, self.result.p
        with m.If(self.d.ready):
            m.d.sync += self.d.valid.eq(0)
        with m.If(proceed):
            m.d.sync += [d.col.eq(group.col), d.last.eq(group.last), self.d.valid.eq(present & group.train),
                         *(d.delta[place].eq(delta) for place, delta in enumerate(deltas))]

        # Meanwhile: its largest column, with a register behind each comparison.
        candidate = data.StructLayout({"z": z_shape, "col": col_shape})
        tag = data.StructLayout({"present": 1, "first": 1, "last": 1, "label": col_shape})
        columns, compared = [Signal(candidate, name=f"column_{place}") for place in range(adcs)], Signal(tag)
        for place, column in enumerate(columns):
            m.d.comb += [column.z.eq(group.z[place]), column.col.eq(group.col + place)]
        m.d.comb += [compared.present.eq(present), compared.first.eq(group.col == 0), compared.last.eq(group.last),
                     compared.label.eq(group.label)]
        while len(columns) > 1:
            larger = [_larger(m, *columns[place:place + 2]) for place in range(0, len(columns), 2)]
            following = [Signal.like(value, name="following") for value in (*larger, compared)]
            with m.If(proceed):
                m.d.sync += [after.eq(before) for before, after in zip((*larger, compared), following, strict=True)]
            *columns, compared = following

        # Then: the largest so far, and the answer.
        largest, best, leader = columns[0], Signal(candidate), Signal(candidate)
        m.d.comb += [
            leader.eq(Mux(compared.first | (largest.z > best.z), largest, best)),
            proceed.eq((self.d.ready | ~self.d.valid) &
                       (self.result.ready | ~self.result.valid | ~(compared.present & compared.last))),
        ]
        with m.If(self.result.ready):
            m.d.sync += self.result.valid.eq(0)
        with m.If(proceed & compared.present):
            m.d.sync += best.eq(leader)
            with m.If(compared.last):
                m.d.sync += [result.prediction.eq(leader.col), result.correct.eq(leader.col == compared.label),
                             self.result.valid.eq(1)]
        return m

    def _cross_entropy(self, m: Module, z: data.View, are_targets: list[Value], were_targets: Value,
                       enable: Signal) -> Iterator[Value]:
        """The deltas, a clock cycle after ``z``, if there was ``enable``. ``are_targets`` belongs to ``z``, and
        ``were_targets`` to the ``z`` of the clock cycle before."""
        bits, one = self._geometry.z_bits, (1 << self._geometry.delta_frac) - 1
        table = tables.sigmoid(bits, self._geometry.z_frac, one)
        # The address is the two's complement of z, so the upper half of the table comes first.
        order = [(index + (1 << bits - 1)) % (1 << bits) for index in range(1 << bits)]
        m.submodules.rom = rom = memory.Memory(shape=self._geometry.delta_frac, depth=1 << bits,
                                               init=[int(table[i]) for i in order])
        for place, was_target in enumerate(were_targets):
            port = rom.read_port()
            m.d.comb += [port.addr.eq(z[place].as_unsigned()), port.en.eq(enable)]
            yield port.data - Mux(was_target, one, 0)

    def _squared_hinge(self, m: Module, z: data.View, are_targets: list[Value], were_targets: Value,
                       enable: Signal) -> Iterator[Value]:
        """As ``_cross_entropy``."""
        one, shift = 1 << self._geometry.z_frac, self._geometry.delta_frac - self._geometry.z_frac
        for place, is_target in enumerate(are_targets):
            margin = saturate(Mux(is_target, one - z[place], one + z[place]), self._geometry.z_bits + 1, signed=False)
            slope = Signal(signed(self._geometry.z_bits + 2), name=f"slope_{place}")
            with m.If(enable):
                m.d.sync += slope.eq(Mux(is_target, -margin, margin))
            yield saturate(slope << shift if shift >= 0 else round_shift(slope, -shift), self._geometry.delta_bits)


def _larger(m: Module, left: data.View, right: data.View | None = None) -> data.View:
    """The candidate with the larger ``z``; ``left`` if they are equal, or if there is no other."""
    if right is None:
        return left
    larger = Signal.like(left, name="larger")
    m.d.comb += larger.eq(Mux(right.z > left.z, right, left))
    return larger
