"""Tells the write pulses of a programmer, for traces. `model.recorder` is its golden twin."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from .layouts import asked_shape, device_shape, position_layout, pulse_layout


class PulseTracer(wiring.Component):
    """Answers with each write pulse when it has been given, with what docs/trace.md records of it.

    Latency: none; a pulse is at `pulse` in the clock cycle in which the level shows it, and stays until it is taken.

    Cost: registers of a pulse, twice. It exists in traced designs only.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        ports = {
            #: A cell, its device with this number, or a rewriting begins: `asked` is to be reached. Attempts count from
            #: 1 again.
            "begin": In(1),
            "device": In(device_shape(geometry)),
            "asked": In(asked_shape(geometry.single)),
            #: A pulse is given; the level shows it in the clock cycle after `done`.
            "attempt": In(1),
            "done": In(1),
            #: The level, and the place of its cell.
            "g": In(signed(geometry.single.device.g_bits)),
            "position": In(position_layout(geometry)),
            #: The pulse is one of program-and-verify.
            "verify": In(1),
            #: The pulses.
            "pulse": Out(stream.Signature(pulse_layout(geometry))),
            #: Another pulse may be given.
            "room": Out(1),
            #: Every pulse has been taken.
            "idle": Out(1),
        }
        if geometry.device.pulse != "landing":
            #: The pulse goes up.
            ports["up"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layout = pulse_layout(self.geometry)
        found, kept = Signal(layout), Signal(layout)
        asked, number = Signal.like(self.asked), Signal.like(self.device)
        before = Signal.like(self.g)
        attempts = Signal(layout["attempt"].shape)
        landed, waiting = Signal(), Signal()
        landing = self.geometry.device.pulse == "landing"
        m.d.comb += [
            found.position.eq(self.position),
            found.device.eq(number),
            found.before.eq(before),
            found.asked.eq(asked),
            found.after.eq(self.g),
            found.attempt.eq(attempts),
            found.up.eq(asked > before if landing else self.up),
            found.verify.eq(self.verify),
            self.pulse.valid.eq(landed | waiting),
            self.pulse.payload.eq(Mux(waiting, kept, found)),
            self.room.eq(~self.pulse.valid | self.pulse.ready),
            self.idle.eq(~waiting),
        ]
        m.d.sync += [landed.eq(self.done), waiting.eq(~self.room)]
        with m.If(self.begin):
            m.d.sync += [asked.eq(self.asked), number.eq(self.device), attempts.eq(0)]
        with m.If(self.attempt):
            m.d.sync += [before.eq(self.g), attempts.eq(attempts + 1)]
        with m.If(landed):
            m.d.sync += kept.eq(found)
        return m
