"""Random small experiments: what golden model and RTL are compared on."""

from math import prod
from random import Random
from typing import Any

from .config import MAX_WEIGHT, Experiment, Input, Synapse, parse
from .contract.formats import ActivationFormat, derivative_format, neuron_format
from .contract.geometry import MAX_CELL_BITS, Loss, Neuron
from .contract.widths import divisors
from .contract.window import Shape
from .devices.kinds import KINDS, parse_device, random_section
from .devices.random_figures import extreme, random_effects
from .devices.specification import MAX_G_BITS

Fields = dict[str, Any]
MOST_READS = 8
"""Most rows that are read in a clock cycle: a simulation of more takes too long."""
LARGEST_RATE_SHIFT = 16
"""Largest shift of the first learning rate; the others are up to 15 more."""


def random_experiment(random: Random, layers: int | None = None, kind: str | None = None, *,
                      convolutions: bool = False, reads: bool = False, wires: bool = False) -> Experiment:
    """An experiment of ``layers`` (else 1 to 3) layers with few rows and columns, on devices of ``kind`` (else of any).

    Every field of the configuration is drawn, extreme widths included. A shift that would come out negative is mended
    by a smaller weight step, a finer error, a smaller learning rate or a coarser residual; it is then 0.

    With ``convolutions``, of 1 to 4 layers unless ``layers`` says otherwise, one to three are convolutions, and layers
    have learning rates of their own. With ``reads``, several rows may be read in a clock cycle.
    With ``wires``, those of the array may have a resistance, which hardware does not know.
    """
    count = layers or random.randint(1, 4 if convolutions else 3)
    kind = kind or random.choice(list(KINDS))
    experiment = parse(_document(random, count, kind, convolutions), "random")
    if experiment.synapse is None:
        room = MAX_CELL_BITS - max(crossbar.cell_bits for crossbar in experiment.crossbars)
        rows = max(crossbar.rows for crossbar in experiment.crossbars)
        experiment = experiment.replaced(
            device=random_effects(Random(experiment.seed), experiment.device_tables, room, rows, experiment.batch))
    if wires:
        experiment = experiment.replaced(converters={"wire_ratio": random.choice((0.0, 0.001, 0.1, 1.0))})
    if not reads:
        return experiment
    changes: dict[int, Fields] = {}
    for crossbar in experiment.crossbars:
        most = min(crossbar.inputs, MOST_READS)
        forward = extreme(random, 1, most)
        second = [number for number in range(1, most + 1) if not max(number, forward) % min(number, forward)]
        changes[crossbar.index] = {"forward_reads": forward,
                                   "second_reads": random.choice(second) if crossbar.folds == 1 else 1}
    return experiment.replaced(layers=changes)


def _document(random: Random, count: int, kind: str, convolutions: bool) -> Fields:
    device = random_section(random, kind)
    stochastic = device.get("curve") is not None and random.random() < 0.5
    loss: Loss = random.choice(("cross_entropy", "squared_hinge"))
    drive, places = _maps(random, count) if convolutions else ({"count": extreme(random, 1, 17)}, [{}] * count)
    given = {**drive, "kind": random.choice(("unsigned", "signed", "ternary")),
             "bits": extreme(random, 2, 12)}
    layers = _layers(random, places, device["sub_bits"], loss, Input.model_validate(given).format)
    lowest_rate = max(random.choice((0, random.randint(0, 8))), *(layer.pop("rate") for layer in layers))
    seed = random.getrandbits(32)
    document: Fields = {
        "seed": seed,
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
        "converters": {"read_noise": random.choice((0.0, 0.0, random.uniform(0, 3), 63.9))}
        | _converters(Random(f"converters {seed}"), min(layer["z_bits"] for layer in layers)),
        "layers": layers,
    }
    chi_bits = max(layer["chi_bits"] for layer in layers)
    return document | {"synapse": _synapse(Random(document["seed"]), device, stochastic, chi_bits)}


def _synapse(random: Random, device: Fields, stochastic: bool, chi_bits: int) -> Fields | None:
    """For every other experiment whose ``device`` allows it: several of them in each cell, beside residuals of
    ``chi_bits``."""
    tables = parse_device(device, "random").compile()
    if stochastic or tables.pair or random.random() < 0.5:
        return None
    section: Fields = {"turns": random.choice((2, 2, 3, 4))}
    if random.random() < 0.5:
        weights = [1]
        for _ in range(random.randint(1, 4)):
            reach = min(1 + (tables.states - 1) * sum(weights), MAX_WEIGHT)
            weights.append(random.choice([1 << shift for shift in range(7) if weights[-1] <= 1 << shift <= reach]))
        section = {"slices": weights[::-1]}
    cell = tables.sliced(Synapse.model_validate(section).weights, in_turn="turns" in section)
    return section if cell.g_bits <= MAX_G_BITS and chi_bits + cell.cell_bits <= MAX_CELL_BITS else None


def _converters(random: Random, z_bits: int) -> Fields:
    """Converters as they are, behind which outputs have ``z_bits`` or more. They have numbers of their own, and so
    change nothing else that is drawn."""
    if random.random() < 0.4:
        return {}
    figures = 1 << random.randint(0, min(z_bits, 4))
    return {
        "offset": random.choice((0.0, random.uniform(0, 3), 63.9)),
        "gain": random.choice((0.0, random.uniform(0, 0.1), 0.249)),
        "nonlinearity": [random.choice((random.uniform(-2, 2), random.uniform(-63, 63))) for _ in range(figures)]
        if random.random() < 0.5 else [],
        "row_dac_bits": random.choice((None, random.randint(1, 4), random.randint(1, 4))),
        "column_dac_bits": random.choice((None, random.randint(2, 5), random.randint(1, 16))),
    }


def _layers(random: Random, places: list[Fields], sub_bits: int, loss: Loss, x: ActivationFormat) -> list[Fields]:
    """The layers behind inputs of the format ``x``, on devices of ``sub_bits``; ``places`` are the fields of them that
    are drawn already. ``rate`` of each is the smallest shift of the learning rate that it allows."""
    layers: list[Fields] = []
    source: Neuron | None = None
    for index, place in enumerate(places):
        layer = _layer(random, place, sub_bits, index == len(places) - 1, loss)
        # adc_shift, error_shift and update_shift of arithmetic 4 must not be negative.
        layer["weight_step"] = min(layer["weight_step"], x.frac + sub_bits - layer["z_frac"])
        if source is not None:
            least = layers[-1]["delta_frac"] + layer["weight_step"] - sub_bits - derivative_format(source)[1]
            layer["delta_frac"] = max(layer["delta_frac"], least)
            layer["delta_bits"] = max(layer["delta_bits"], layer["delta_frac"] + 1)
        product_frac = x.frac + layer["delta_frac"] + layer["weight_step"]
        offset = max(layer.get("rate_offset", 0), sub_bits - product_frac - LARGEST_RATE_SHIFT)
        layer["rate_offset"] = offset
        layer["chi_frac"] = min(layer["chi_frac"], product_frac + offset + LARGEST_RATE_SHIFT)
        layer["rate"] = max(layer["chi_frac"] - product_frac - offset, 0)
        layers.append(layer)
        source = layer["neuron"]
        if source is not None:
            x = neuron_format(source, layer["activation_bits"], layer["z_frac"])
    return layers


def _layer(random: Random, place: Fields, sub_bits: int, last: bool, loss: Loss) -> Fields:
    cols = place.get("cols") or extreme(random, 1, 12)
    lanes = random.choice(divisors(cols))
    neuron = None if last else random.choice(("relu", "sigmoid", "hard_tanh", "ternary", "stochastic"))
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
    } | place


def _maps(random: Random, count: int) -> tuple[Fields, list[Fields]]:
    """A network of ``count`` layers, one to three of them convolutions: the field of the input, and of each layer the
    fields that say where it is applied."""
    convolutions = random.sample(range(count), random.randint(1, min(count, 3)))
    shape = extreme(random, 1, 9), extreme(random, 1, 9), random.choice((1, 1, 2, 3))
    drive: Fields = {"map": shape}
    places = []
    for index in range(count):
        if index in convolutions:
            place, shape = _convolution(random, shape, last=index == count - 1)
        elif index + 1 in convolutions:
            shape = extreme(random, 1, 5), extreme(random, 1, 4), random.choice((1, 2))
            place = {"cols": prod(shape), "map": shape}
        else:
            place = {"cols": extreme(random, 1, 12)}
            shape = 1, 1, place["cols"]
        place["rate_offset"] = random.choice((0, 0, 1, -1, extreme(random, -15, 15)))
        place["weight_step"] = random.randint(-3, 1)  # small enough for z, large enough for e of the layer before
        places.append(place)
    return drive, places


def _convolution(random: Random, shape: Shape, last: bool) -> tuple[Fields, Shape]:
    """A convolution of a map of ``shape``, and what it makes of it; if it is the ``last`` layer, a map of 1 x 1."""
    *sides, channels = shape
    drop = random.random() < 0.4
    padded = random.random() < 0.6
    axes = [_steps(random, side, drop, range(1, 8), padded) for side in sides]
    kernel, padding, stride, outputs = zip(*axes, strict=True)
    place: Fields = {"kind": "conv", "kernel": kernel, "padding": padding, "stride": stride, "drop": drop}
    if last:
        place["pool"], pooled = outputs, (1, 1)
    elif random.random() < 0.5:
        axes = [_steps(random, side, drop, range(1, 5), padded=False) for side in outputs]
        place["pool"], _, place["pool_stride"], pooled = zip(*axes, strict=True)
    else:
        pooled = outputs
    work, cells = prod(outputs) * prod(kernel) * channels, prod(pooled)
    place["cols"] = extreme(random, 1, max(1, min(6, 6000 // work, 150 // cells)))
    return place, (*pooled, place["cols"])


def _steps(random: Random, side: int, drop: bool, kernels: range, padded: bool) -> tuple[int, int, int, int]:
    """Along an axis of ``side`` cells, where windows may be: their size, padding and stride, and how many they are, at
    most 9. Unless ``drop``, they reach every cell."""
    strides = range(1, random.choice((1, 1, 2, 3)) + 1)
    options = {
        (kernel, padding, stride): (side + 2 * padding - kernel) // stride + 1
        for kernel in kernels for padding in range(kernel if padded else 1) for stride in strides
        if kernel <= side + 2 * padding
    }
    options = {option: number for option, number in options.items() if number <= 9 and (
        drop or (option[2] <= option[0] and (number - 1) * option[2] + option[0] - option[1] >= side))}
    chosen: tuple[int, ...] = ()
    for place in range(3):  # one after the other, so that every size is as likely, whatever goes with it
        chosen += random.choice(sorted({option[place] for option in options if option[:place] == chosen})),
    kernel, padding, stride = chosen
    return kernel, padding, stride, options[kernel, padding, stride]
