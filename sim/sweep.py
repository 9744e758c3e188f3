"""Random small experiments: what design and golden model are compared on."""

from random import Random

from ..config import Experiment, parse
from ..contract.geometry import ConfigError, divisors

_TRIES = 10_000


def random_experiment(random: Random, layers: int | None = None) -> Experiment:
    """A valid experiment of ``layers`` (else 1 to 3) layers with few rows and columns, drawn over every field of
    the configuration, extreme widths included."""
    count = layers or random.randint(1, 3)
    for _ in range(_TRIES):
        try:
            return parse(_document(random, count), "sweep")
        except ConfigError:
            continue  # a derived shift or width is out of bounds: draw again
    raise RuntimeError(f"no valid experiment of {count} layers in {_TRIES} draws")


def _extreme(random: Random, low: int, high: int) -> int:
    """A number in ``low`` .. ``high``; each end with a probability of at least 1/6."""
    return random.choice((low, high, *(random.randint(low, high) for _ in range(4))))


def _document(random: Random, count: int) -> dict:
    states = random.choice((2, 3, 5))
    sub_bits = _extreme(random, 1, 6)
    device = {"kind": random.choice(("ideal", "domain_wall")), "states": states, "sub_bits": sub_bits}
    if device["kind"] == "domain_wall":
        widest = min(0.6, 15.9 / (1 << sub_bits))
        device["sigma"] = [random.uniform(0, widest) for _ in range(states)]
        device["offset"] = [random.uniform(-0.4, 0.4) for _ in range(states)]
    lowest_rate = random.randint(0, 8)
    kind = random.choice(("unsigned", "signed", "ternary"))
    return {
        "seed": random.getrandbits(32),
        "batch": random.choice((1, 1, 2, 3)),
        "learning_rate_shifts": [lowest_rate + random.choice((0, 0, 1, 4, 15)) for _ in range(random.randint(1, 3))],
        "init_spread": random.choice((0.5, 1.0, 2.0)),
        "loss": random.choice(("cross_entropy", "squared_hinge")),
        "input": {"count": _extreme(random, 1, 17), "kind": kind, "bits": _extreme(random, 2, 12)},
        "device": device,
        "update": {"threshold": random.choice((0.25, 0.5, 1.0, 1.7)),
                   "residual": random.choice(("verified", "nominal"))},
        "write": {"margin": random.choice((0.0, 0.25, 0.5)), "max_attempts": random.choice((1, 3, 16))},
        "layers": [_layer(random, last=index == count - 1) for index in range(count)],
    }


def _layer(random: Random, last: bool) -> dict:
    cols = _extreme(random, 1, 12)
    lanes = random.choice(divisors(cols))
    z_bits, delta_bits = _extreme(random, 2, 12), _extreme(random, 2, 16)
    return {
        "cols": cols,
        "lanes": lanes,
        "adcs": random.choice(divisors(lanes)),
        "bias": random.random() < 0.5,
        "neuron": None if last else random.choice(("relu", "sigmoid", "hard_tanh", "ternary")),
        "activation_bits": _extreme(random, 1, 12),
        "weight_step": random.randint(-8, 1),
        "z_bits": z_bits,
        "z_frac": random.randint(0, z_bits - 1),
        "delta_bits": delta_bits,
        "delta_frac": random.randint(0, delta_bits - 1),
        "chi_bits": _extreme(random, 4, 24),
        "chi_frac": random.randint(1, 20),
    }
