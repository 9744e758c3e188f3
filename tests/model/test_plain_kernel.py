"""The compiled kernel on networks so small that plain Python runs it too: mutants of it are run on these
(docs/mutants.md). Other tests compare the same with larger ones, compiled."""

from random import Random

import numba
import numpy as np
import pytest
from spinloom.config import parse
from spinloom.devices.kinds import KINDS
from spinloom.model.compiled import gradient, threads
from spinloom.model.compiled.crossbar import CompiledCrossbar
from spinloom.random_experiment import random_experiment

from . import test_compiled_crossbar
from .test_compiled import assert_compiled_equals_reference
from .test_compiled_crossbar import assert_equals_reference, assert_same_gradient
from .test_reference import quick

pytestmark = pytest.mark.skipif(not numba.config.DISABLE_JIT, reason="for the plugin spinloom.study.mutants.plain")

WIDE = {
    "dense": parse({
        "learning_rate_shifts": [0], "input": {"count": 20, "kind": "signed", "bits": 5},
        "device": {"kind": "domain_wall", "sigma": 0.2, "variation": 0.1}, "update": {"threshold": 0.25},
        "layers": [{"cols": 43, "bias": True, "weight_step": -3, "chi_frac": 6},
                   {"cols": 17, "neuron": "sigmoid", "weight_step": -3, "chi_frac": 6},
                   {"cols": 9, "weight_step": -3, "z_frac": 4, "chi_frac": 6}]}, "wide"),
    "convolutions": parse({
        "batch": 2, "learning_rate_shifts": [2], "input": {"map": [4, 3, 2]}, "update": {"threshold": 0.25},
        "device": {"kind": "incremental", "states": 17}, "converters": {"read_noise": 1.5},
        "layers": [{"kind": "conv", "cols": 33, "kernel": 2, "pool": [2, 1], "pool_stride": 1, "weight_step": -2,
                    "z_frac": 5, "delta_bits": 11, "delta_frac": 11, "bias": True},
                   {"cols": 10, "weight_step": -2, "z_frac": 4}]}, "wide"),
    "widths": parse({
        "loss": "squared_hinge", "learning_rate_shifts": [2], "input": {"count": 40, "bits": 12}, "init_spread": 64.0,
        "device": {"kind": "domain_wall", "states": 64, "sub_bits": 6, "sigma": 0.1},
        "layers": [{"cols": 40, "neuron": "hard_tanh", "activation_bits": 12, "z_bits": 12, "z_frac": 0,
                    "delta_bits": 16, "delta_frac": 15, "chi_bits": 24, "chi_frac": 12, "weight_step": -6},
                   {"cols": 9, "z_bits": 12, "z_frac": 4, "delta_bits": 16, "delta_frac": 15, "chi_bits": 24,
                    "chi_frac": 12, "weight_step": -4}]}, "wide"),
}

ROUNDING = parse({
    "learning_rate_shifts": [4], "input": {"count": 12, "kind": "signed", "bits": 5},
    "device": {"kind": "mtj", "curve": "switching_time"}, "update": {"rounding": "stochastic", "residual": "none"},
    "layers": [{"cols": 33, "weight_step": -2, "z_frac": 4, "chi_frac": 9}]}, "rounding")
"""Devices that round by a curve of which every part is used."""


def experiment(kind, seed):
    """Every other one has convolutions, and two of three are trained at their largest learning rate."""
    found = random_experiment(Random(f"plain {kind} {seed}"), kind=kind, convolutions=seed % 2 == 1, reads=True,
                              wires=True)
    return quick(found) if seed % 3 else found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_networks_give_the_same_bits(kind, seed):
    assert_compiled_equals_reference(experiment(kind, seed), seed, count=6)


@pytest.mark.parametrize("name", WIDE)
def test_wide_networks_give_the_same_bits(name):
    network = assert_compiled_equals_reference(WIDE[name], seed=1, count=4)
    assert all(crossbar.counters["attempts"] for crossbar in network.crossbars)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [4, 5])
def test_crossbars_give_the_same_bits(kind, seed, monkeypatch):
    """Samples are shared by threads, too."""
    monkeypatch.setattr(threads, "WORTH", 1)
    monkeypatch.setattr(threads.torch, "get_num_threads", lambda: 2)
    for geometry in experiment(kind, seed).crossbars:
        assert_equals_reference(geometry, seed, CompiledCrossbar, count=3)


@pytest.mark.parametrize("wide", [*WIDE.values(), ROUNDING], ids=[*WIDE, "rounding"])
def test_wide_crossbars_give_the_same_bits(wide):
    assert_equals_reference(wide.crossbars[0], 1, CompiledCrossbar, count=3)


@pytest.mark.parametrize("seed", range(6))
def test_gradients_have_the_same_bits(seed, monkeypatch):
    """Of several pieces that fit a cache or 32 bits, and shared by threads."""
    monkeypatch.setattr(threads, "WORTH", 1)
    monkeypatch.setattr(threads.torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(gradient, "CACHED", (40, 1 << 13)[seed % 2])
    for geometry in (*experiment("domain_wall", seed).crossbars, *WIDE["dense"].crossbars, *WIDE["widths"].crossbars):
        assert_same_gradient(geometry, seed, count=30 if geometry.positions == 1 else 5)


@pytest.mark.parametrize("largest", [np.max, np.min])
@pytest.mark.parametrize("cols", [112, 113])
def test_largest_sums_have_the_same_bits(cols, largest):
    test_compiled_crossbar.test_largest_sums_have_the_same_bits(70, 12, cols, largest)
