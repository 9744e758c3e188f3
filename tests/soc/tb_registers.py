"""Testbench of ``soc``: a training through registers that a public model of AXI4-Lite reads and writes."""

import tempfile
import threading
from itertools import count
from pathlib import Path

import cocotb
import numpy as np
from cocotb.task import bridge, resume
from cocotbext.axi import AxiResp
from spinloom.hw.axi.network import AxiTop
from spinloom.sim.bench import complete
from spinloom.sim.benches.axi import AxiBench
from spinloom.sim.driver import NetworkDriver
from spinloom.sim.testbenches.testbench import CocotbTestbench, run_in_cocotb
from spinloom.soc.bench import RegisterBench
from spinloom.system.progress import bar
from spinloom.train import data, run_folder
from spinloom.train.difference import expect
from spinloom.train.identity import Identity
from spinloom.train.lockstep import Lockstep, Plan, Position

TEST = 3
"""Samples that are classified in the end."""


class ModelBus:
    """The registers of a simulated network, for a driver in a thread of its own."""

    def __init__(self, control) -> None:
        self._read, self._write = resume(control.read_word), resume(control.write_word)

    def read(self, address):
        word, response = self._read(address)
        expect(f"response to a read of {address:#x}", AxiResp.OKAY, response)
        return word

    def write(self, address, value):
        expect(f"response to a write to {address:#x}", AxiResp.OKAY, self._write(address, value))


class RegistersBench(CocotbTestbench):
    """Trains in lock-step with the golden model, then classifies; and once more from the state that was reached, on a
    network that was reset with beats in it."""

    def build(self):
        experiment = self.case.experiment
        return AxiTop(geometries=experiment.crossbars, loss=experiment.loss)

    async def connect(self, dut):
        bench = AxiBench(dut, self.component.inner, self.random, self.case.stall)
        await bench.start()
        return bench

    async def exercise(self, bench):
        with tempfile.TemporaryDirectory() as folder:
            await bridge(self.train)(ModelBus(bench.control), Path(folder))

    def train(self, bus, folder):
        experiment = self.case.experiment
        dataset = data.load(experiment)
        identity = Identity.of("run", experiment, dataset, samples=self.case.samples)
        record = run_folder.create(folder, identity)
        lockstep = Lockstep(Plan(experiment, dataset.train, self.case.samples), folder, record, Position())
        xs, labels = data.drive(dataset.test.images[:TEST], experiment.input.format), dataset.test.labels[:TEST]
        for samples in (self.case.samples, 2 * self.case.samples):
            lockstep.plan.total = samples
            network = RegisterBench(bus, experiment.crossbars, experiment.loss)
            driver = NetworkDriver(network, experiment.crossbars, experiment.loss)
            complete(lockstep.start(driver))
            complete(lockstep.train(threading.Event(), bar(show=False)))
            expect("samples", samples, lockstep.proven.position.sample)
            complete(lockstep.evaluate(xs, labels, threading.Event(), bar(show=False)))
            driver.submit(np.ones(experiment.crossbars[0].inputs, dtype=np.int64), 0, 4)
            turns = count()
            complete(network.until(lambda turns=turns: next(turns) == 9))


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def trains_as_the_golden_model(dut):
    await run_in_cocotb(dut, RegistersBench)
