"""The golden model against the independent implementation of the specification: every operation, on random experiments
of every kind of device."""

from collections import Counter
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
from torch.nn.functional import conv2d, max_pool2d

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
        cells = [part for crossbar in crossbars for row in crossbar.cells for cell in row
                 for part in getattr(cell, "parts", [cell])]
        reached = {
            experiment.update.rounding: True, experiment.update.residual: True, "batch": experiment.batch > 1,
            "read noise": bool(experiment.converters.read_noise), "refreshed while training": refreshed,
            "several devices": bool(experiment.synapse), "failed": any(cell.life == 0 for cell in cells),
            "relaxing": bool(experiment.device.retention),
            "stuck": any(cell.stuck for cell in cells), "variation": any(cell.displacement for cell in cells),
        } | converters(crossbars)
        reached |= {name: any(crossbar.counters.get(name) for crossbar in crossbars) for name in reference.COUNTERS}
        return {name for name, happened in reached.items() if happened}


def converters(crossbars):
    """Which converters of ``crossbars``, those of references, are not ideal, and how."""
    return {"offset": any(any(crossbar.offsets) for crossbar in crossbars),
            "gain": any(any(crossbar.gains) for crossbar in crossbars),
            "nonlinearity": any(any(crossbar.inl) for crossbar in crossbars),
            "wires": any(crossbar.factors for crossbar in crossbars),
            "row DAC": any(crossbar.row_dac and crossbar.x_width > crossbar.row_dac for crossbar in crossbars
                           if crossbar.x_width),
            "column DAC": any(crossbar.column_dac and crossbar.layer.delta_bits > crossbar.column_dac
                              for crossbar in crossbars)}


ALWAYS = {"threshold", "verified", "nominal", "batch", "read noise", "failed", "relaxing", *converters([]),
          *reference.COUNTERS} - {"failures", "refreshes"}
KINDS_REACH = [
    ("ideal", {"failures", "stuck", "several devices"}),
    ("domain_wall", {"failures", "stuck", "variation", "several devices"}),
    ("incremental", {"failures", "stuck", "variation", "several devices"}),
    ("pcm_pair", {"failures", "stuck", "variation", "refreshes", "refreshed while training"}),
    ("mtj", {"failures", "stuck", "stochastic", "none", "several devices"}),
    ("measured", {"failures", "stuck", "variation", "several devices"}),
]


def compared(experiment, seed, name):
    """What of the specification a comparison of ``experiment`` has reached."""
    try:
        return Pair(experiment, seed).run()
    except AssertionError as error:
        raise AssertionError(f"{name}, seed {seed}: {error}") from error


@pytest.mark.parametrize(("kind", "also"), KINDS_REACH)
def test_every_operation_equals_the_reference(kind, also):
    reached = set()
    for seed in range(20):
        reached |= compared(random_experiment(Random(f"{kind} {seed}"), kind=kind, wires=True), seed, kind)
    assert reached == ALWAYS - {"product_rows"} | also, "the random experiments leave something out"


CONVOLUTIONS = range(16)


def convolutions(kind, number):
    """Random network ``number`` with convolutions and devices of ``kind``; every other one at its largest learning
    rate."""
    experiment = random_experiment(Random(f"{kind} {number}"), kind=kind, convolutions=True, wires=True)
    return quick(experiment) if number % 2 else experiment


@pytest.mark.parametrize(("kind", "also"), KINDS_REACH)
def test_every_operation_of_convolutions_equals_the_reference(kind, also):
    reached = set()
    for number in CONVOLUTIONS:
        reached |= compared(convolutions(kind, number), number, f"convolutions, {kind}")
    assert reached == ALWAYS | also, "the random experiments leave something out"


def test_convolutions_occur_in_every_way():
    found = set()
    for kind in KINDS:
        for number in CONVOLUTIONS:
            experiment = convolutions(kind, number)
            layers = experiment.layers
            for index, (layer, window) in enumerate(zip(layers, reference.windows(experiment), strict=True)):
                found |= ways(layer, window)
                found |= {(layer.kind, "behind", layers[index - 1].kind if index else "nothing")}
                found |= {(layer.kind, "last")} if layer is layers[-1] else set()
    kinds = {"dense", "conv"}
    assert found == {
        "kernel 1", "kernel 7", "kernel not square", "stride", "padding", "drops cells", "one position", "pools",
        "pools overlap", "drops outputs", "odd map", "rate offset", *((kind, "last") for kind in kinds),
        *((kind, "behind", before) for kind in kinds for before in ("nothing", *kinds))}


def ways(layer, window):
    """What there is to say of a layer and its ``reference.Window``."""
    if layer.kind == "dense":
        return set()
    driven = {q for cells in window.cells for q in cells}
    pooled = [p for column, places in window.pooled if column == 0 for p in places]
    return {name for name, occurs in {
        "kernel 1": layer.kernel == (1, 1), "kernel 7": 7 in layer.kernel,
        "kernel not square": layer.kernel[0] != layer.kernel[1], "stride": max(layer.stride) > 1,
        "padding": None in driven, "drops cells": len(driven - {None}) < window.map_cells,
        "one position": window.positions == 1, "pools": window.shape[0] * window.shape[1] < window.positions,
        "pools overlap": len(pooled) > len(set(pooled)), "drops outputs": len(set(pooled)) < window.positions,
        "odd map": window.shape[0] % 2 and window.shape[1] % 2 and window.shape[:2] != (1, 1),
        "rate offset": layer.rate_offset != 0,
    }.items() if occurs}


@pytest.mark.parametrize("number", CONVOLUTIONS)
def test_windows_and_winners_of_the_reference_are_those_of_pytorch(number):
    """What the specification calls a convolution is one, to others too: output, pooling, and where gradients go."""
    experiment, random = convolutions("ideal", number), np.random.default_rng(number)
    for layer, crossbar in zip(experiment.layers, reference.Network(experiment).crossbars, strict=True):
        if layer.kind == "dense":
            continue
        window, (height, width) = crossbar.window, layer.kernel
        side, channels = window.map_shape[:2], window.map_shape[2]
        x, g = random.integers(-9, 10, window.map_cells), random.integers(-9, 10, (window.inputs, layer.cols))
        image = torch.tensor(x.reshape(1, *side, channels), dtype=torch.float64).movedim(3, 1).requires_grad_()
        kernel = torch.tensor(g.reshape(height, width, channels, -1), dtype=torch.float64)
        kernel = kernel.movedim((3, 2), (0, 1)).contiguous().requires_grad_()
        sums = conv2d(image, kernel, stride=layer.stride, padding=layer.padding)
        pool, step = layer.pool or (1, 1), layer.pool_stride or layer.pool or (1, 1)
        pooled, places = max_pool2d(sums, pool, step, return_indices=True)
        z = [(np.array(window.seen(x, p)) @ g).tolist() for p in range(window.positions)]
        outputs, winners = window.pool(z)
        assert z == flat(sums).reshape(-1, layer.cols).tolist()
        assert (outputs, winners) == (flat(pooled).tolist(), flat(places).tolist())

        delta = random.integers(-3, 4, len(outputs)) * (random.random(len(outputs)) < 0.5)
        loss = (flat(pooled) * torch.tensor(delta)).sum()
        for_image, for_kernel = torch.autograd.grad(loss, (image, kernel))
        d = np.zeros((window.positions, layer.cols), dtype=int)
        np.add.at(d, (winners, [c for c, _ in window.pooled]), delta)
        crossbar.conductances, crossbar.bias = g.tolist, []
        crossbar.factors = crossbar.column_dac = None
        assert crossbar.row_sums(d.tolist()) == flat(for_image).tolist()
        gradient = crossbar.products(x.tolist(), d.tolist())
        assert for_kernel.movedim((0, 1), (3, 2)).reshape(g.shape).tolist() == [
            gradient.get(r, [0] * layer.cols) for r in range(window.inputs)]


def flat(image):
    """PyTorch's (1, channels, height, width) in the order of the cells of a map."""
    return image.movedim(1, 3).reshape(-1)


def network(side, *layers, **fields):
    """A network on a map of ``side``, on devices that are programmed early, at a high learning rate."""
    layers = [{"weight_step": -2, "z_frac": 6, "chi_bits": 12, "chi_frac": 8} | layer for layer in layers]
    return parse({"input": {"map": side, "kind": "signed", "bits": 6}, "device": {"kind": "domain_wall", "states": 5},
                  "learning_rate_shifts": [1], "update": {"threshold": 0.5}, "layers": layers} | fields, "corner")


LAST = {"cols": 3}
CORNERS = {
    "pools overlap, and the sums of winners saturate": network(
        (6, 5, 2), {"kind": "conv", "cols": 2, "kernel": 2, "pool": 3, "pool_stride": 1, "delta_bits": 4},
        {"cols": 4, "weight_step": 1}, LAST),
    "many outputs are equal": network(
        (6, 6, 1), {"kind": "conv", "cols": 3, "kernel": 3, "pool": 2, "z_bits": 2, "z_frac": 0},
        {"cols": 3, "z_frac": 3}, learning_rate_shifts=[2]),
    "more padding than map": network(
        (1, 2, 3), {"kind": "conv", "cols": 4, "kernel": (3, 5), "padding": (2, 4)},
        {"kind": "conv", "cols": 2, "kernel": (3, 6)}, LAST),
    "steps larger than windows": network(
        (7, 8, 1), {"kind": "conv", "cols": 4, "kernel": 1, "stride": (3, 2), "pool": 1, "pool_stride": 2,
                    "drop": True}, LAST),
    "a stride of pools of one place": network(
        (5, 5, 1), {"kind": "conv", "cols": 3, "kernel": 2, "pool": 1, "pool_stride": (3, 2), "drop": True}, LAST),
    "pooling to the outputs": network(
        (5, 4, 2), {"kind": "conv", "cols": 3, "kernel": 2},
        {"kind": "conv", "cols": 5, "kernel": 2, "pool": (3, 2)}, loss="squared_hinge"),
    "a map that no convolution sees": network((3, 2, 2), {"cols": 6, "map": (3, 2, 1), "bias": True}, LAST),
    "a convolution at one position": network(
        (2, 3, 2), {"kind": "conv", "cols": 5, "kernel": (2, 3), "bias": True},
        {"kind": "conv", "cols": 3, "kernel": 1}),
    "dense, convolution, dense, convolution": network(
        (2, 2, 2), {"cols": 12, "map": (3, 4, 1)}, {"kind": "conv", "cols": 3, "kernel": 2, "padding": 1},
        {"cols": 9, "map": (3, 3, 1), "rate_offset": -1}, {"kind": "conv", "cols": 3, "kernel": 2, "pool": 2}),
    "mini-batches, read noise and a bias": network(
        (4, 4, 1), {"kind": "conv", "cols": 3, "kernel": 3, "padding": 1, "bias": True, "rate_offset": 2, "pool": 2},
        {"cols": 4, "neuron": "sigmoid"}, LAST, batch=3, converters={"read_noise": 2.0}),
}


@pytest.mark.parametrize("corner", CORNERS)
def test_corners_equal_the_reference(corner):
    reached = Pair(CORNERS[corner], 1).run()
    assert {"attempts", "update_rows", "backward_rows"} <= reached


STOCHASTIC = {"device": {"kind": "mtj"}, "update": {"rounding": "stochastic", "residual": "none"}, "synapse": None}


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
    for seed in range(16):
        random = Random(f"{optimizer} {seed}")
        host = {"optimizer": optimizer, "betas": (random.random(), 0.999), "epsilon": random.choice((1e-8, 0.1))}
        experiment = quick(random_experiment(random, convolutions=seed % 4 > 1), host=host,
                           batch=random.choice((1, 4, 5)), **(STOCHASTIC if seed % 2 else {}))
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
        reached.add((experiment.update.rounding, any(layer.kind == "conv" for layer in experiment.layers)))
    assert pulses > 50
    assert reached == {(rounding, conv) for rounding in ("threshold", "stochastic") for conv in (False, True)}


@pytest.mark.parametrize("kind", list(KINDS))
def test_ex_situ_equals_the_reference(kind):
    compared, pulses = Counter(), 0
    for seed in range(30):
        random = Random(f"{kind} {seed}")
        device = random_experiment(random, 1, kind).device
        synapse = {"slices": [2, 1]} if seed % 3 == 0 and kind != "pcm_pair" else None
        states = 1 + (device.compile().states - 1) * (3 if synapse else 1)
        precursor = {"kind": "ideal", "states": states, "sub_bits": random.randint(1, 6)}
        around = random_experiment(random, 2, "ideal", convolutions=seed % 2 == 1)
        experiment = next(filter(None, (  # the half-life may not suit these arrays
            quick(around, device=device.model_dump(exclude=unfit), synapse=synapse, transfer={"precursor": precursor})
            for unfit in (set(), {"retention"}))), None)
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
        compared[seed % 2] += 1
        pulses += sum(crossbar.counters["attempts"] for crossbar in target.crossbars)
    assert min(compared[0], compared[1]) >= 3
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
