"""The laws behind the published devices, as their sources state them, and their translation into a section ``device``.

Sources: aihwkit, IBM (github.com/IBM/aihwkit): the classes of `simulator/configs/devices.py`, the presets of
`simulator/presets/devices.py` and, for ``up_down``, `rpucuda/rpu_pulsed_device.cpp`. NeuroSim, Georgia Institute of
Technology (github.com/neurosim): `Cell.cpp` and the table of `formula.cpp` in MLP_NeuroSim_V3.0, `train.py` in
DNN_NeuroSim_V2.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np
from spinloom.contract.device import SEGMENT_BITS
from spinloom.devices.fitting import sub_bits_for
from spinloom.devices.random_figures import widest_noise

MOST_STATES = 64
PARTS = 1 << SEGMENT_BITS
"""Of the range, in which the figures in the files are given: as many as a table has segments."""
DIGITS = 4
"""Significant digits of the figures in the files."""

Figure = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Law:
    """One pulse of a published device: mean and standard deviation of its step, up and down, over the weight or
    conductance ``low`` .. ``high``, in the source's own unit."""

    low: float
    high: float
    size: float
    """The size of a step, as the source names it: about its mean over the range."""
    up: Figure
    up_sigma: Figure
    down: Figure
    down_sigma: Figure
    spread: float = 0.0
    """Standard deviation of the step from device to device, as a fraction of it."""

    def step(self, direction: int, w: np.ndarray) -> np.ndarray:
        """The mean change by a pulse in ``direction``, 1 or -1, at ``w``."""
        return direction * (self.up if direction > 0 else self.down)(w)

    def sigma(self, direction: int, w: np.ndarray) -> np.ndarray:
        """Its standard deviation."""
        return (self.up_sigma if direction > 0 else self.down_sigma)(w)

    def burst(self, direction: int, w: np.ndarray, pulses: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of what ``pulses`` one after the other do at ``w``, far from the ends."""
        place, variance, small = w, np.zeros(len(w)), 1e-6 * (self.high - self.low)
        for _ in range(pulses):
            slope = (self.step(direction, place + small) - self.step(direction, place - small)) / (2 * small)
            variance = variance * (1 + slope) ** 2 + self.sigma(direction, place) ** 2
            place = place + self.step(direction, place)
        return direction * (place - w), np.sqrt(variance)


def linear_step(dw: float, low: float, high: float, gamma_up: float, gamma_down: float, std: float, multiplied: bool,
                spread: float) -> Law:
    """``LinearStepDevice``, ``SoftBoundsDevice`` with both ``gamma`` 1, and ``ConstantStepDevice`` with both 0; the
    noise is ``multiplied`` by the step or not."""
    def up(w: np.ndarray) -> np.ndarray:
        return dw * (1 - gamma_up * w / high)

    def down(w: np.ndarray) -> np.ndarray:
        return dw * (1 - gamma_down * w / low)

    def sigma(step: Figure) -> Figure:
        return lambda w: std * (np.abs(step(w)) if multiplied else np.full(len(w), dw))

    return Law(low, high, dw, up, sigma(up), down, sigma(down), spread)


def soft_bounds(dw: float, low: float, high: float, std: float, spread: float) -> Law:
    """``SoftBoundsDevice`` with ``mult_noise = False``."""
    return linear_step(dw, low, high, 1, 1, std, False, spread)


def exp_step(dw: float, up_down: float, low: float, high: float, a: float, b: float, a_up: float, a_down: float,
             gamma: float, std: float, spread: float) -> Law:
    """``ExpStepDevice``; a positive ``up_down`` shortens the steps down."""
    def z(w: np.ndarray) -> np.ndarray:
        return 2 * a * w / (high - low) + b

    def up(w: np.ndarray) -> np.ndarray:
        return dw * (1 + min(up_down, 0)) * np.maximum(1 - a_up * np.exp(gamma * z(w)), 0)

    def down(w: np.ndarray) -> np.ndarray:
        return dw * (1 - max(up_down, 0)) * np.maximum(1 - a_down * np.exp(-gamma * z(w)), 0)

    return Law(low, high, dw, up, lambda w: std * up(w), down, lambda w: std * down(w), spread)


def nonlinear_weight(levels_up: int, levels_down: int, a_up: float, a_down: float, std: float) -> Law:
    """``NonlinearWeight`` of NeuroSim over the conductance from 0 to 1, ``G(p) = B (1 - exp(-p / A))`` after ``p``
    pulses. ``a_up`` and ``a_down`` are entries of its table for the nonlinearity, with its sign; ``A`` is that times
    the number of levels."""
    def step(levels: int, a: float, direction: int) -> Figure:
        bound = 1 / (1 - np.exp(-1 / a))
        return lambda g: direction * (bound - g) * (1 - np.exp(-direction / (a * levels)))

    def sigma(g: np.ndarray) -> np.ndarray:
        return np.full(len(g), std)

    size = 2 / (levels_up + levels_down)
    return Law(0, 1, size, step(levels_up, a_up, 1), sigma, step(levels_down, a_down, -1), sigma)


LAWS = {
    "reram": exp_step(0.00135, 0.259359, -1, 1, -0.5, -0.5, -1.18445, -0.081404, 5, 5.0, 0.2),
    "reram-soft-bounds": soft_bounds(0.002, -0.75, 1.25, 3.75, 0.3),
    "reram-array": soft_bounds(0.0949, -1, 1, 0.4158, 0),
    "reram-array-hfo2": soft_bounds(0.4622, -1, 1, 0.2174, 0),
    "ecram": linear_step(0.002, -0.8276, 1.1724, 0.1153, 0.5085, 0.3, True, 0.1),
    "ecram-metal-oxide": linear_step(2.8214e-4, -0.8286, 1.1714, 0.4152, 0.7342, 2.0, True, 0.1),
    "capacitor": linear_step(0.005, -1, 1, 0.05, 0.05, 0.3, False, 0.1),
    "gokmen-vlasov": linear_step(0.0016, -1, 1, 0, 0, 0.3, False, 0.3),
    "fefet": nonlinear_weight(32, 32, 0.702081, 0.848677, 0.003),
    "ag-si": nonlinear_weight(97, 100, 0.499181, -0.200303, 0.035),
}
"""Of each device of the kind ``incremental``: aihwkit's presets ``ReRamESPresetDevice``, ``ReRamSBPresetDevice``,
``ReRamArrayOMPresetDevice``, ``ReRamArrayHfO2PresetDevice``, ``EcRamPresetDevice``, ``EcRamMOPresetDevice``,
``CapacitorPresetDevice`` and ``GokmenVlasovPresetDevice``, then NeuroSim's devices of the nonlinearities 1.75 and 1.46,
2.4 and -4.88."""


@dataclass(frozen=True)
class Translation:
    """How a law becomes a section ``device``."""

    states: int
    burst: int
    """Published pulses that a write pulse stands for."""
    section: dict[str, object]


def translated(law: Law) -> Translation:
    """The section ``device`` for ``law``, without ``measured``.

    The range is divided into as many levels as it has steps. If it has more than the most states there can be, a write
    pulse is a burst of published pulses, of which the range has few enough.
    """
    steps = (law.high - law.low) / law.size
    burst = ceil(steps / MOST_STATES)
    states = round(steps / burst)
    level = (law.high - law.low) / (states - 1)
    w = law.low + (np.arange(PARTS) + 0.5) / PARTS * (law.high - law.low)
    moves = {name: law.burst(direction, w, burst) for name, direction in (("up", 1), ("down", -1))}
    figures = {f"{name}_{what}": one_or_each(values / level)
               for name, pair in moves.items() for what, values in zip(("mean", "sigma"), pair, strict=True)}
    sigma = np.concatenate([moves["up"][1], moves["down"][1]]) / level
    sub_bits = min(sub_bits_for(sigma.mean(keepdims=True)),
                   next(bits for bits in range(6, 0, -1) if sigma.max() <= widest_noise(bits)))
    section: dict[str, object] = {"kind": "incremental", "states": states, "sub_bits": sub_bits} | figures
    if law.spread:
        section["variation"] = rounded(law.spread * law.size * burst / level)
    return Translation(states, burst, section)


def one_or_each(values: np.ndarray) -> float | tuple[float, ...]:
    """``values``, rounded; one that stands for all if they are equal."""
    figures = tuple(rounded(value) for value in values)
    return figures[0] if len(set(figures)) == 1 else figures


def rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
