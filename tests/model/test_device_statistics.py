"""The golden model's devices against their physical specifications.

First over every index of the quantile table, where mean and scatter can differ from those specified only by what
resolution costs; then drawn with the LFSR, where chance comes on top: five standard deviations of the estimate, and the
seeds are fixed.
"""

import math

import numpy as np
import pytest
import torch
from spinloom.config import parse
from spinloom.contract.device import SIGMA_FRAC
from spinloom.contract.lfsr import initial_state
from spinloom.contract.tables import noise, normal_quantiles
from spinloom.model.adc import Adc
from spinloom.model.device import Cell, Device, fixed_in_cells
from spinloom.model.lfsr import Lfsr
from spinloom.model.programmer import StochasticProgrammer
from spinloom.model.rounder import StochasticRounder

from ..devices.documents import specification

INDICES = np.arange(1024)
QUANTILE_STD = normal_quantiles().std() / 128
"""Standard deviation of the quantile table: a little below 1, as it ends at 3.3 sigma."""
MEAN_SLACK = 1 / 8
"""Mean of the noise of any table entry, in sub-levels: exact ties round up on both sides of zero. A quarter of the
products ``sigma * normal`` are ties if ``sigma`` is 512, fewer otherwise; each pair of them adds 1."""


def sigma_slack(sigma):
    """Most that a scatter can be off, in sub-levels, if the sum of a noise and an error of at most ``e`` has a standard
    deviation within ``e`` of that of the noise: rounding to sub-levels, that of ``sigma``, the end of the table."""
    return 1 / 2 + 1 / 2 ** (SIGMA_FRAC + 1) + (1 - QUANTILE_STD) * sigma


def drawn(count, seed=1):
    return Lfsr(initial_state(seed, 0)).draw(count).numpy()


def geometry(device, rows=4, cols=4, **sections):
    return parse({"seed": 5, "input": {"count": rows}, "device": device, "layers": [{"cols": cols, "weight_step": -6}]}
                 | sections, "test").crossbars[0]


def assert_frequencies(values, expected):
    """Chi-square of ``values`` against the distribution of the equally probable ``expected``."""
    levels, weights = np.unique(expected, return_counts=True)
    assert np.isin(values, levels).all()
    expected = weights / weights.sum() * len(values)
    observed = np.array([(values == level).sum() for level in levels])
    freedom = len(levels) - 1
    chi_square = ((observed - expected) ** 2 / expected).sum()
    assert abs(chi_square - freedom) < 5 * math.sqrt(2 * freedom) or chi_square < freedom


# What the tables say.


def test_the_quantile_table_is_normal():
    assert 0.995 < QUANTILE_STD < 1
    centred = normal_quantiles() / 128 / QUANTILE_STD
    assert abs((centred ** 4).mean() - 3) < 0.1  # the tails beyond 3.3 sigma are missing
    for x in np.linspace(-3, 3, 61):
        share = (normal_quantiles() / 128 < x).mean()
        assert abs(share - 0.5 * math.erfc(-x / math.sqrt(2))) < 1 / 1024 + 0.4 / 128  # an index, a step times density


def test_every_entry_of_a_noise_table_scatters_as_it_says():
    """Unrounded, mean 0 and ``QUANTILE_STD * sigma``. Rounding changes the scatter by at most 1/2. To noise wider than
    a sub-level it adds its variance, 1/12, but for half a percent: it is not independent of values in steps of
    ``sigma / 128``."""
    entries = np.arange(1024)
    values = noise(entries[:, None], INDICES)
    sigma = entries / (1 << SIGMA_FRAC)
    assert (values.mean(axis=1) >= 0).all()
    assert values.mean(axis=1).max() < MEAN_SLACK
    assert (np.abs(values.std(axis=1) - QUANTILE_STD * sigma) <= 1 / 2).all()
    wide = sigma >= 1
    deviation = values.std(axis=1)[wide] / (QUANTILE_STD * sigma[wide]) - 1
    assert (np.abs(deviation) <= np.hypot(1, math.sqrt(1 / 12) / sigma[wide]) - 1 + 0.005).all()
    assert (values[0] == 0).all()


@pytest.mark.parametrize("kind", ["ideal", "domain_wall"])
@pytest.mark.parametrize("states", [2, 3, 5, 64])
@pytest.mark.parametrize("sub_bits", [1, 3, 5])
def test_landing_points(kind, states, sub_bits):
    sigma = [0.05 + 0.4 * s / states if kind == "domain_wall" else 0.0 for s in range(states)]
    offset = [0.3 * math.sin(s) if kind == "domain_wall" else 0.0 for s in range(states)]
    document = {"kind": kind, "states": states, "sub_bits": sub_bits}
    if kind == "domain_wall":
        document |= {"sigma": sigma, "offset": offset}
    device = Device(specification(document).compile())
    for state in range(states):
        landings = device.land(state, 0, INDICES)
        level = (state - (states - 1) / 2 + offset[state]) * 2**sub_bits
        width = sigma[state] * 2**sub_bits
        assert abs(landings.mean() - level) <= 1 / 2 + MEAN_SLACK
        assert abs(landings.std() - width) <= sigma_slack(width)
        assert (np.diff(landings) >= 0).all()
        assert kind == "domain_wall" or (landings == level).all()


FIGURES = {
    "flat": {"up_mean": 1.0, "up_sigma": 0.3, "down_mean": 0.8, "down_sigma": 0.2},
    "saturating": {"up_mean": [2.0, 1.0, 0.3], "up_sigma": [0.6, 0.4, 0.2], "down_mean": [0.2, 0.7, 1.4, 2.5],
                   "down_sigma": [0.1, 0.5]},
    "measured": {"up_mean": [1.5, 1.1, 1.3, 0.9, 0.8, 0.6, 0.7, 0.3, 0.2, 0.1], "up_sigma": 0.1,
                 "down_mean": [0.1, 0.9], "down_sigma": [0.0, 0.2, 0.4, 0.2, 0.0]},
}


@pytest.mark.parametrize("figures", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize(("states", "sub_bits"), [(3, 3), (17, 3), (17, 5), (60, 4)])
def test_steps_of_a_single_device(figures, states, sub_bits):
    """At every level: the step of the middle of its segment. Half a segment away, it differs by at most the steepest
    slope of the figures times that distance."""
    figures = {name: np.atleast_1d(value) for name, value in figures.items()}
    limit = (states - 1) / 2
    figures |= {name: np.minimum(figures[name], limit) for name in ("up_mean", "down_mean")}
    tables = specification({"kind": "incremental", "states": states, "sub_bits": sub_bits}
                           | {name: value.tolist() for name, value in figures.items()}).compile()
    device, scale = Device(tables), 1 << sub_bits
    levels = np.arange(tables.span + 1)
    half_segment = (1 << tables.segment_shift) / 2

    def physical(name):
        """At every level, in sub-levels, and the most that it changes over half a segment."""
        value = figures[name]
        points = (np.arange(len(value)) + 0.5) / len(value) * tables.span
        steepest = np.abs(np.diff(value) / np.diff(points)).max() if len(value) > 1 else 0
        return np.interp(levels, points, value) * scale, steepest * half_segment * scale

    for way, first in (("up", 0), ("down", tables.segments)):
        steps = device.movement((first + (levels >> tables.segment_shift))[:, None], 0, INDICES)
        mean, change = physical(f"{way}_mean")
        assert np.abs(steps.mean(axis=1) - mean).max() <= 1 / 2 + MEAN_SLACK + change
        sigma, change = physical(f"{way}_sigma")
        assert (np.abs(steps.std(axis=1) - sigma) <= sigma_slack(sigma) + change).all()


@pytest.mark.parametrize("fields", [
    {}, {"sub_bits": 2}, {"sub_bits": 5, "level": 1.0}, {"level": 1.5, "g_max": 20.0},
    {"step_mean": [0.5, 0.0], "step_sigma": [0.1, 0.0]}, {"step_mean": [2.0, -0.2], "step_sigma": [0.2, 0.1]},
])
def test_steps_of_a_pair(fields):
    """In uS at every conductance, against ``a + b * G``."""
    specified = specification({"kind": "pcm_pair"} | fields)
    tables = specified.compile()
    unit = specified.level / (1 << tables.sub_bits)  # uS a sub-level
    levels = np.arange(tables.span + 1)
    assert abs(tables.span * unit - specified.g_max) <= unit / 2
    steps = Device(tables).movement((levels >> tables.segment_shift)[:, None], 0, INDICES) * unit
    away = (1 << tables.segment_shift) / 2 * unit
    (a, b), (c, d) = specified.step_mean, specified.step_sigma
    mean, sigma = a + b * levels * unit, c + d * levels * unit
    assert np.abs(steps.mean(axis=1) - mean).max() <= (1 / 2 + MEAN_SLACK) * unit + abs(b) * away
    assert (np.abs(steps.std(axis=1) - sigma) <= sigma_slack(sigma / unit) * unit + abs(d) * away).all()


JUNCTIONS = {
    "tanh": ({"curve": "tanh"}, 3.0**2 * 4 / (3 * math.sqrt(3))),
    "steep tanh": ({"curve": "tanh", "steepness": 8.0}, 8.0**2 * 4 / (3 * math.sqrt(3))),
    "time": ({"curve": "switching_time"}, 0.6517 * 5.62**2),
    "long pulse": ({"curve": "switching_time", "thermal_stability": 40.0, "pulse_length": 8.0}, 0.6517 * 8.0**2),
}
"""And the largest second derivative of the curve ``P``: of ``tanh(k f)``, ``k^2 4 / (3 sqrt 3)``; of ``1 - erf(y)``,
``y = B exp(-a f)``, ``2 / sqrt(pi) a^2 y (2 y^2 - 1) exp(-y^2)``, at most 0.6517 a^2, at ``y^2 = 1 + sqrt(3) / 2``."""


def true_probability(specified, f):
    if specified.curve == "tanh":
        return math.tanh(specified.steepness * f)
    theta = math.sqrt(1 / (2 * specified.thermal_stability))
    return math.erfc(math.pi / (2 * math.sqrt(2) * theta) * math.exp(-specified.pulse_length * f))


class EveryWord:
    """An LFSR that draws every word once: a frequency is then a probability."""

    def draw(self, count):
        assert count == 1 << 16
        return torch.arange(count)


def rounding(device, lfsr, threshold=1.0):
    crossbar = geometry({"kind": "mtj"} | device,
                        update={"rounding": "stochastic", "residual": "none", "threshold": threshold})
    return StochasticRounder(crossbar, lfsr), crossbar.threshold


def probabilities(device, sign=1):
    """Fractions of the threshold, and the probability of rounding each of them up, in units of 2**-16."""
    rounder, threshold = rounding(device, EveryWord())
    asked = np.unique(np.concatenate([np.linspace(0, threshold - 1, 40).astype(int), [threshold // 16 * 3 - 1, 1]]))
    found = []
    for value in asked.tolist():
        rounded = rounder.round(torch.full((1 << 16,), sign * (2 * threshold + value)))
        assert set(rounded.tolist()) <= {sign * 2 * threshold, sign * 3 * threshold}
        found.append(int((rounded == sign * 3 * threshold).sum()))
    return asked / threshold, np.array(found)


@pytest.mark.parametrize(("device", "curvature"), JUNCTIONS.values(), ids=JUNCTIONS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_continuous_switching_curve(device, curvature, sign):
    """A chord over a segment ``h`` is off by at most ``h^2 / 8 |P''|``; its ends are rounded (1/2), the rest within the
    segment is truncated to 12 bits (the slope times 2^-12) and the product too (1)."""
    fractions, found = probabilities(device, sign)
    specified = specification({"kind": "mtj"} | device)
    true = np.array([true_probability(specified, f) for f in fractions])
    slope = max(specified.compile().curve.slope)
    bound = curvature / 8 / 16**2 + (1 / 2 + 1 + slope / 4096) / 65536
    deviation = np.abs(found / 65536 - true).max()
    assert deviation <= bound
    assert deviation > bound / 8, "the bound is not far from what happens"
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("device", [device for device, _ in JUNCTIONS.values()], ids=JUNCTIONS)
@pytest.mark.parametrize("bits", [1, 4, 6])
def test_a_resolved_pulse_length(device, bits):
    """The curve at the pulse length below: a staircase of ``2**bits`` steps, rounded to 2^-16 each."""
    fractions, found = probabilities(device | {"pulse_bits": bits})
    specified = specification({"kind": "mtj"} | device)
    below = np.floor(fractions * 2**bits) / 2**bits
    true = np.array([true_probability(specified, f) for f in below])
    assert np.abs(found / 65536 - true).max() <= (1 / 2 + 1e-6) / 65536
    assert len(set(found.tolist())) <= 2**bits


@pytest.mark.parametrize("states", [2, 3, 5])
def test_switching_probabilities(states):
    up, down = [(s + 0.3) / states for s in range(states)], 0.123456
    tables = specification({"kind": "mtj", "states": states, "up": up, "down": down}).compile()
    assert np.abs(np.array(tables.probability) / 65536 - [*up, *[down] * states]).max() <= 1 / 2**17
    default = specification({"kind": "mtj", "states": states, "curve": "switching_time"})
    assert np.abs(np.array(default.compile().probability) / 65536 - true_probability(default, 1)).max() <= 1 / 2**17


@pytest.mark.parametrize(("variation", "sub_bits"), [(0.05, 3), (0.3, 3), (0.3, 5), (1.5, 4)])
def test_cells_vary_as_specified(variation, sub_bits):
    """Over 512 x 512 cells; and no cell knows of its neighbours."""
    displacement, stuck = fixed_in_cells(geometry(
        {"kind": "domain_wall", "variation": variation, "sub_bits": sub_bits}, 512, 512))
    assert not stuck.any()
    number, width = displacement.size, variation * 2**sub_bits
    assert abs(displacement.mean()) <= MEAN_SLACK + 5 * displacement.std() / math.sqrt(number)
    assert abs(displacement.std() - width) <= sigma_slack(width) + 5 * width / math.sqrt(2 * number)
    assert_frequencies(displacement.ravel(), noise(round(width * 16), INDICES))
    centred = displacement - displacement.mean()
    for neighbour in (np.roll(centred, 1, 0), np.roll(centred, 1, 1), np.roll(centred, (1, 1), (0, 1))):
        assert abs((centred * neighbour).mean()) < 5 * centred.var() / math.sqrt(number)


@pytest.mark.parametrize("fraction", [0.001, 0.05, 0.5])
def test_as_many_cells_are_stuck_as_specified_and_it_does_not_depend_on_their_variation(fraction):
    displacement, stuck = fixed_in_cells(geometry(
        {"kind": "domain_wall", "variation": 0.5, "stuck": fraction}, 512, 512))
    error = math.sqrt(fraction * (1 - fraction) / stuck.size)
    assert abs(stuck.mean() - fraction) <= 2**-17 + 5 * error
    inside = displacement[stuck]
    assert abs(inside.mean()) <= MEAN_SLACK + 5 * displacement.std() / math.sqrt(inside.size)


def test_none_or_all_cells_may_be_stuck():
    for fraction in (0.0, 1.0):
        _, stuck = fixed_in_cells(geometry({"kind": "domain_wall", "variation": 0.1, "stuck": fraction}))
        assert (stuck == bool(fraction)).all()


# What the LFSR makes of them.


def one_pulse(crossbar, g, chi, count, seed):
    """Where ``count`` cells at ``g`` (and ``g_minus``) are after the programmer has acted on ``chi``."""
    programmer = StochasticProgrammer(crossbar, Lfsr(initial_state(seed, 0)))
    cells = [Cell(*g) for _ in range(count)]
    for cell in cells:
        programmer.program(cell, chi)
    assert programmer.counters["attempts"] == count
    return np.array([cell.g for cell in cells])


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sigma", [0.1, 0.35, 1.0])
def test_drawn_landings_have_the_frequencies_of_the_table(seed, sigma):
    """100,000 draws: chi-square, mean and variance."""
    device = Device(specification({"kind": "domain_wall", "sigma": sigma, "sub_bits": 5}).compile())
    table, landings = device.land(3, 0, INDICES), device.land(3, 0, drawn(100_000, seed))
    assert_frequencies(landings, table)
    assert abs(landings.mean() - table.mean()) < 5 * table.std() / math.sqrt(len(landings))
    assert abs(landings.var() - table.var()) < 5 * table.var() * math.sqrt(2 / len(landings))


def test_the_programmer_lands_as_the_table_says():
    crossbar = geometry({"kind": "domain_wall", "sigma": 0.3})
    landings = one_pulse(crossbar, (0,), crossbar.threshold, 20_000, seed=1)
    assert_frequencies(landings, Device(crossbar.device).land(3, 0, INDICES))


@pytest.mark.parametrize("up", [True, False])
def test_the_programmer_steps_as_the_table_says(up):
    crossbar = geometry({"kind": "incremental", "up_mean": 1.5, "down_mean": [0.5, 1.0, 2.0], "down_sigma": 0.4})
    device, chi = crossbar.device, crossbar.threshold if up else -crossbar.threshold
    levels = one_pulse(crossbar, (8,), chi, 20_000, seed=2)
    entry = (8 + device.span // 2 >> device.segment_shift) + (0 if up else device.segments)
    steps = Device(device).movement(entry, 0, INDICES)
    assert_frequencies(levels, 8 + steps if up else 8 - steps)


def test_the_programmer_steps_as_measured():
    """20,000 pulses from the middle of the second of two parts, with tails and two humps: the share of steps below any
    size, within five standard errors, a step of the table and a sub-level."""
    row = tuple(float(x) for x in [*np.linspace(-0.5, 0.2, 30), *np.linspace(1.5, 4, 20)])
    crossbar = geometry({"kind": "measured", "states": 9, "sub_bits": 6, "up": [[1.0], row], "down": [[1.0]]})
    start = crossbar.device.span // 4
    steps = (one_pulse(crossbar, (start,), crossbar.threshold, 20_000, seed=1) - start) / 64
    for share in np.linspace(0.01, 0.99, 50):
        size = np.interp(share * len(row) - 0.5, np.arange(len(row)), row)
        if size < 1.9:  # a larger one ends at the end of the range
            slack = 5 * math.sqrt(share * (1 - share) / len(steps)) + 1 / 64
            assert (steps < size - 1 / 64).mean() - slack <= share <= (steps <= size + 1 / 64).mean() + slack


@pytest.mark.parametrize(("probability", "seed"), [(0.001, 1), (0.25, 2), (0.5, 3), (0.9, 4)])
def test_the_programmer_switches_as_often_as_specified(probability, seed):
    crossbar = geometry({"kind": "mtj", "up": 1.0, "down": probability})
    levels = one_pulse(crossbar, (0,), -crossbar.threshold, 20_000, seed)
    assert set(levels.tolist()) <= {0, crossbar.device.origin}
    error = math.sqrt(probability * (1 - probability) / len(levels))
    assert abs((levels != 0).mean() - probability) <= 2**-17 + 5 * error


def test_a_series_of_pulses_sets_a_phase_change_device_as_its_model_says():
    """Ten pulses from reset, 2,000 devices, against the Markov model in floating point. Each pulse adds at most the
    resolution of the mean: half a sub-level, and the slope over half a segment."""
    specified = specification({"kind": "pcm_pair"})
    crossbar = geometry({"kind": "pcm_pair"})
    tables, (a, b), (c, d) = crossbar.device, specified.step_mean, specified.step_sigma
    unit = specified.level / (1 << tables.sub_bits)
    random, true = np.random.default_rng(0), np.zeros(200_000)
    device, lfsr, cells = Device(tables), Lfsr(initial_state(3, 0)), [Cell(0) for _ in range(2000)]
    slack = (1 / 2 + MEAN_SLACK) * unit + abs(b) * (1 << tables.segment_shift) / 2 * unit
    for pulse in range(1, 11):
        true = np.clip(true + random.normal(a + b * true, c + d * true), 0, specified.g_max)
        for cell in cells:
            device.pulse(cell, lfsr.word(), toward=0, up=True)
        levels = np.array([cell.g for cell in cells]) * unit
        error = 5 * true.std() * math.sqrt(1 / len(cells) + 1 / len(true))
        assert abs(levels.mean() - true.mean()) < pulse * slack + error
        assert abs(levels.std() - true.std()) < 0.1 * true.std()


@pytest.mark.parametrize(("device", "_"), JUNCTIONS.values(), ids=JUNCTIONS)
def test_drawn_roundings_have_the_probability_of_the_curve(device, _):
    """100,000 draws a fraction; neither sign nor neighbours matter."""
    rounder, threshold = rounding(device, Lfsr(initial_state(4, 0)))
    exact, every = rounding(device, EveryWord())[0], torch.ones(1 << 16, dtype=torch.int64)
    for fraction in (1 / 64, 0.1, 0.3, 0.7):
        value = int(fraction * threshold)
        p = float((exact.round(value * every) != 0).double().mean())
        signs = torch.tensor([1, -1]).repeat(50_000)
        fired = (rounder.round(value * signs) != 0).double().numpy()
        error = math.sqrt(p * (1 - p))
        assert abs(fired.mean() - p) <= 5 * error / math.sqrt(len(fired))
        assert abs(fired[::2].mean() - fired[1::2].mean()) <= 5 * error * math.sqrt(4 / len(fired))


@pytest.mark.parametrize(("read_noise", "weight_step"), [(0.5, -2), (0.5, -8), (2.0, -4), (20.0, -2)])
def test_readings_scatter_as_specified(read_noise, weight_step):
    """On either side of ``adc_shift = 11``; ``z`` is rounded, its scatter in least significant bits."""
    crossbar = geometry({"kind": "ideal"}, converters={"read_noise": read_noise},
                        layers=[{"cols": 50, "weight_step": weight_step, "z_bits": 12, "z_frac": 4}])
    assert (crossbar.adc_shift < 11) == (weight_step > -4)
    z = Adc(crossbar).convert(torch.zeros(2000, 50, dtype=torch.int64), Lfsr(initial_state(6, 0))).double().numpy()
    assert z.size == 100_000
    assert abs(z.mean()) <= MEAN_SLACK + 5 * (read_noise + 0.5) / math.sqrt(z.size)
    assert abs(z.std() - read_noise) <= sigma_slack(read_noise) + 5 * read_noise / math.sqrt(2 * z.size)
    assert abs((z[:, :-1] * z[:, 1:]).mean()) < 5 * z.var() / math.sqrt(z.size)
