"""A network that trains on the samples in its memory, against the golden model, bit for bit."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.contract.store import HEADER_WORDS, pack
from spinloom.contract.widths import index_bits
from spinloom.hw.store.order import PermutedOrder
from spinloom.model.network import Network
from spinloom.sim.benches.pins import AmaranthPins
from spinloom.sim.benches.streams import PinBench
from spinloom.sim.stored import BlockRamNetwork, StoredDriver
from spinloom.train import data
from spinloom.train.lockstep import Twins

COUNT = 23


def small(**fields):
    return parse({"input": {"count": 64}, "order": "permuted", "device": {"kind": "domain_wall", "sigma": 0.2},
                  "learning_rate_shifts": [3, 4], "update": {"threshold": 0.25},
                  "layers": [{"cols": 12, "lanes": 6, "adcs": 2, "neuron": "relu", "weight_step": -2, "z_frac": 6},
                             {"cols": 10, "lanes": 5, "adcs": 1, "weight_step": -1, "z_frac": 4}]} | fields, "small")


def digits(first, count=COUNT):
    train = data.load("digits").train
    return data.Samples(train.images[first:first + count], train.labels[first:first + count])


def simulate(experiment, words, exercise):
    """Run ``exercise(driver, bench)`` on the network, with ``words`` in its memory."""
    design = BlockRamNetwork(experiment, words, COUNT)
    simulator = Simulator(design)
    simulator.add_clock(1e-6)

    async def testbench(ctx):
        bench = PinBench(AmaranthPins(ctx, design), Random(1))
        await exercise(StoredDriver(bench, experiment, address_bits=index_bits(len(words)), most=COUNT), bench)

    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(("batch", "fields"), [(1, {}), (5, {}), (1, {"input": {"count": 64, "bits": 4}})])
def test_two_epochs_and_a_test_set(batch, fields):
    """In parts, each of which begins in the midst of a mini-batch or ends there."""
    experiment, train, test = small(batch=batch, **fields), digits(0), digits(100, 15)
    words = [7, *pack(*train).tolist(), *pack(*test).tolist()]
    test_base = 1 + len(pack(*train))
    golden = Network(experiment)
    xs, test_xs = (data.drive(samples.images, experiment.input.format) for samples in (train, test))

    async def exercise(driver, bench):
        twins = Twins(golden, driver)
        await twins.load()
        for epoch in range(2):
            order = experiment.sample_order(epoch, COUNT)
            for places in (range(9), range(9, 10), range(10, COUNT)):
                expected = golden.train_span(xs, train.labels, order, places, experiment.learning_rate_shift(epoch))
                report = await driver.train(epoch, COUNT, places, base=1)
                assert report.correct == int((expected == train.labels[order[places.start:places.stop]]).sum())
                assert not report.damaged
            await twins.compare()
        right = sum(golden.infer(x) == label for x, label in zip(test_xs, test.labels.tolist(), strict=True))
        assert (await driver.infer(15, range(15), base=test_base)).correct == right
        await twins.compare()

    simulate(experiment, words, exercise)


def test_a_network_with_a_memory_is_driven_as_one_without():
    """Between feeds, and with the host's own samples."""
    experiment, train = small(), digits(0)
    golden, xs = Network(experiment), data.drive(train.images, experiment.input.format)

    async def exercise(driver, bench):
        twins = Twins(golden, driver)
        await twins.load()
        for place, sample in enumerate(experiment.sample_order(0, COUNT)[:6].tolist()):
            if place % 2:
                twins.train(xs[sample].numpy(), int(train.labels[sample]), 3)
                await twins.catch_up()
            else:
                correct = golden.train(xs[sample], int(train.labels[sample]), 3) == train.labels[sample]
                assert (await driver.train(0, COUNT, range(place, place + 1))).correct == correct
        await twins.compare()

    simulate(experiment, pack(*train).tolist(), exercise)


def test_a_damaged_sample_is_reported():
    experiment, train = small(), digits(0)
    words = pack(*train)
    words[HEADER_WORDS + COUNT + 1 + 40] ^= 1 << 20

    async def exercise(driver, bench):
        await driver.load(Network(experiment).state())
        reports = [await driver.infer(COUNT, range(place, place + 1)) for place in range(5)]
        assert [report.damaged for report in reports] == [False, False, True, False, False]

    simulate(experiment, words.tolist(), exercise)


def test_the_network_hardly_waits():
    """From block RAM there are stalls before the first sample, and where a sample is shorter than what it takes to
    begin the next one."""
    experiment, train = small(), digits(0)

    async def exercise(driver, bench):
        await driver.load(Network(experiment).state())
        report = await driver.train(0, COUNT, range(COUNT))
        assert report.stalls < PermutedOrder.latency + 20
        assert report.cycles > 100 * COUNT

    simulate(experiment, pack(*train).tolist(), exercise)
