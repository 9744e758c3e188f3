"""The hash by which cells differ."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.hashing import DEVICE_SHIFT, MULTIPLIERS, SHIFTS
from .layouts import position_layout
from .parameters import parameter_layout, register


class CellHash(wiring.Component):
    """``hash = mix32(cell_seed + row * 2**16 + col)`` for the cell at each ``position``, in order: sections 2.1 and
    3.3 of docs/arithmetic.md. `contract.hashing.cell_hash` is its golden twin. Where cells have several devices, there
    is a hash for each of them, in their order (3.4).

    Latency: 10 clock cycles. Throughput: a hash in 11 clock cycles; of further devices of a cell, in 10.

    Cost: one multiplier of 16x16 bits. It makes the three partial products of each of the two multiplications modulo
    2**32, one after the other.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        super().__init__({
            #: The cells.
            "position": In(stream.Signature(position_layout(geometry))),
            #: Their hashes.
            "hash": Out(stream.Signature(32)),
            #: Replacements of run-time parameters.
            "parameters": In(parameter_layout(geometry)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        position = self.position.payload
        lanes = self.geometry.lanes
        seed = register(m, self.parameters, self.geometry, "cell_seed")

        row = Signal.like(position.row)
        col = Signal(16)
        low = Signal(16)
        high = Signal(16)
        upper = Signal(16)
        value = Cat(low, high)
        product = Signal(32)
        step = Signal(range(8))  # four for each multiplication
        devices = self.geometry.devices
        second, phase = step[2], step[:2]

        constant = Mux(second, Const(MULTIPLIERS[1], 32), Const(MULTIPLIERS[0], 32))
        sum_high = Signal(16)
        multiplied = Signal(32)
        m.d.comb += [
            sum_high.eq(upper + product[:16]),
            multiplied.eq(Cat(low, sum_high)),
            self.hash.payload.eq(value),
        ]
        m.d.sync += product.eq(Mux(phase == 2, high, low) * Mux(phase == 1, constant[16:], constant[:16]))

        with m.FSM():
            with m.State("take"):
                m.d.comb += self.position.ready.eq(1)
                # fold * lanes as a sum of shifts: it is not worth a multiplier.
                column = sum((position.fold << bit for bit in range(lanes.bit_length()) if lanes >> bit & 1),
                             start=position.lane)
                m.d.sync += [row.eq(position.row), col.eq(column)]
                with m.If(self.position.valid):
                    m.next = "seed"
            with m.State("seed"):
                m.d.sync += [value.eq(_shifted(m, seed + Cat(col, row), SHIFTS[0])), step.eq(0)]
                m.next = "mix"
            with m.State("mix"):
                m.d.sync += step.eq(step + 1)
                with m.Switch(phase):
                    with m.Case(1):  # low times low is here, and `low` is not needed any more
                        m.d.sync += Cat(low, upper).eq(product)
                    with m.Case(2):
                        m.d.sync += upper.eq(sum_high)
                    with m.Case(3):
                        m.d.sync += value.eq(Mux(second, _shifted(m, multiplied, SHIFTS[2]),
                                                 _shifted(m, multiplied, SHIFTS[1])))
                        with m.If(second):
                            m.next = "answer"
            with m.State("answer"):
                m.d.comb += self.hash.valid.eq(1)
                with m.If(self.hash.ready):
                    m.next = "take"
                    if devices > 1:
                        m.d.sync += col[DEVICE_SHIFT:].eq(col[DEVICE_SHIFT:] + 1)
                        with m.If(col[DEVICE_SHIFT:] != devices - 1):
                            m.next = "seed"
        return m


def _shifted(m: Module, value: ValueLike, shift: int) -> Value:
    """``value ^ value >> shift``, modulo 2**32."""
    word = Signal(32, name=f"shifted_{shift}")
    m.d.comb += word.eq(value)
    return word ^ word >> shift
