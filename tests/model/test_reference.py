"""The golden model against the independent implementation of the specification: every operation, on random experiments
of every kind of device."""

from random import Random

import numpy as np
import pytest
import torch
from spinloom.config import parse
from spinloom.contract.errors import ConfigError
from spinloom.contract.hashing import sample_order
from spinloom.devices.kinds import KINDS
from spinloom.model.network import Network
from spinloom.model.rounder import StochasticRounder
from spinloom.random_experiment import random_experiment
from spinloom.train.host import HostTrainer
from spinloom.train.transfer import transfer

from . import reference
from .experiments import random_samples


class Pair:
    """A network and its reference, driven alike; every result and, at each ``check``, every bit of the state equal."""

    def __init__(self, experiment, seed):
        self.experiment, self.random = experiment, np.random.default_rng(seed)
        self.network, self.other = Network(experiment), reference.Network(experiment)
        self.check("start")

    def check(self, when):
        expected, actual = self.other.state(), self.network.state()
        assert actual.keys() == expected.keys()
        for name, array in actual.items():
            assert array.tolist() == expected[name], f"{when}: {name}"

    def samples(self, count):
        xs, labels = random_samples(self.experiment, count, self.random.integers(1 << 32))
        return xs, labels.tolist()

    def epoch(self, epoch):
        xs, labels = self.samples(8)
        order, batch = sample_order(self.experiment.seed, epoch, len(xs)), self.experiment.batch
        predictions = []
        for count, i in enumerate(order, start=1):
            predictions.append(self.network.train(xs[i], labels[i], self.experiment.learning_rate_shift(epoch),
                                                  program=batch == 1))
            if batch > 1 and (count % batch == 0 or count == len(order)):
                self.network.program()
        assert predictions == self.other.train_epoch(xs.tolist(), labels, epoch)
        self.check("epoch")

    def apply(self):
        """Increments of all sizes: most below the threshold, some far beyond it, some zero."""
        for layer, (crossbar, geometry) in enumerate(zip(self.other.crossbars, self.experiment.crossbars, strict=True)):
            top = min(1 << geometry.chi_bits - 1, 4 * geometry.threshold)
            dw = (self.random.uniform(-1, 1, (geometry.rows, geometry.cols)) ** 3 * top).astype(int)
            dw[self.random.random(dw.shape) < 0.2] = 0
            self.network.apply(layer, torch.from_numpy(dw))
            crossbar.apply(dw.tolist())
        self.check("apply")

    def write(self):
        for one, other, geometry in zip(self.network.crossbars, self.other.crossbars, self.experiment.crossbars,
                                        strict=True):
            states = self.random.integers(0, geometry.device.states, (geometry.rows, geometry.cols))
            before = dict(one.counters)
            report = one.write(torch.from_numpy(states))
            other.write(states.tolist())
            assert report.attempts.max() <= geometry.max_attempts
            assert report.attempts.sum() == one.counters["attempts"] - before["attempts"]
            assert report.failures == one.counters["failures"] - before["failures"]
        self.check("write")

    def infer(self):
        xs, _ = self.samples(4)
        expected = self.other.predict(xs.tolist())
        assert self.network.predict(xs).tolist() == expected
        self.check("predict")
        assert [self.network.infer(x) for x in xs] == expected
        for x in xs.tolist():
            self.other.forward(x)
        self.check("infer")

    def run(self):
        """Every operation, each from a state that the others have left; what of the specification that has reached."""
        self.epoch(0)
        self.infer()
        self.apply()
        refreshed = any(crossbar.counters["refreshes"] for crossbar in self.other.crossbars)
        self.write()
        self.epoch(1)
        self.apply()
        experiment, crossbars = self.experiment, self.other.crossbars
        cells = [cell for crossbar in crossbars for row in crossbar.cells for cell in row]
        reached = {
            experiment.update.rounding: True, experiment.update.residual: True, "batch": experiment.batch > 1,
            "read noise": bool(experiment.converters.read_noise), "refreshed while training": refreshed,
            "stuck": any(cell.stuck for cell in cells), "variation": any(cell.displacement for cell in cells),
        } | {name: any(crossbar.counters[name] for crossbar in crossbars) for name in reference.COUNTERS}
        return {name for name, happened in reached.items() if happened}


ALWAYS = {"threshold", "verified", "nominal", "batch", "read noise", *reference.COUNTERS} - {"failures", "refreshes"}


@pytest.mark.parametrize(("kind", "also"), [
    ("ideal", {"failures", "stuck"}),
    ("domain_wall", {"failures", "stuck", "variation"}),
    ("incremental", {"failures", "stuck", "variation"}),
    ("pcm_pair", {"failures", "stuck", "variation", "refreshes", "refreshed while training"}),
    ("mtj", {"failures", "stuck", "stochastic", "none"}),
])
def test_every_operation_equals_the_reference(kind, also):
    reached = set()
    for seed in range(20):
        try:
            reached |= Pair(random_experiment(Random(f"{kind} {seed}"), kind=kind), seed).run()
        except AssertionError as error:
            raise AssertionError(f"{kind}, seed {seed}: {error}") from error
    assert reached == ALWAYS | also, "the random experiments leave something out"


STOCHASTIC = {"device": {"kind": "mtj"}, "update": {"rounding": "stochastic", "residual": "none"}}


def quick(experiment, **sections):
    """``experiment`` with ``sections``, at the largest learning rate that it can have; None if it cannot have them."""
    for shift in range(32):
        try:
            changed = parse(experiment.model_dump() | {"learning_rate_shifts": [shift, shift + 1]} | sections, "quick")
            changed.precursor  # noqa: B018 - has other shifts, which may be out of bounds
            return changed
        except ConfigError:
            continue
    return None


def equal(actual, expected, when):
    assert actual.keys() == expected.keys()
    for name, array in actual.items():
        assert array.tolist() == expected[name], f"{when}: {name}"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_with_a_host_equals_the_reference(optimizer):
    pulses, reached = 0, set()
    for seed in range(12):
        random = Random(f"{optimizer} {seed}")
        host = {"optimizer": optimizer, "betas": (random.random(), 0.999), "epsilon": random.choice((1e-8, 0.1))}
        experiment = quick(random_experiment(random), host=host, batch=random.choice((1, 4, 5)),
                           **(STOCHASTIC if seed % 2 else {}))
        if experiment is None:
            continue
        network = Network(experiment)
        trainer, other = HostTrainer(network), reference.Host(reference.Network(experiment))
        xs, labels = random_samples(experiment, 14, seed)  # 14 samples: the last mini-batch has 1, 2, or 4
        for epoch in range(2):
            predictions = trainer.train_span(xs, labels, sample_order(experiment.seed, epoch, 14), range(14),
                                             experiment.learning_rate_shift(epoch))
            assert predictions.tolist() == other.train_epoch(xs.tolist(), labels.tolist(), epoch)
        equal(network.state() | trainer.state(), other.network.state() | other.state(), f"{optimizer}, seed {seed}")
        pulses += sum(crossbar.counters["attempts"] for crossbar in network.crossbars)
        reached.add(experiment.update.rounding)
    assert pulses > 100
    assert reached == {"threshold", "stochastic"}


@pytest.mark.parametrize("kind", list(KINDS))
def test_ex_situ_equals_the_reference(kind):
    compared = pulses = 0
    for seed in range(30):
        random = Random(f"{kind} {seed}")
        device = random_experiment(random, 1, kind).device
        precursor = {"kind": "ideal", "states": device.compile().states, "sub_bits": random.randint(1, 6)}
        experiment = quick(random_experiment(random, 2, "ideal"), device=device.model_dump(),
                           transfer={"precursor": precursor})
        if experiment is None:
            continue
        source, target = Network(experiment.precursor), Network(experiment)
        other, written = reference.Network(experiment.precursor), reference.Network(experiment)
        xs, labels = random_samples(experiment, 10, seed)
        other.train_epoch(xs.tolist(), labels.tolist(), 0)
        order = sample_order(experiment.seed, 0, 10)
        source.train_span(xs, labels, order, range(10), experiment.learning_rate_shift(0))
        transfer(source, target)
        written.write(other)
        equal(source.state(), other.state(), f"{kind}, seed {seed}, the precursor")
        equal(target.state(), written.state(), f"{kind}, seed {seed}, the written machine")
        compared += 1
        pulses += sum(crossbar.counters["attempts"] for crossbar in target.crossbars)
    assert compared >= 3
    assert pulses > 10


class Words:
    """An LFSR that draws the words given."""

    def __init__(self, words):
        self.words = torch.tensor(words)

    def draw(self, count):
        assert count == len(self.words)
        return self.words


@pytest.mark.parametrize(("chi_bits", "chi_frac"), [(4, 1), (12, 9), (16, 12), (24, 12), (24, 20), (24, 22)])
@pytest.mark.parametrize("device", [{"curve": "tanh"}, {"curve": "switching_time"}, {"pulse_bits": 3}])
def test_rounding_by_the_words_that_just_do_and_do_not_round_up(chi_bits, chi_frac, device):
    """Every bit of the probability, which random words would not show; on thresholds below and above the resolution
    within a segment."""
    experiment = parse({
        "input": {"count": 1}, "device": {"kind": "mtj"} | device,
        "update": {"rounding": "stochastic", "residual": "none"}, "learning_rate_shifts": [12],
        "layers": [{"cols": 1, "weight_step": 0, "z_frac": 4, "chi_bits": chi_bits, "chi_frac": chi_frac}],
    }, "test")
    other, [geometry], random = reference.Network(experiment).crossbars[0], experiment.crossbars, Random(chi_frac)
    top = 1 << geometry.chi_bits - 1
    asked = [-top, top - 1, 0, *(random.randint(-top, top - 1) for _ in range(500)),
             *(random.randint(-geometry.threshold, geometry.threshold) for _ in range(500))]
    asked = [max(-top, min(top - 1, v)) for v in asked]
    for past in (-1, 0):
        words = [max(0, min(0xFFFF, other.chance(abs(v) % geometry.threshold) + past)) for v in asked]
        rounder = StochasticRounder(geometry, Words(words))
        assert rounder.round(torch.tensor(asked)).tolist() == [other.rounded(v, w)
                                                               for v, w in zip(asked, words, strict=True)]


def test_every_kind_is_compared():
    [mark] = test_every_operation_equals_the_reference.pytestmark
    assert [kind for kind, _ in mark.args[1]] == list(KINDS)
