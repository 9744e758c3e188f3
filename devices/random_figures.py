"""Random figures for random devices and experiments, with the extremes and the round numbers that chance would miss."""

from math import exp, log2
from random import Random
from typing import Any

from ..contract.device import SIGMA_BITS, SIGMA_FRAC, DeviceTables


def extreme(random: Random, low: int, high: int) -> int:
    """A whole number in ``low`` .. ``high``; each end has a probability of at least 1/6."""
    return random.choice((low, high, *(random.randint(low, high) for _ in range(4))))


def figure(random: Random, low: float, high: float) -> float:
    """A number in ``low`` .. ``high``: any, as if it were measured, or a whole number of sixteenths, because rounding
    has to hold at ties too."""
    if random.random() < 0.5:
        return random.uniform(low, high)
    return min(max(random.randint(int(low * 16), int(high * 16)) / 16, low), high)


def one_or_each(random: Random, low: float, high: float, count: int) -> float | list[float]:
    """One ``figure``, or a list of ``count``."""
    if random.random() < 0.5:
        return figure(random, low, high)
    return [figure(random, low, high) for _ in range(count)]


def widest_noise(sub_bits: int) -> float:
    """The largest standard deviation that the noise tables hold, in levels."""
    return ((1 << SIGMA_BITS) - 1) / (1 << SIGMA_FRAC + sub_bits)


def common_fields(random: Random) -> dict[str, Any]:
    """The fields that every kind has."""
    return {"sub_bits": extreme(random, 1, 6), "stuck": random.choice((0.0, 0.0, 0.0, 0.2, 0.2, 0.01, 0.4, 1.0))}


def variation(random: Random, sub_bits: int) -> float:
    """A device-to-device variation, in levels: often none, sometimes the largest."""
    widest = widest_noise(sub_bits)
    return random.choice((0.0, 0.0, figure(random, 0, min(0.9, widest)), widest))


def random_effects(random: Random, tables: DeviceTables, bits: int, rows: int, batch: int) -> dict[str, Any]:
    """What devices of any kind, of these ``tables``, may be given beside the fields of their kind. A cell has room for
    ``bits`` more; the largest array has so many ``rows``, and is programmed after every ``batch`` samples."""
    effects: dict[str, Any] = {"ageing": _ageing(random, tables.states, bits)} if random.random() < 0.3 else {}
    if random.random() < 0.3:
        effects["retention"] = _retention(random, tables, rows, batch)
    return effects


def _ageing(random: Random, count: int, room: int) -> dict[str, Any]:
    """Ageing: often of cells that fail after a few pulses."""
    bits, spread = extreme(random, 1, min(15, room)), random.choice((0.0, 0.5, random.uniform(0, 1)))
    longest = float((1 << bits) - 1 << random.choice((0, 0, 1, 3, 16)))
    most = max(1.0, longest * exp(-4 * spread))
    ageing = {"endurance": random.choice((1.0, min(random.uniform(1, 8), most), most)), "spread": spread, "bits": bits}
    return ageing | ({"sticks_at": random.randrange(count)} if random.random() < 0.5 else {})


def _retention(random: Random, tables: DeviceTables, rows: int, batch: int) -> dict[str, Any]:
    """Retention: often so short that a cell loses its level at once when its row is drawn."""
    shortest = -batch / log2(1 - 1 / max(rows, 2)) * (1 + 1e-9)
    half_life = shortest * random.choice((1.0, 1.0, random.uniform(1, 4), 1000.0))
    even = tables.pulse == "switching" and tables.states % 2 == 0
    rests = not tables.pair and (even or random.random() < 0.5)
    return {"half_life": half_life} | ({"rest": random.randrange(tables.states)} if rests else {})


def states(random: Random) -> int:
    """A number of nominal states: mostly few, sometimes the most that there can be."""
    return random.choice((2, 3, 5, random.randint(2, 9), 64))
