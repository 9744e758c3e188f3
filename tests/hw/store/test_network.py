"""A network that trains on the samples in its memory, against the golden model, bit for bit."""

import pytest
from spinloom.config import parse
from spinloom.contract.store import HEADER_WORDS, crc, pack
from spinloom.hw.store.memory import BlockMemory
from spinloom.hw.store.order import PermutedOrder
from spinloom.hw.store.sdram_chip import ULX3S_SDRAM
from spinloom.model.network import Network
from spinloom.sim.bench import complete
from spinloom.sim.benches.compiled import CompiledBench
from spinloom.sim.sdram import SdramMemory
from spinloom.sim.stored import NetworkWithMemory, StoredDriver
from spinloom.train import data
from spinloom.train.lockstep import Twins

COUNT, TESTED, DEPTH = 203, 50, 10_000


def experiment(**fields):
    return parse({"input": {"count": 64}, "order": "permuted", "device": {"kind": "domain_wall", "sigma": 0.2},
                  "learning_rate_shifts": [3, 4], "update": {"threshold": 0.25},
                  "layers": [{"cols": 12, "lanes": 6, "adcs": 2, "neuron": "relu", "weight_step": -2, "z_frac": 6},
                             {"cols": 10, "lanes": 5, "adcs": 1, "weight_step": -1, "z_frac": 4}]} | fields, "small")


def digits(first, count):
    train = data.load("digits").train
    return data.Samples(train.images[first:first + count], train.labels[first:first + count])


class Stored:
    """A network with three sets in its memory: for training, for tests, and a damaged one for training."""

    def __init__(self, small, memory):
        self.train, self.test = digits(0, COUNT), digits(500, TESTED)
        self.sets = [pack(*samples) for samples in (self.train, self.test, self.train)]
        self.sets[2][HEADER_WORDS + COUNT + 1 + 40] ^= 1 << 20  # an entry of the sample with the number 2
        self.bases = [3 + sum(map(len, self.sets[:place])) for place in range(3)]
        self.bench = CompiledBench(NetworkWithMemory(small, memory, most=COUNT))
        self.address_bits = memory.signature.members["port"].signature.address_bits
        _, driver = self.twins(small)
        for words, base in zip(self.sets, self.bases, strict=True):
            complete(driver.upload(words, base))

    def twins(self, small):
        driver = StoredDriver(self.bench, small, address_bits=self.address_bits, most=COUNT)
        twins = Twins(Network(small), driver)
        complete(twins.load())
        return twins, driver


@pytest.fixture(scope="module")
def stored(verilator):
    return Stored(experiment(), BlockMemory(depth=DEPTH))


def test_the_sets_are_where_they_were_written(stored):
    _, driver = stored.twins(experiment())
    for words, base in zip(stored.sets, stored.bases, strict=True):
        assert complete(driver.digest(base, len(words))) == crc(words)


def train_and_test(stored, small):
    """Two epochs, in parts that begin and end in the midst of a mini-batch, and the test set."""
    twins, driver = stored.twins(small)
    train, test = stored.train, stored.test
    xs, test_xs = (data.drive(samples.images, small.input.format) for samples in (train, test))
    for epoch in range(2):
        order = small.sample_order(epoch, COUNT)
        for places in (range(9), range(9, 10), range(10, COUNT)):
            expected = twins.golden.train_span(xs, train.labels, order, places, small.learning_rate_shift(epoch))
            report = complete(driver.train(epoch, COUNT, places, base=stored.bases[0]))
            assert report.correct == int((expected == train.labels[order[places.start:places.stop]]).sum())
            assert not report.damaged
        complete(twins.compare())
    right = sum(twins.golden.infer(x) == label for x, label in zip(test_xs, test.labels.tolist(), strict=True))
    assert complete(driver.infer(TESTED, range(TESTED), base=stored.bases[1])).correct == right
    complete(twins.compare())


@pytest.mark.parametrize("batch", [1, 5])
def test_two_epochs_and_a_test_set(stored, batch):
    train_and_test(stored, experiment(batch=batch))


@pytest.mark.slow
def test_convolutions(verilator):
    conv = {"kind": "conv", "kernel": 3, "pool": 2, "cols": 4, "lanes": 2, "neuron": "relu", "weight_step": -2,
            "z_frac": 6}
    small = experiment(input={"map": [8, 8, 1], "bits": 4}, layers=[conv, experiment().layers[1]])
    train_and_test(Stored(small, BlockMemory(depth=DEPTH)), small)


@pytest.mark.slow
def test_sdram(verilator):
    """At a clock at which the chip takes several cycles to begin a burst."""
    memory = SdramMemory(chip=ULX3S_SDRAM, timing=ULX3S_SDRAM.timing(100))
    train_and_test(Stored(experiment(), memory), experiment())


def test_samples_of_the_host_come_between_feeds(stored):
    small = experiment()
    twins, driver = stored.twins(small)
    xs, labels = data.drive(stored.train.images, small.input.format), stored.train.labels.tolist()
    for place, sample in enumerate(small.sample_order(0, COUNT)[:6].tolist()):
        if place % 2:
            twins.train(xs[sample].numpy(), labels[sample], 3)
            complete(twins.catch_up())
        else:
            correct = twins.golden.train(xs[sample], labels[sample], 3) == labels[sample]
            report = complete(driver.train(0, COUNT, range(place, place + 1), base=stored.bases[0]))
            assert report.correct == correct
    complete(twins.compare())


def test_a_damaged_sample_is_reported(stored):
    _, driver = stored.twins(experiment())
    reports = [complete(driver.infer(COUNT, range(place, place + 1), base=stored.bases[2])) for place in range(5)]
    assert [report.damaged for report in reports] == [False, False, True, False, False]
    assert complete(driver.infer(COUNT, range(COUNT), base=stored.bases[2])).damaged


def test_the_network_hardly_waits(stored):
    """Before the first sample, and a clock cycle where a word is not full."""
    _, driver = stored.twins(experiment())
    report = complete(driver.train(0, COUNT, range(COUNT), base=stored.bases[0]))
    assert report.cycles > 60 * COUNT
    assert report.stalls < PermutedOrder.latency + 20 + COUNT
