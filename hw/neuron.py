"""The neurons between two crossbars. `model.neuron` is their golden twin."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..contract import tables
from ..contract.geometry import CrossbarGeometry
from ..contract.lfsr import LEAP
from ..contract.widths import index_bits
from .basics.fixed import saturate
from .basics.queue import LATENCY, Queue
from .crossbar.layouts import conversion_layout, drive_layout, x_shape

QUEUE_DEPTH = 2
"""Groups that wait for the encoder."""


def active_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """Drive and derivative of a neuron that drives a row of ``geometry``, and whether one of them is not zero."""
    return data.StructLayout({"x": x_shape(geometry), "derivative": unsigned(geometry.derivative_bits), "active": 1})


class Neuron(wiring.Component):
    """The function of docs/arithmetic.md 5.2 that ``target.source`` names, on ``source.adcs`` cells at once. Stochastic
    neurons draw ``words`` with each group, of which they tell by ``fire``.

    It takes the outputs of ``source``, behind its pooling if it has any, in groups, cells ascending: cell ``q`` of the
    pooled map is cell ``q`` of the map that drives ``target``. It answers with the active cells, those whose drive or
    derivative is not zero, ascending, ``last`` on the final beat of a sample. If the last group has no such cell, its
    first follows as a beat of zeros that carries ``last``.

    Latency: ``latency`` clock cycles from a group to its first cell. Throughput: one group in and one cell out a clock
    cycle. Groups without an active cell pass while others wait; ``QUEUE_DEPTH`` groups with one can wait.

    Cost: for each of ``source.adcs`` units two comparators, or for ``sigmoid`` a ROM of ``2**z_bits`` words of
    ``activation_bits + 9`` bits, or for ``stochastic`` one of 24 bits and a comparator; the queue of groups; one
    priority encoder of ``source.adcs`` bits. Raises ``ValueError`` if data drives ``target``: then there is no neuron
    in between.
    """

    latency = LATENCY["registers"] + 2
    """Clock cycles from the transfer of a group to the one in which its first row is offered."""

    def __init__(self, *, source: CrossbarGeometry, target: CrossbarGeometry) -> None:
        if target.source is None:
            raise ValueError(f"layers[{target.index}] is driven by data: there is no neuron before it")
        self._source = source
        self._target = target
        ports: dict[str, Any] = {
            #: Outputs of the crossbar that drives the neurons.
            "z": In(stream.Signature(conversion_layout(source))),
            #: The drive of the crossbar behind them.
            "x": Out(stream.Signature(drive_layout(target))),
        }
        if target.source == "stochastic":
            #: The words that a group draws, those of its first cell in the low bits.
            ports["words"] = In(LEAP * source.adcs)
            #: They are drawn.
            ports["fire"] = Out(1)
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layout = data.StructLayout({
            "neurons": data.ArrayLayout(active_layout(self._target), self._source.adcs),
            "row": unsigned(index_bits(self._target.window.cells)),
            "last": 1,
        })

        # Evaluate: one group of neurons, in registers.
        neurons, first_row = Signal(layout["neurons"].shape), Signal(layout["row"].shape)
        row, last, occupied, proceed = Signal.like(first_row), Signal(), Signal(), Signal()
        m.d.comb += self.z.ready.eq(proceed)
        with m.If(proceed):
            m.d.sync += occupied.eq(self.z.valid)
        with m.If(proceed & self.z.valid):
            m.d.sync += [row.eq(first_row), last.eq(self.z.p.last),
                         first_row.eq(Mux(self.z.p.last, 0, first_row + self._source.adcs))]
        if self._target.source == "stochastic":
            m.d.comb += self.fire.eq(proceed & self.z.valid)
        for unit in range(self._source.adcs):
            self._evaluate(m, unit, self.z.p.z[unit], neurons[unit], proceed)

        # Queue: what has neither an active neuron nor ``last`` does not enter.
        m.submodules.groups = groups = Queue(shape=layout, depth=QUEUE_DEPTH, storage="registers")
        keep = Signal()
        m.d.comb += [
            keep.eq(reduce(or_, (neurons[unit].active for unit in range(self._source.adcs)), last)),
            groups.i.valid.eq(occupied & keep),
            proceed.eq(~occupied | ~keep | groups.i.ready),
            groups.i.payload.neurons.eq(neurons),
            groups.i.payload.row.eq(row),
            groups.i.payload.last.eq(last),
        ]

        # Encode: the first active neuron of the group at the head.
        head, x = groups.o.payload, self.x.p
        waiting = [head.neurons[unit] for unit in range(self._source.adcs)]
        done = Signal(self._source.adcs)
        pending, first = Signal.like(done), Signal.like(done)
        advance, exhausted = Signal(), Signal()
        m.d.comb += [
            pending.eq(Cat(neuron.active for neuron in waiting) & ~done),
            first.eq(pending & -pending),
            exhausted.eq((pending & ~first) == 0),
            advance.eq(self.x.ready | ~self.x.valid),
            groups.o.ready.eq(advance & exhausted),
        ]
        with m.If(advance):
            m.d.sync += self.x.valid.eq(groups.o.valid)
            with m.If(groups.o.valid):
                m.d.sync += [
                    done.eq(Mux(exhausted, 0, done | first)),
                    x.row.eq(head.row + self._select(first, range(self._source.adcs))),
                    x.x.eq(self._select(first, [neuron.x.as_unsigned() for neuron in waiting])),
                    x.derivative.eq(self._select(first, [neuron.derivative for neuron in waiting])),
                    x.last.eq(head.last & exhausted),
                ]
        return m

    @staticmethod
    def _select(onehot: Signal, choices: Iterable[ValueLike]) -> Value:
        """The choice whose bit is set; 0 if none is. Choices are unsigned."""
        return reduce(or_, (Mux(onehot[place], choice, 0) for place, choice in enumerate(choices)))

    def _evaluate(self, m: Module, unit: int, z: Value, result: data.View, enable: Signal) -> None:
        """After a clock cycle with ``enable``, ``result`` is the neuron's answer to ``z``."""
        bits, frac = self._target.x.bits, self._source.z_frac
        x, derivative = Signal(x_shape(self._target), name=f"x{unit}"), Signal(name=f"derivative{unit}")
        match self._target.source:
            case "sigmoid":
                self._look_up(m, unit, z, result, enable)
                return
            case "stochastic":
                self._fire(m, unit, z, result, enable)
                return
            case "relu":
                m.d.comb += [x.eq(saturate(z, bits, signed=False)), derivative.eq(x != 0)]
            case "hard_tanh":
                m.d.comb += [x.eq(saturate(z, bits)), derivative.eq(x == z)]
            case "ternary":
                one, half = 1 << frac, 1 << frac - 1
                magnitude = Signal(self._source.z_bits, name=f"magnitude{unit}")
                m.d.comb += [
                    magnitude.eq(abs(z)),
                    x.eq(Mux(magnitude >= one, Mux(z < 0, -1, 1), 0)),
                    derivative.eq((magnitude > half) & (magnitude < one + half)),
                ]
        with m.If(enable):
            m.d.sync += [result.x.eq(x), result.derivative.eq(derivative), result.active.eq((x != 0) | derivative)]

    def _look_up(self, m: Module, unit: int, z: Value, result: data.View, enable: Signal) -> None:
        x = tables.sigmoid(self._source.z_bits, self._source.z_frac, self._target.x.maximum)
        derivative = tables.sigmoid_derivative(self._source.z_bits, self._source.z_frac)
        m.d.comb += result.eq(self._read(m, unit, z, enable, active_layout(self._target), {
            "x": x, "derivative": derivative, "active": (x != 0) | (derivative != 0)}))

    def _fire(self, m: Module, unit: int, z: Value, result: data.View, enable: Signal) -> None:
        """A table gives the probability, with which the word is compared a clock cycle later."""
        layout = data.StructLayout({"probability": tables.FIRING_BITS, "derivative": result.derivative.shape()})
        found = Signal(layout, name=f"found{unit}")
        word = Signal(LEAP, name=f"word{unit}")
        with m.If(enable):
            m.d.sync += word.eq(self.words.word_select(unit, LEAP))
        m.d.comb += [
            found.eq(self._read(m, unit, z, enable, layout, {
                "probability": tables.firing(self._source.z_bits, self._source.z_frac),
                "derivative": tables.sigmoid_derivative(self._source.z_bits, self._source.z_frac)})),
            result.x.eq(word < found.probability),
            result.derivative.eq(found.derivative),
            result.active.eq(result.x.any() | found.derivative.any()),
        ]

    def _read(self, m: Module, unit: int, z: Value, enable: Signal, layout: data.StructLayout,
              fields: dict[str, np.ndarray]) -> Value:
        """What the ``fields`` of a table with an entry for every ``z``, the smallest first, hold for ``z``, a clock
        cycle later."""
        # The address is the two's complement of z, so the upper half of the table comes first.
        words = {name: np.roll(values, -len(values) // 2).tolist() for name, values in fields.items()}
        depth = 1 << self._source.z_bits
        m.submodules[f"rom{unit}"] = rom = memory.Memory(shape=layout, depth=depth, init=[
            {name: int(values[place]) for name, values in words.items()} for place in range(depth)])
        port = rom.read_port()
        m.d.comb += [port.addr.eq(z.as_unsigned()), port.en.eq(enable)]
        return port.data
