"""Blocks against their golden twins for longer: one geometry each, several seeds of stimuli and stalls. Mutants of
these designs are replayed on all of that: see docs/mutants.md."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from spinloom.config import parse
from spinloom.random_experiment import random_experiment
from spinloom.sim.driver import TrainingSample
from spinloom.sim.stimuli import random_drive
from spinloom.sim.testbenches.tb_accumulator import AccumulatorBench
from spinloom.sim.testbenches.tb_crossbar import CrossbarBench, expect_outputs
from spinloom.sim.testbenches.tb_delta_converter import DeltaConverterBench
from spinloom.sim.testbenches.tb_loss import LossBench
from spinloom.sim.testbenches.tb_neuron import NeuronBench
from spinloom.sim.testbenches.tb_pooling import PoolingBench
from spinloom.sim.testbenches.tb_programmer import ProgrammerBench
from spinloom.sim.testbenches.testbench import Case
from spinloom.train.difference import expect_vector

MEASURED = random_experiment(Random(3), layers=1, kind="measured")
POOLED = parse({"input": {"map": [7, 5, 1]}, "device": {"kind": "ideal"}, "layers": [
    {"kind": "conv", "kernel": 1, "cols": 6, "adcs": 3, "neuron": "relu", "pool": (3, 2), "pool_stride": (2, 1)},
    {"cols": 2, "z_frac": 4, "chi_frac": 8}]}, "pooled")
DENSE = parse({"input": {"count": 5}, "device": {"kind": "domain_wall", "states": 5, "variation": 0.1, "stuck": 0.1},
               "converters": {"read_noise": 0.5}, "learning_rate_shifts": [2, 6],
               "layers": [{"cols": 6, "lanes": 3, "adcs": 1, "z_frac": 4, "chi_frac": 8},
                          {"cols": 4, "lanes": 2, "z_frac": 4, "chi_frac": 8}]}, "dense")
SCANNED = parse({"input": {"map": [4, 4, 1]}, "device": {"kind": "incremental", "states": 9}, "layers": [
    {"kind": "conv", "kernel": 2, "cols": 4, "lanes": 2, "neuron": "relu"},
    {"kind": "conv", "kernel": 2, "padding": 1, "cols": 2, "neuron": "relu"},
    {"cols": 2, "z_frac": 4, "chi_frac": 8}]}, "scanned")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("bench", "experiment", "samples"), [
    (AccumulatorBench, random_experiment(Random(11), convolutions=True), 60),
    (AccumulatorBench, random_experiment(Random(7)), 60),
    (DeltaConverterBench, random_experiment(Random(7)), 60),
    (LossBench, random_experiment(Random(11)), 60),
    (NeuronBench, random_experiment(Random(11), 2), 60),
    (NeuronBench, random_experiment(Random(3), 2), 60),
    (PoolingBench, POOLED, 12),
    (ProgrammerBench, MEASURED, 120),
    (CrossbarBench, DENSE, 20),
    (CrossbarBench, SCANNED, 12),
], ids=lambda value: getattr(value, "__name__", None))
def test_agrees_with_golden_twin(bench, experiment, samples, seed):
    bench(Case(experiment=experiment, seed=seed, stall=seed * 0.25, samples=samples)).simulate()


ATTEMPTS = 255
"""As many attempts as there can be."""


class PatientProgrammerBench(ProgrammerBench):
    """After half of the requests, program-and-verify makes as many attempts as there can be."""

    def other_geometry(self):
        return replace(super().other_geometry(), margin=0, max_attempts=ATTEMPTS)


class RestlessProgrammerBench(ProgrammerBench):
    """All parameters are replaced again and again."""

    rounds = 8


class PatientCrossbarBench(CrossbarBench):
    """All cells are written, of which some are stuck, with as many attempts as there can be."""

    async def converse(self, pair):
        await pair.configure(replace(self.geometry, margin=0, max_attempts=ATTEMPTS))
        await pair.write()
        await pair.expect_state()


class NudgedCrossbarBench(CrossbarBench):
    """All cells are written, with as many attempts as there can be. Each entry of the tables of the device differs from
    the generated one in the lowest bits of its parts alone."""

    async def converse(self, pair):
        device = self.geometry.device
        nudged = {name: tuple(entry ^ 1 for entry in getattr(device, name)) for name in ("mean", "sigma")}
        await pair.configure(replace(self.geometry, margin=0, max_attempts=ATTEMPTS, device=replace(device, **nudged)))
        for number in range(self.case.samples):
            await pair.write()
            await pair.expect_state(number)


class WaitingLossBench(LossBench):
    """Results wait longer than it takes to compute the next one."""

    result_stall = 0.95


class PowersCrossbarBench(CrossbarBench):
    """All cells are written, with each power of two as the most attempts, and ever smaller ones as the margin."""

    async def converse(self, pair):
        for bit in range(ATTEMPTS.bit_length()):
            await pair.configure(replace(self.geometry, margin=1 << self.geometry.device.g_bits - 1 >> bit,
                                         max_attempts=1 << bit))
            await pair.write()
        await pair.expect_state()


class PowersAccumulatorBench(AccumulatorBench):
    """Updates whose drives and deltas are powers of two, so that sums just outside of a range are frequent."""

    kinds = ("update",)

    def random_x(self):
        return 1 << self.random.randrange(self.geometry.x.maximum.bit_length())

    def random_delta(self):
        return self.random.choice((1, -1)) << self.random.randrange(self.geometry.delta_bits - 1)


class OvertakingCrossbarBench(CrossbarBench):
    """An update that visits every row programs the cells of the last row but one. Meanwhile the next sample goes
    forward: its drives are on rows before that, which it may read."""

    async def converse(self, pair):
        geometry, channels = self.geometry, self.geometry.window.map[2]
        channel, programmed = np.arange(geometry.window.cells) % channels, geometry.rows - 2
        d = np.ones((geometry.positions, geometry.cols), dtype=np.int64)
        state = pair.golden.state()
        state["chi"][programmed], state["g"][programmed] = (1 << geometry.chi_bits - 1) - 1, geometry.device.g_range[0]
        pair.golden.load(state)
        await pair.driver.load(state)
        await pair.train_with([
            TrainingSample(np.where(channel < driven, geometry.x.maximum, 0), np.ones_like(channel), d,
                           geometry.learning_rate_shifts[0], program=True) for driven in (channels, 1)], {"sample": 0})
        await pair.expect_state()


class BusyCrossbarBench(CrossbarBench):
    """Rounds of many samples, each of which begins while the one before is under way, with another state in each round,
    whose cells are programmed first, and with other parameters in each but the first."""

    async def converse(self, pair):
        for number in range(self.case.samples):
            for operation in ("configure", "load", "program") if number else ("load", "program"):
                await pair.carry_out(operation, {"sample": number})
            await pair.expect_state(number)
            await pair.train(80 // self.case.samples, {"sample": number})
            await pair.expect_state(number)


class WaitingCrossbarBench(CrossbarBench):
    """Samples go forward, one after the other, while nobody takes their outputs."""

    async def converse(self, pair):
        driver, windows, samples = pair.driver, pair.golden.windows, self.case.samples
        drives = [random_drive(self.random, self.geometry) for _ in range(samples)]
        expected = [pair.golden.forward(windows.gather(torch.from_numpy(x))) for x in drives]
        driver.z.stall = 1.0
        for x in drives:
            driver.order_forward(x)
        await driver.bench.run(400 * samples)
        driver.z.stall = driver.bench.stall
        for sample, z in enumerate(expected):
            expect_outputs(z, await driver.take_outputs(), sample=sample)
        await pair.expect_state()


class UnheardCrossbarBench(CrossbarBench):
    """Samples are trained, one after the other, while nobody takes what they pass back."""

    async def converse(self, pair):
        driver, samples = pair.driver, [pair.sample() for _ in range(self.case.samples)]
        expected = pair.learn(samples)
        driver.e.stall = 1.0
        for sample in samples:
            driver.order_forward(sample.x, sample.y)
            driver.order_update(sample.d, sample.learning_rate_shift, sample.program)
        await driver.bench.run(100 * len(samples))
        driver.e.stall = driver.bench.stall
        for number, (z, e) in enumerate(expected):
            expect_outputs(z, await driver.take_outputs(), sample=number)
            expect_vector("backward", "row", e, await driver.take_sums(), sample=number)
        await pair.expect_state()


@pytest.mark.slow
@pytest.mark.parametrize(("bench", "experiment", "seed", "samples"), [
    (PatientProgrammerBench, MEASURED, 0, 40),
    (PatientCrossbarBench, DENSE, 0, 0),
    (PatientCrossbarBench, DENSE, 1, 0),
    (WaitingCrossbarBench, SCANNED, 0, 5),
    (WaitingLossBench, random_experiment(Random(11)), 0, 20),
    *((BusyCrossbarBench, DENSE, seed, 5) for seed in (0, 1, 2, 5)),
    *((BusyCrossbarBench, SCANNED, seed, 2) for seed in range(3)),
    (PowersCrossbarBench, SCANNED, 0, 0),
    (PowersAccumulatorBench, random_experiment(Random(7)), 2, 20),
    (OvertakingCrossbarBench, SCANNED, 0, 0),
    (RestlessProgrammerBench, MEASURED, 0, 160),
    (WaitingCrossbarBench, DENSE, 0, 3),
    (UnheardCrossbarBench, DENSE, 0, 12),
    (NudgedCrossbarBench, DENSE, 0, 1),
], ids=lambda value: getattr(value, "__name__", None))
def test_agrees_with_golden_twin_under_a_rare_load(bench, experiment, seed, samples):
    bench(Case(experiment=experiment, seed=seed, stall=seed % 4 * 0.2, samples=samples)).simulate()
