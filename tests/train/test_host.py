import numpy as np
import pytest
import torch
from spinloom import config
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.model.network import Network
from spinloom.train import data, float_probability
from spinloom.train import loop as train
from spinloom.train.host import HostTrainer


def experiment(optimizer="adam", **fields):
    return config.parse({
        "epochs": 4, "batch": 20, "learning_rate_shifts": [3, 4], "loss": "squared_hinge", "input": {"count": 64},
        "device": {"kind": "mtj", "states": 3}, "update": {"rounding": "stochastic", "residual": "none"},
        "host": {"optimizer": optimizer},
        "layers": [{"cols": 24, "neuron": "ternary", "weight_step": -2, "z_bits": 12, "z_frac": 6, "chi_frac": 9},
                   {"cols": 10, "weight_step": -2, "z_frac": 3, "delta_frac": 7, "chi_frac": 7}],
    } | fields, "hosted")


def samples(experiment, count):
    train_set = data.load(experiment).train
    return data.drive(train_set.images[:count], experiment.input.format).to(torch.int64), train_set.labels[:count]


def test_gradients_are_those_of_the_machine():
    """Without an optimiser of its own, the host asks for what the machine would have accumulated sample by sample, but
    for the rounding of each product: for the last layer, whose errors both compute alike."""
    small = experiment("sgd")
    xs, labels = samples(small, 20)
    network = Network(small)
    _, levels = HostTrainer(network).levels(xs, labels, 3)
    machine = Network(small)
    for x, label in zip(xs, labels, strict=True):
        machine.train(x, int(label), 3, program=False)
    for crossbar, dw in zip(machine.crossbars, levels, strict=True):
        accumulated = crossbar.accumulator.chi.double() / 2**crossbar.geometry.chi_frac
        # each of the 20 products is rounded to the nearest unit of the residual
        assert (accumulated - 20 * dw).abs().max() <= 20 * 0.5 / 2**crossbar.geometry.chi_frac
        assert dw.abs().max() > 0


def test_adam_is_that_of_pytorch():
    small = experiment()
    network = Network(small)
    host = HostTrainer(network)
    torch.manual_seed(1)
    weight = torch.zeros((64, 24), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=1.0)
    total = torch.zeros_like(weight)
    for _ in range(5):
        gradient = torch.randn((64, 24), dtype=torch.float64)
        weight.grad = gradient.clone()
        optimizer.step()
        host._steps += 1
        total -= host._step(0, gradient)
        assert torch.allclose(total, weight.detach(), rtol=1e-9, atol=1e-12)


def test_it_classifies_and_counts_as_the_machine():
    small = experiment()
    xs, labels = samples(small, 20)
    network, machine = Network(small), Network(small)
    predictions, increments = HostTrainer(network).increments(xs, labels, 3)
    assert predictions.tolist() == [machine.infer(x) for x in xs]
    expected, actual = machine.state(), network.state()
    assert all((expected[name] == actual[name]).all() for name in expected)
    for crossbar, dw in zip(network.crossbars, increments, strict=True):
        assert dw.dtype == torch.int64
        assert dw.shape == crossbar.g.shape


def test_an_increment_beyond_any_integer_saturates_in_its_direction():
    small = experiment(host={"betas": [0.9, 0.0], "epsilon": 1e-300})  # a gradient that was not zero, and then is
    xs, labels = samples(small, 20)
    host = HostTrainer(Network(small))
    host.increments(xs, labels, 3)
    host._gradients = lambda *_: ([torch.zeros_like(mean) for mean in host._mean], np.zeros(20, dtype=np.int64))
    _, increments = host.increments(xs, labels, 3)
    for crossbar, dw, mean in zip(host.network.crossbars, increments, host._mean, strict=True):
        limit = 1 << crossbar.geometry.chi_bits - 1
        assert (mean > 0).any()
        assert (mean < 0).any()
        assert (dw[mean > 0] == -limit).all()
        assert (dw[mean < 0] == limit - 1).all()


def test_it_learns_like_exact_probabilities(tmp_path):
    accuracies = {"machine": [], "floating": []}
    for seed in (1, 2, 3):
        small = experiment(seed=seed)
        accuracies["machine"].append(train.run(small, out=tmp_path / str(seed), baseline=False,
                                               progress=False).test_accuracy)
        accuracies["floating"].append(float_probability.accuracy(small, data.load(small)))
    means = {name: np.mean(values) for name, values in accuracies.items()}
    assert min(means.values()) > 60
    # 360 test samples: a standard deviation of about 2 % for one run, 1.6 % for the difference of means of three
    assert abs(means["machine"] - means["floating"]) < 8, accuracies


def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, monkeypatch):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    train.run(experiment(), out=whole, samples=130, baseline=False, progress=False)
    monkeypatch.setattr(train, "CHUNK_SECONDS", 0)
    original, calls = HostTrainer.train_span, 0

    def train_span(host, xs, labels, order, span, rate):
        nonlocal calls
        calls += 1
        if calls == 9:
            raise InterruptedRunError("killed")
        assert span.start % 20 == 0
        return original(host, xs, labels, order, span, rate)

    with monkeypatch.context() as patch:
        patch.setattr(HostTrainer, "train_span", train_span)
        patch.setattr(train, "CHECKPOINT_SECONDS", -1)
        with pytest.raises(InterruptedRunError):
            train.run(experiment(), out=torn, samples=130, baseline=False, progress=False)
    train.run(None, resume=torn, baseline=False, progress=False)
    with np.load(whole / "state.npz") as a, np.load(torn / "state.npz") as b:
        assert set(a) == set(b)
        assert {"host_steps", "host_mean0", "host_square1"} <= set(a)
        assert all((a[name] == b[name]).all() for name in a)


def test_a_state_without_its_optimiser_is_refused(tmp_path):
    train.run(experiment(), out=tmp_path, samples=20, baseline=False, progress=False)
    with np.load(tmp_path / "state.npz") as file:
        state = {name: array for name, array in file.items() if name != "host_mean1"}
    np.savez(tmp_path / "state.npz", **state)
    with pytest.raises(ConfigError, match="state.npz: cannot be loaded: .*host_mean1"):
        train.run(None, resume=tmp_path, baseline=False, progress=False)
