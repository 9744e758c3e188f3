"""Testbench of the reader of samples on the read master, against a public model of AXI4."""

import logging
from random import Random

import cocotb
import numpy as np
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotbext.axi import AxiReadBus, AxiSlaveRead
from spinloom.contract.store import pack
from spinloom.hw.axi.read_master import PAGE_BITS, AxiReadMemory
from spinloom.hw.crossbar.layouts import drive_layout
from spinloom.hw.store.reader import SampleReader
from spinloom.sim.benches.axi import pauses
from spinloom.sim.formats import drive_words
from spinloom.sim.testbenches.tb_read_master import Interconnect
from spinloom.sim.testbenches.testbench import Testbench, run_in_cocotb
from spinloom.train.data import drive
from spinloom.train.difference import expect

COUNT, LABEL_BITS, ADDRESS_BITS = 40, 4, 16


class Samples(wiring.Component):
    """A `SampleReader` with an `AxiReadMemory`."""

    def __init__(self, geometry) -> None:
        self.reader = SampleReader(geometry=geometry, label_bits=LABEL_BITS, address_bits=ADDRESS_BITS, most=COUNT)
        self.memory = AxiReadMemory(address_bits=ADDRESS_BITS)
        super().__init__({"axi": Out(self.memory.axi.signature), "base": In(32),
                          "samples": In(stream.Signature(self.reader.samples.payload.shape())),
                          "labels": Out(stream.Signature(LABEL_BITS)),
                          "x": Out(stream.Signature(drive_layout(geometry))), "damaged": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.reader, m.submodules.memory = reader, memory = self.reader, self.memory
        wiring.connect(m, reader.memory, memory.port)
        for name, part in (("axi", memory), ("samples", reader), ("labels", reader), ("x", reader)):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(part, name))
        m.d.comb += [memory.base.eq(self.base), self.damaged.eq(reader.damaged)]
        return m


class SamplesBench(Testbench):
    """All samples, in random order, some of them twice: labels and drives are those that were packed."""

    def build(self):
        return Samples(self.case.experiment.crossbars[0])

    async def exercise(self, bench):
        first, random = self.case.experiment.crossbars[0], np.random.default_rng(self.case.seed)
        shape = COUNT, 1, first.inputs, 1
        images = (random.integers(1, 256, shape) * (random.random(shape) < 0.4)).astype(np.uint8)
        labels = random.integers(0, 10, COUNT)
        order = [*range(COUNT), *random.integers(0, COUNT, self.case.samples).tolist()]
        self.random.shuffle(order)
        xs, base = drive(images, first.x).numpy(), 0x1234 << PAGE_BITS
        bench.pins.set("base", base)
        samples = bench.source("samples", self.component.samples.payload.shape())
        told, x = bench.sink("labels", LABEL_BITS), bench.sink("x", drive_layout(first))
        model = self.serve(cocotb.top, Interconnect(base, pack(images, labels).tolist()))
        samples.put_all(order)
        expected = [word for number in order for word in drive_words(first, xs[number])]
        await bench.until(lambda: len(told) == len(order) and len(x) == len(expected))
        expect("labels", labels[order].tolist(), told.take_all())
        expect("x", expected, x.take_words(len(x)))
        expect("beats refused", 0, model.target.refused)

    def serve(self, dut, memory):
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)  # the model tells of every burst
        model = AxiSlaveRead(AxiReadBus.from_prefix(dut, "axi_"), dut.clk, dut.rst, memory)
        for channel in (model.ar_channel, model.r_channel):
            channel.set_pause_generator(pauses(Random(self.random.random()), self.case.stall))
        return model


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def reads_samples(dut):
    await run_in_cocotb(dut, SamplesBench)
