"""Random small experiments: what design and golden model are compared on."""

from random import Random

from ..config import Experiment, parse
from ..contract.errors import ConfigError
from ..contract.widths import divisors
from ..devices.specification import KINDS

_TRIES = 10_000


def random_experiment(random: Random, layers: int | None = None, kind: str | None = None) -> Experiment:
    """A valid experiment of ``layers`` (else 1 to 3) layers with few rows and columns on devices of ``kind`` (else of
    any), drawn over every field of the configuration, extreme widths included."""
    count = layers or random.randint(1, 3)
    for _ in range(_TRIES):
        try:
            return parse(_document(random, count, kind or random.choice(list(KINDS))), "sweep")
        except ConfigError:
            continue  # a derived shift or width is out of bounds: draw again
    raise RuntimeError(f"no valid experiment of {count} layers in {_TRIES} draws")


def _extreme(random: Random, low: int, high: int) -> int:
    """A number in ``low`` .. ``high``; each end with a probability of at least 1/6."""
    return random.choice((low, high, *(random.randint(low, high) for _ in range(4))))


def _document(random: Random, count: int, kind: str) -> dict:
    device = _device(random, kind)
    stochastic = device.get("curve") is not None and random.random() < 0.5
    lowest_rate = random.randint(0, 8)
    return {
        "seed": random.getrandbits(32),
        "batch": random.choice((1, 1, 2, 3)),
        "learning_rate_shifts": [lowest_rate + random.choice((0, 0, 1, 4, 15)) for _ in range(random.randint(1, 3))],
        "init_spread": random.choice((0.5, 1.0, 2.0, 64.0)),
        "loss": random.choice(("cross_entropy", "squared_hinge")),
        "input": {"count": _extreme(random, 1, 17), "kind": random.choice(("unsigned", "signed", "ternary")),
                  "bits": _extreme(random, 2, 12)},
        "device": device,
        "update": {"rounding": "stochastic", "residual": "none", "threshold": random.choice((0.25, 0.5, 1.0))}
        if stochastic else {"threshold": random.choice((0.25, 0.5, 1.0, 1.7)),
                            "residual": random.choice(("verified", "nominal"))},
        "write": {"margin": random.choice((0.0, 0.25, 0.5)), "max_attempts": random.choice((1, 3, 16))},
        "converters": {"read_noise": random.choice((0.0, 0.0, random.uniform(0, 3), 63.9))},
        "layers": [_layer(random, last=index == count - 1) for index in range(count)],
    }


def _device(random: Random, kind: str) -> dict:
    sub_bits, states = _extreme(random, 1, 6), random.choice((2, 3, 5))
    widest = 1023 / (1 << sub_bits + 4)  # levels: the end of the noise tables
    noise = min(0.6, widest)

    def figures(low: float, high: float, number: int):
        """One figure, or ``number``."""
        values = [random.uniform(low, high) for _ in range(number)]
        return random.choice((values, values[0]))

    device = {"kind": kind, "sub_bits": sub_bits}
    if kind != "ideal":
        device["stuck"] = random.choice((0.0, 0.0, 0.2))
    if kind not in ("ideal", "mtj"):
        device["variation"] = random.choice((0.0, 0.0, random.uniform(0, noise), widest))
    match kind:
        case "ideal":
            return device | {"states": states}
        case "domain_wall":
            return device | {"states": states, "sigma": figures(0, noise, states), "offset": figures(-0.4, 0.4, states)}
        case "incremental":
            states = random.choice((2, 3, 9, 64))
            reach = min(2.0, (states - 1) / 2)
            return device | {"states": states, **{
                f"{direction}_{name}": figures(low, high, random.randint(1, 5)) for direction in ("up", "down")
                for name, low, high in (("mean", -0.2, reach), ("sigma", 0, noise))}}
        case "pcm_pair":
            level = random.uniform(0.2, 2)
            return device | {
                "level": level, "g_max": level * _extreme(random, 2, 20), "step_mean": [level, random.uniform(-0.1, 0)],
                "step_sigma": [noise * level, 0.0], "refresh_high": random.choice((0.0, 0.5, 0.75)),
                "refresh_low": random.choice((0.0, 0.25))}
        case "mtj":
            curve = random.choice(("tanh", "switching_time", None))
            given = curve is None or random.random() < 0.5
            return device | {
                "states": states, "curve": curve, "pulse_bits": random.choice((None, 1, 4, 6)),
                "thermal_stability": random.choice((60.0, 0.5)),  # the other may switch without a pulse
                "up": figures(0, 1, states) if given else None, "down": figures(0, 1, states) if given else None}


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
        "ports": random.choice((2, 2, 1)),
    }
