"""From the words of samples to labels and drives."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.formats import ActivationFormat
from ...contract.geometry import CrossbarGeometry
from ...contract.store import HALFWORD_BITS, LONGEST_SKIP
from ..basics.fixed import round_shift, saturate
from ..crossbar.layouts import drive_layout
from .fetcher import word_layout

PIXEL_BITS = 8


def pixel_drive(pixel: Value, form: ActivationFormat) -> Value:
    """What a ``pixel`` drives a cell of the first layer's map with (docs/arithmetic.md, 7.2)."""
    wide = round_shift(pixel, PIXEL_BITS - form.frac) if form.frac <= PIXEL_BITS \
        else pixel.shift_left(form.frac - PIXEL_BITS)
    return saturate(wide, form.bits, form.signed)


class Decoder(wiring.Component):
    """Turns the ``words`` of samples, as `Fetcher` gives them, into a label and the drive ``x`` of each. Cells whose
    pixel drives nothing are left out.

    The label is offered before the drive, which waits until it is taken. A sample is ``damaged`` if its checksum is
    wrong, or if an entry lies behind the last cell and so is left out. Its label and the rest of its drive have been
    given by then.

    Throughput: an entry a clock cycle, and four clock cycles more for a sample. ``words.ready`` depends on ``x.ready``.
    Cost: an adder of 16 bits, an adder and a comparator of a cell's number, a register for a beat.
    """

    def __init__(self, *, geometry: CrossbarGeometry, label_bits: int) -> None:
        self.geometry = geometry
        super().__init__({
            "words": In(stream.Signature(word_layout())),
            #: The label of the next sample.
            "labels": Out(stream.Signature(unsigned(label_bits))),
            #: The drive of a sample.
            "x": Out(stream.Signature(drive_layout(geometry))),
            #: The sample that ends is not the one that was stored.
            "damaged": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        words, x, cells = self.words, self.x, self.geometry.window.cells
        high, halfword = Signal(), Signal(data.StructLayout({"skip": PIXEL_BITS, "value": PIXEL_BITS}))
        done, total = Signal(), Signal(HALFWORD_BITS)  # this halfword is; the sum of those before it
        passed, cell = Signal(range(cells + 1)), Signal(range(cells + LONGEST_SKIP + 1))
        # The beat that waits until it is known whether it is the last one; there is one.
        beat, held = Signal.like(x.payload), Signal()
        drive = pixel_drive(halfword.value, self.geometry.x)
        outside, wrong, counts = Signal(), Signal(), Signal()
        m.d.comb += [
            halfword.eq(words.payload.word.word_select(high, HALFWORD_BITS)),
            self.labels.payload.eq(halfword),
            words.ready.eq(done & high),
            cell.eq(passed + halfword.skip),
            outside.eq(cell >= cells),
            counts.eq((drive != 0) & ~outside),
            x.payload.eq(beat),
        ]
        with m.If(done):
            m.d.sync += [high.eq(~high), total.eq(total + halfword.as_value())]
        with m.FSM():
            with m.State("number"):
                m.d.comb += words.ready.eq(1)
                m.d.sync += [total.eq(words.payload.word), passed.eq(0), held.eq(0), beat.eq(0), wrong.eq(0)]
                with m.If(words.valid):
                    m.next = "label"
            with m.State("label"):
                m.d.comb += [self.labels.valid.eq(words.valid), done.eq(words.valid & self.labels.ready)]
                with m.If(done):
                    m.next = "checksum"
            with m.State("checksum"):
                m.d.comb += done.eq(words.valid)
                with m.If(done):
                    m.next = "entries"
                    with m.If(words.payload.last):
                        m.next = "last"
            with m.State("entries"):
                m.d.comb += [x.valid.eq(words.valid & counts & held), done.eq(words.valid & (~x.valid | x.ready))]
                with m.If(done):
                    m.d.sync += [passed.eq(Mux(outside, cells, cell + 1)), held.eq(held | counts)]
                    with m.If(counts):
                        m.d.sync += [beat.row.eq(cell), beat.x.eq(drive)]
                    with m.If(outside & (halfword.value != 0)):
                        m.d.sync += wrong.eq(1)
                    with m.If(high & words.payload.last):
                        m.next = "last"
            with m.State("last"):
                m.d.comb += [x.valid.eq(1), x.payload.last.eq(1)]
                with m.If(x.ready):
                    m.d.comb += self.damaged.eq(wrong | (total != 0))
                    m.next = "number"
        return m
