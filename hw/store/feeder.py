"""Feeds a network with stored samples, and counts what it makes of them."""

from typing import Any

from amaranth.hdl import Module, ResetInserter, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.widths import index_bits
from ..crossbar.layouts import drive_layout
from ..layouts import network_command_layout, result_layout
from ..operations import NetworkOperation
from .memory import MemoryInterface
from .order import PermutedOrder, places_layout
from .reader import SampleReader

COUNT_BITS = 32
"""Width of what is counted in clock cycles, modulo 2**COUNT_BITS."""


def feed_layout(geometries: tuple[CrossbarGeometry, ...], address_bits: int, most: int) -> data.StructLayout:
    """The samples of the stored set at ``base`` that are fed (`places_layout`), and the ``operation`` that is done on
    each: ``INFER``, ``TRAIN`` or ``ACCUMULATE``. The ``PROGRAM`` that ends a mini-batch follows where it is due: after
    ``batch`` samples, ``filled`` of which have been accumulated before, and at the last place of all."""
    command = network_command_layout(geometries).members
    return data.StructLayout(places_layout(most).members | {
        "base": unsigned(address_bits), "operation": command["operation"], "boost": command["boost"],
        "batch": range(most + 1), "filled": range(most + 1)})


def report_layout(most: int, *, stoppable: bool = False) -> data.StructLayout:
    """What the samples of a feed came to: how many were predicted correctly, whether any was not what was stored, the
    clock cycles that it took, and those in which the network had to wait for the memory. If feeds are ``stoppable``,
    also how many ``samples`` that was."""
    samples = {"samples": range(most + 1)} if stoppable else {}
    return data.StructLayout({"correct": range(most + 1), "damaged": 1, "cycles": COUNT_BITS, "stalls": COUNT_BITS}
                             | samples)


def stop_ports() -> dict[str, wiring.Member]:
    """The ports of what can be stopped."""
    return {
        #: No sample is begun any more.
        "stop": In(1),
        #: What was asked of the memory and has not come is for nobody.
        "drop": Out(1),
    }


class Feeder(wiring.Component):
    """Carries out one ``feed`` after the other: gives the network a ``command`` and the drive ``x`` of each sample,
    takes the ``result`` of each, and then answers with one ``report``.

    A clock cycle is a stall if the network is ready for ``x`` and there is none, or if it is idle before the last
    sample. Effects of the last sample may still be on their way to the arrays when its feed is reported.

    If feeds are ``stoppable``, a feed ends early when ``stop`` says so, or a sample is found damaged: no sample is
    begun any more, and the feed is reported when those that were begun are done. A sample is begun only when all of its
    words have come (`SampleReader`, ``whole``). So none is begun whose checksum is wrong, and none of which a word came
    while ``stop`` was set. The payload of ``report`` shows at any time what the feed has come to so far. What was read
    ahead is dropped when the feed has been reported.

    Cost: a `PermutedOrder`, a `SampleReader`, and counters.
    """

    def __init__(self, *, geometries: tuple[CrossbarGeometry, ...], address_bits: int, most: int,
                 stoppable: bool = False) -> None:
        self.stoppable = stoppable
        self.order = PermutedOrder(most=most)
        self.reader = SampleReader(geometry=geometries[0], label_bits=index_bits(geometries[-1].cols),
                                   address_bits=address_bits, most=most, whole=stoppable)
        super().__init__({
            "feed": In(stream.Signature(feed_layout(geometries, address_bits, most))),
            "report": Out(stream.Signature(report_layout(most, stoppable=stoppable))),
            "memory": Out(MemoryInterface(address_bits)),
            #: The network's streams, and its `idle`.
            "command": Out(stream.Signature(network_command_layout(geometries))),
            "x": Out(stream.Signature(drive_layout(geometries[0]))),
            "result": In(stream.Signature(result_layout(geometries[-1].cols))),
            "network_idle": In(1),
            #: No feed is being carried out.
            "idle": Out(1),
            **(stop_ports() if stoppable else {}),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        order, reader = self.order, self.reader
        dropped = ResetInserter(self.drop) if self.stoppable else lambda part: part
        m.submodules.order, m.submodules.reader = dropped(order), dropped(reader)
        wiring.connect(m, reader.memory, wiring.flipped(self.memory))
        wiring.connect(m, reader.x, wiring.flipped(self.x))
        feed = Signal.like(self.feed.payload)
        m.d.comb += [
            *(order.places.payload[name].eq(self.feed.payload[name]) for name in order.places.payload.shape().members),
            reader.base.eq(feed.base),
            reader.samples.payload.eq(order.samples.payload.sample),
            reader.samples.valid.eq(order.samples.valid),
            order.samples.ready.eq(reader.samples.ready),
        ]
        left, fed = Signal.like(feed.count), Signal()  # samples without a result; all drives have been given
        stop = Stop(self, left) if self.stoppable else None
        self._feed(m, feed, left, fed, stop)
        self._count(m, left, fed, stop)
        return m

    def _feed(self, m: Module, feed: data.View, left: Signal, fed: Signal, stop: "Stop | None") -> None:
        """Gives the commands, and reports."""
        command, labels, order = self.command, self.reader.labels, self.order
        place, open_sample = Signal.like(feed.first), Signal()
        last, programs = Signal(), Signal()
        m.d.comb += [
            command.payload.label.eq(labels.payload),
            command.payload.boost.eq(feed.boost),
            last.eq(place == feed.last),
            programs.eq((feed.operation == NetworkOperation.ACCUMULATE)
                        & ((feed.filled + 1 == feed.batch) | (place + 1 == feed.count))),
        ]
        if stop is not None:
            stop.watch(m)
        with m.If(labels.valid & labels.ready):  # the drive of a sample follows its label
            m.d.sync += open_sample.eq(1)
        with m.Elif(self.x.valid & self.x.ready & self.x.payload.last):
            m.d.sync += open_sample.eq(0)
        with m.FSM() as fsm:
            with m.State("wait"):
                m.d.comb += [order.places.valid.eq(self.feed.valid), self.feed.ready.eq(order.places.ready)]
                m.d.sync += [feed.eq(self.feed.payload), place.eq(self.feed.payload.first)]
                with m.If(self.feed.valid & self.feed.ready):
                    m.next = "samples"
            with m.State("samples"):
                m.d.comb += [command.valid.eq(labels.valid), labels.ready.eq(command.ready),
                             command.payload.operation.eq(feed.operation)]
                with m.If(command.valid & command.ready):
                    m.d.sync += [place.eq(place + 1), feed.filled.eq(feed.filled + 1)]
                    with m.If(last):
                        m.next = "results"
                    with m.If(programs):
                        m.d.sync += [feed.filled.eq(0), place.eq(place)]
                        m.next = "program"
                if stop is not None:
                    with m.If(stop.now):
                        m.d.comb += [command.valid.eq(0), labels.ready.eq(0), stop.unfed.eq(feed.last - place + 1)]
                        m.next = "results"
            with m.State("program"):
                m.d.comb += [command.valid.eq(1), command.payload.operation.eq(NetworkOperation.PROGRAM)]
                with m.If(command.ready):
                    m.d.sync += place.eq(place + 1)
                    m.next = "samples"
                    with m.If(last):
                        m.next = "results"
            with m.State("results"):
                m.d.comb += [fed.eq(~open_sample), self.report.valid.eq(left == 0)]
                with m.If(self.report.valid & self.report.ready):
                    m.next = "wait"
        m.d.comb += self.idle.eq(fsm.ongoing("wait"))

    def _count(self, m: Module, left: Signal, fed: Signal, stop: "Stop | None") -> None:
        """Counts results, clock cycles and stalls."""
        report, answered = self.report.payload, self.result.valid
        m.d.comb += self.result.ready.eq(1)
        with m.If(self.idle):
            m.d.sync += [report.eq(0), left.eq(self.feed.payload.last - self.feed.payload.first + 1)]
        with m.Elif(~self.report.valid):
            waits = ~fed & ~self.x.valid & (self.x.ready | self.network_idle & ~self.command.valid)
            m.d.sync += [
                report.correct.eq(report.correct + (answered & self.result.payload.correct)),
                report.damaged.eq(report.damaged | self.reader.damaged),
                report.cycles.eq(report.cycles + 1),
                report.stalls.eq(report.stalls + waits),
                left.eq(left - answered),
            ]
            if stop is not None:
                m.d.sync += [report.samples.eq(report.samples + answered), left.eq(left - answered - stop.unfed)]


class Stop:
    """How a stoppable ``feeder``, of which samples ``left`` are without a result, ends a feed early."""

    def __init__(self, feeder: Feeder, left: Signal) -> None:
        self._feeder = feeder
        self.now = Signal(name="stops")
        """The next sample is not begun."""
        self.unfed = Signal.like(left, name="unfed")
        """So many samples will have no result."""

    def watch(self, m: Module) -> None:
        """A command that has been offered stays."""
        feeder, offered = self._feeder, Signal()
        m.d.sync += offered.eq(feeder.command.valid & ~feeder.command.ready)
        m.d.comb += [
            self.now.eq((feeder.stop | feeder.report.payload.damaged) & ~offered),
            feeder.drop.eq(feeder.report.valid & feeder.report.ready),
        ]
