"""Neurons against their definitions: drawn ones by how often they fire, all others at every output."""

import math

import numpy as np
import pytest
import torch
from spinloom.config import parse
from spinloom.contract.lfsr import initial_state, initial_states
from spinloom.model.lfsr import Lfsr
from spinloom.model.network import Network
from spinloom.model.neuron import Neuron

EVERY_WORD = torch.arange(1 << 16)


class EveryWord:
    """In the place of an LFSR: draws every word once, in each row."""

    def draw(self, count):
        return EVERY_WORD.repeat(count // len(EVERY_WORD))


def experiment(**fields):
    return parse({"seed": 5, "input": {"count": 4}, "device": {"kind": "ideal"}, "layers": [
        {"cols": 6, "neuron": "stochastic", "z_bits": 6, "z_frac": 3}, {"cols": 3, "z_frac": 4, "rate_offset": 8},
    ]} | fields, "test")


def neuron(z_bits, z_frac, **kind):
    layers = [{"cols": 6, "neuron": "stochastic", "z_bits": z_bits, "z_frac": z_frac} | kind,
              {"cols": 3, "z_frac": 4, "rate_offset": 8}]
    return Neuron(*experiment(layers=layers).crossbars)


def relu(z, frac, bits):
    x = min(max(z, 0), 2**bits - 1)
    return x, x != 0


def hard_tanh(z, frac, bits):
    x = min(max(z, -2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return x, x == z


def ternary(z, frac, bits):
    x = 1 if z >= 2**frac else -1 if z <= -2**frac else 0
    return x, 2 ** (frac - 1) < abs(z) < 2**frac + 2 ** (frac - 1)


def sigmoid(z, frac, bits):
    s = 1 / (1 + math.exp(-z / 2**frac))
    return math.floor((2**bits - 1) * s + 0.5), math.floor(s * (1 - s) * 512 + 0.5)


@pytest.mark.parametrize("bits", [2, 5])
@pytest.mark.parametrize("frac", [1, 3])
@pytest.mark.parametrize("kind", [relu, hard_tanh, ternary, sigmoid], ids=lambda kind: kind.__name__)
def test_every_output_becomes_what_the_definition_says(kind, frac, bits):
    """Those of an ADC of 7 bits (arithmetic 5.2)."""
    z = torch.arange(-64, 64)
    x, y = neuron(7, frac, neuron=kind.__name__, activation_bits=bits)(z)
    assert list(zip(x.tolist(), y.tolist(), strict=True)) == [kind(value, frac, bits) for value in z.tolist()]


@pytest.mark.parametrize(("z_bits", "z_frac"), [(2, 0), (6, 3), (8, 4)])
def test_over_all_words_it_fires_as_often_as_the_logistic_function_says(z_bits, z_frac):
    z = torch.arange(-(1 << z_bits - 1), 1 << z_bits - 1)
    x, y = neuron(z_bits, z_frac)(z[:, None].expand(-1, len(EVERY_WORD)), EveryWord())
    logistic = 1 / (1 + np.exp(-z.numpy() / 2**z_frac))
    assert x.sum(dim=1).tolist() == np.floor(logistic * ((1 << 16) - 1) + 0.5).tolist()
    assert y[:, 0].tolist() == np.floor(logistic * (1 - logistic) * 512 + 0.5).tolist()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("z", [-32, -9, 0, 4, 20])
def test_drawn_it_fires_as_often_and_neighbours_do_not_matter(z, seed):
    """100,000 draws, within five standard deviations."""
    x, _ = neuron(6, 3)(torch.full((1000, 100), z), Lfsr(initial_state(seed, 0)))
    p = 1 / (1 + math.exp(-z / 8))
    fired = x.double().numpy()
    error = math.sqrt(p * (1 - p))
    assert abs(fired.mean() - p) <= 2**-16 + 5 * error / math.sqrt(fired.size)
    together = (fired[:, :-1] * fired[:, 1:]).mean()
    assert abs(together - p * p) <= 2**-15 + 5 * math.sqrt(p * p * (1 - p * p) * 3 / fired[:, 1:].size)


def test_words_are_drawn_sample_by_sample_and_evaluation_draws_none():
    network, alone = Network(experiment()), Network(experiment())
    start = network.state()
    xs = torch.randint(0, 256, (5, 4), generator=torch.Generator().manual_seed(1))
    predictions = network.predict(xs)
    assert all((network.state()[name] == value).all() for name, value in start.items())
    assert predictions.tolist() == [alone.infer(x) for x in xs]
    lfsr = Lfsr(initial_states(5, network.crossbars[1].geometry)["neuron_lfsr"])
    lfsr.draw(5 * 6)
    assert alone.state()["layer1_neuron_lfsr"] == lfsr.state


def test_a_machine_without_them_has_no_such_lfsr():
    layers = [{"cols": 6}, {"cols": 3, "z_frac": 4}]
    assert [name for name in Network(experiment(layers=layers)).state() if "neuron" in name] == []
