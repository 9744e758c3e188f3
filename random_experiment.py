"""Random small experiments: what golden model and RTL are compared on."""

from random import Random
from typing import Any

from .config import Experiment, Input, parse
from .contract.formats import ActivationFormat, derivative_format, neuron_format
from .contract.geometry import Loss, Neuron
from .contract.widths import divisors
from .devices.kinds import KINDS, random_section
from .devices.random_figures import extreme

LARGEST_RATE_SHIFT = 16
"""Largest shift of the first learning rate; the others are up to 15 more."""


def random_experiment(random: Random, layers: int | None = None, kind: str | None = None) -> Experiment:
    """An experiment of ``layers`` (else 1 to 3) layers with few rows and columns, on devices of ``kind`` (else of any).

    Every field of the configuration is drawn, extreme widths included. A shift that would come out negative is mended
    by a smaller weight step, a finer error, a smaller learning rate or a coarser residual; it is then 0.
    """
    count = layers or random.randint(1, 3)
    return parse(_document(random, count, kind or random.choice(list(KINDS))), "random")


def _document(random: Random, count: int, kind: str) -> dict[str, Any]:
    device = random_section(random, kind)
    stochastic = device.get("curve") is not None and random.random() < 0.5
    loss: Loss = random.choice(("cross_entropy", "squared_hinge"))
    given = {"count": extreme(random, 1, 17), "kind": random.choice(("unsigned", "signed", "ternary")),
             "bits": extreme(random, 2, 12)}
    layers = _layers(random, count, device["sub_bits"], loss, Input.model_validate(given).format)
    lowest_rate = max(random.choice((0, random.randint(0, 8))), *(layer.pop("rate") for layer in layers))
    return {
        "seed": random.getrandbits(32),
        "batch": random.choice((1, 1, 1, 2, 3, 5)),
        "learning_rate_shifts": [lowest_rate + random.choice((0, 0, 1, 2, 4, 15))
                                 for _ in range(random.randint(1, 3))],
        "init_spread": random.choice((0.5, 1.0, 2.0, 64.0)),
        "loss": loss,
        "input": given,
        "device": device,
        "update": {"rounding": "stochastic", "residual": "none", "threshold": random.choice((0.25, 0.5, 1.0))}
        if stochastic else {"threshold": random.choice((0.25, 0.3, 0.5, 1.0, 1.7)),
                            "residual": random.choice(("verified", "nominal"))},
        "write": {"margin": random.choice((0.0, 0.25, 0.5)), "max_attempts": random.choice((1, 2, 3, 5, 16))},
        "converters": {"read_noise": random.choice((0.0, 0.0, random.uniform(0, 3), 63.9))},
        "layers": layers,
    }


def _layers(random: Random, count: int, sub_bits: int, loss: Loss, x: ActivationFormat) -> list[dict[str, Any]]:
    """The layers behind inputs of the format ``x``, on devices of ``sub_bits``. ``rate`` of each is the smallest shift
    of the learning rate that it allows."""
    layers: list[dict[str, Any]] = []
    source: Neuron | None = None
    for index in range(count):
        last = index == count - 1
        layer = _layer(random, sub_bits, last, loss)
        # adc_shift, error_shift and update_shift of arithmetic 4 must not be negative.
        layer["weight_step"] = min(layer["weight_step"], x.frac + sub_bits - layer["z_frac"])
        if source is not None:
            least = layers[-1]["delta_frac"] + layer["weight_step"] - sub_bits - derivative_format(source)[1]
            layer["delta_frac"] = max(layer["delta_frac"], least)
            layer["delta_bits"] = max(layer["delta_bits"], layer["delta_frac"] + 1)
        product_frac = x.frac + layer["delta_frac"] + layer["weight_step"]
        layer["chi_frac"] = min(layer["chi_frac"], product_frac + LARGEST_RATE_SHIFT)
        layer["rate"] = max(layer["chi_frac"] - product_frac, 0)
        layers.append(layer)
        source = layer["neuron"]
        if source is not None:
            x = neuron_format(source, layer["activation_bits"], layer["z_frac"])
    return layers


def _layer(random: Random, sub_bits: int, last: bool, loss: Loss) -> dict[str, Any]:
    cols = extreme(random, 1, 12)
    lanes = random.choice(divisors(cols))
    neuron = None if last else random.choice(("relu", "sigmoid", "hard_tanh", "ternary"))
    z_bits, delta_bits = extreme(random, 2, 12), extreme(random, 2, 16)
    chi_bits = extreme(random, max(4, sub_bits + 2), 24)
    return {
        "cols": cols,
        "lanes": lanes,
        "adcs": random.choice(divisors(lanes)),
        "bias": random.random() < 0.5,
        "neuron": neuron,
        "activation_bits": extreme(random, 2 if neuron == "hard_tanh" else 1, 12),
        "weight_step": random.randint(-8, 1),
        "z_bits": z_bits,
        "z_frac": random.randint(1 if neuron == "ternary" else 0, z_bits - 1),
        "delta_bits": delta_bits,
        "delta_frac": random.randint(1 if last and loss == "cross_entropy" else 0, delta_bits - 1),
        "chi_bits": chi_bits,
        "chi_frac": random.randint(sub_bits, min(chi_bits - 2, 22)),
        "ports": random.choice((2, 2, 1)),
    }
