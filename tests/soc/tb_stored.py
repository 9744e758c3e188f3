"""Testbench of ``soc.stored``: a network trains from the memory of a system, whose public models of AXI pause, refuse
bursts across 4 KiB, and answer with errors."""

import logging
from random import Random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.task import bridge
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiReadBus, AxiResp, AxiSlaveRead
from spinloom.contract.store import HEADER_WORDS, StoreError, pack
from spinloom.hw.axi.network import AxiTop
from spinloom.hw.axi.read_master import PAGE_BITS
from spinloom.hw.operations import NetworkOperation
from spinloom.hw.store.memory import WORD_BITS
from spinloom.model.network import Network
from spinloom.sim.bench import complete
from spinloom.sim.benches.axi import PERIOD, Control, pauses
from spinloom.sim.testbenches.tb_read_master import Interconnect
from spinloom.sim.testbenches.testbench import CocotbTestbench, run_in_cocotb
from spinloom.soc.stored import MemoryAnswerError, SystemDriver
from spinloom.train import data
from spinloom.train.difference import expect
from spinloom.train.lockstep import Twins
from tb_registers import ModelBus

COUNT, TESTED = 16, 2
ACROSS = 5
"""The sample of the training set that lies across 4 KiB."""


class SimulatedBuffer:
    """A buffer in the memory that the model of the interconnect reads."""

    def __init__(self, memory):
        self.memory, self.physical_address = memory, memory.base

    def __len__(self):
        return len(self.memory.words)

    def __setitem__(self, places, words):
        self.memory.words[places] = words.tolist()


class SystemBench:
    """The bus of a processor and the memory of a system around a network in the cocotb top level ``dut``, with random
    pauses. Nothing is at the network's streams."""

    def __init__(self, dut, network, random, stall, words):
        self.control = Control(dut, network.registers)
        self.memory = Interconnect(random.randrange(1, 1 << 40) << PAGE_BITS,
                                   [random.getrandbits(WORD_BITS) for _ in range(words)])
        self.model = AxiSlaveRead(AxiReadBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn, self.memory,
                                  reset_active_level=False)
        for port in dut:
            if port._name.startswith("s_axis_") and port._name.endswith("_tvalid"):
                port.value = 0
        write, read = self.control.bus.write_if, self.control.bus.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel,
                        self.model.ar_channel, self.model.r_channel):
            channel.set_pause_generator(pauses(Random(random.random()), stall))
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)  # the models tell of every beat

    async def start(self, dut):
        dut.aresetn.value = 0
        Clock(dut.aclk, PERIOD, unit="ns").start()
        for _ in range(2):
            await RisingEdge(dut.aclk)
        dut.aresetn.value = 1


class StoredBench(CocotbTestbench):
    """Trains two epochs and classifies a test set, from the memory; then everything that can end a feed early."""

    def build(self):
        experiment = self.case.experiment
        return AxiTop(geometries=experiment.crossbars, loss=experiment.loss, store=experiment.store.sizes)

    async def connect(self, dut):
        bench = SystemBench(dut, self.component.inner, self.random, self.case.stall,
                            self.case.experiment.store.words)
        self.memory, self.model = bench.memory, bench.model
        await bench.start(dut)
        return bench

    async def exercise(self, bench):
        await bridge(self.drive)(ModelBus(bench.control))

    def drive(self, bus):
        experiment = self.case.experiment
        self.train, self.test = self.samples(COUNT), self.samples(TESTED)
        self.xs, self.test_xs = (data.drive(samples.images, experiment.input.format)
                                 for samples in (self.train, self.test))
        self.driver = SystemDriver(bus, experiment, SimulatedBuffer(self.memory))
        self.twins = Twins(Network(experiment), self.driver)
        complete(self.twins.load())
        self.upload()
        self.feed(0, range(9))
        self.feed(0, range(9, COUNT))
        self.evaluate()
        self.stop_and_resume()
        self.faults()
        self.reset(bus)

    def samples(self, count):
        random, experiment = np.random.default_rng(self.random.getrandbits(32)), self.case.experiment
        shape = (count, 1, experiment.input.count, 1)
        images = random.integers(1, 256, shape) * (random.random(shape) < 0.6)
        return data.Samples(images.astype(np.uint8), random.integers(0, experiment.crossbars[-1].cols, count))

    def upload(self):
        words, test = pack(*self.train), pack(*self.test)
        page = 1 << PAGE_BITS - 2
        starts = words[HEADER_WORDS:HEADER_WORDS + COUNT + 1].astype(int)
        self.base = page - starts[ACROSS] - 1
        self.test_base = self.base + len(words)
        self.starts = (self.base + starts).tolist()
        expect("a sample across 4 KiB", True, self.starts[ACROSS] < page < self.starts[ACROSS + 1])
        buffer = SimulatedBuffer(self.memory)
        buffer[self.base:self.test_base] = words  # a digest takes long in a simulator
        expect("words sent", len(test), complete(self.driver.upload(test, self.test_base)))
        expect("words sent again", 0, complete(self.driver.upload(test, self.test_base)))

    def feed(self, epoch, places):
        """Let both train on ``places``, which the machine may not take all of; how many it takes."""
        experiment = self.case.experiment
        try:
            report = complete(self.driver.train(epoch, COUNT, places, base=self.base))
        except MemoryAnswerError as error:
            report = error.report
        taken = places[:report.samples]
        order = experiment.sample_order(epoch, COUNT)
        if taken:
            predicted = self.twins.golden.train_span(self.xs, self.train.labels, order, taken,
                                                     experiment.learning_rate_shift(epoch))
            right = int((predicted == self.train.labels[order[taken.start:taken.stop]]).sum())
            expect("correct", right, report.correct)
        return report

    def evaluate(self):
        right = sum(self.twins.golden.infer(x) == label
                    for x, label in zip(self.test_xs, self.test.labels.tolist(), strict=True))
        report = complete(self.driver.infer(TESTED, range(TESTED), base=self.test_base))
        expect("correct in the test", (right, TESTED), (report.correct, report.samples))

    def rest(self, epoch, first):
        """Train on the samples of ``epoch`` from the place ``first`` on, and compare the complete states."""
        expect("samples", COUNT - first, self.feed(epoch, range(first, COUNT)).samples)
        complete(self.twins.compare())

    def stop_and_resume(self):
        seen = []

        def watch(counts):
            seen.append(counts)
            return counts["samples"] < 5

        self.driver.watch = watch
        report = self.feed(2, range(COUNT))
        self.driver.watch = None
        expect("stopped in time", True, 5 <= report.samples < COUNT)
        expect("counts that ascend", sorted(count["cycles"] for count in seen), [count["cycles"] for count in seen])
        complete(self.twins.compare())
        self.rest(2, report.samples)
        self.driver.stop()  # of nothing

    def faults(self):
        """A sample that is answered with an error, one that is not what was stored, and an index that leads astray."""
        order, send = self.case.experiment.sample_order(3, COUNT), self.model.r_channel.send
        first, place = 0, 6
        start = self.starts[order[place]]
        for fault in (AxiResp.SLVERR, AxiResp.DECERR):
            async def answer(beat, fault=fault):
                if beat.rresp != AxiResp.OKAY:
                    beat.rresp = fault
                await send(beat)

            self.model.r_channel.send = answer
            self.memory.broken = {start + 3}
            first += self.feed(3, range(first, COUNT)).samples
            expect("taken before the broken one", True, first <= place)
            complete(self.twins.compare())
            try:
                complete(self.driver.train(3, COUNT, range(place, place + 1), base=self.base))
                raise AssertionError("an answer with an error passed")
            except MemoryAnswerError as error:
                expect("what is told", f"the memory has answered with {fault.name} after 0 of 1 samples: check that "
                       f"the network may read from {self.memory.base:#x} on", str(error))
            self.memory.broken = set()
        self.model.r_channel.send = send
        self.rest(3, first)

        order = self.case.experiment.sample_order(4, COUNT)
        words = self.memory.words
        wrong, astray = self.starts[order[3]] + 2, self.base + HEADER_WORDS + int(order[6]) + 1
        words[wrong] ^= 1 << 9
        report = self.feed(4, range(COUNT))
        expect("damaged", (True, True), (report.damaged, report.samples <= 3))
        complete(self.twins.compare())
        words[wrong] ^= 1 << 9
        first = report.samples
        words[astray] ^= 1 << 31
        report = self.feed(4, range(first, COUNT))
        expect("led astray", (True, True), (report.damaged, first + report.samples <= 6))
        words[astray] ^= 1 << 31
        self.rest(4, first + report.samples)

        self.memory.broken = {self.base}
        try:
            complete(self.driver.digest(self.base, 2))
            raise AssertionError("an answer with an error passed")
        except StoreError as error:
            expect("what is told", f"the memory has answered with SLVERR: check that the network may read from "
                   f"{self.memory.base:#x} on", str(error))
        self.memory.broken = set()

    def reset(self, bus):
        """In the midst of a feed, with bursts on their way. The cells stay as they are, and are loaded again."""
        registers = self.driver.registers
        for field, value in {"base": self.base, "count": COUNT, "first": 0, "last": COUNT - 1, "key": 5}.items():
            registers.write(f"feed_{field}", **{field: value})
        registers.write("feed", operation=NetworkOperation.TRAIN, permute=1, boost=0)
        for _ in range(30):
            self.driver.counts()
        self.driver = SystemDriver(bus, self.case.experiment, SimulatedBuffer(self.memory))
        self.twins.machine = self.driver
        complete(self.twins.load())
        self.rest(5, 0)
        self.evaluate()


@cocotb.test(timeout_time=10, timeout_unit="sec")
async def trains_from_memory(dut):
    await run_in_cocotb(dut, StoredBench)
