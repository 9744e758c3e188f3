"""Converters as they are: what is drawn for columns, transfer curves, DACs of few levels."""

import math

import numpy as np
import pytest
import torch
from spinloom.boards import catalogue
from spinloom.boards.estimate import estimate, memories, multipliers
from spinloom.config import load, parse
from spinloom.contract.converters import GAIN_FRAC, OFFSET_FRAC, mismatch
from spinloom.contract.errors import ConfigError
from spinloom.hw.crossbar.crossbar import Crossbar as Hardware
from spinloom.hw.export.generate import generate
from spinloom.model.adc import Adc, dac
from spinloom.model.crossbar import Crossbar
from spinloom.study import demo

SPREAD = 0.006
"""By how much the standard deviation of the table of quantiles may be off: it ends at 3.3 sigma."""


def geometry(index=0, seed=1, **converters):
    layer = {"cols": 2000, "weight_step": -2, "z_bits": 10, "z_frac": 4}
    return parse({"seed": seed, "input": {"count": 3}, "device": {"kind": "ideal"}, "converters": converters,
                  "layers": [layer, layer]}, "test").crossbars[index]


@pytest.mark.parametrize(("offset", "gain"), [(0.5, 0.01), (3.0, 0.1), (0.0, 0.2), (60.0, 0.0)])
def test_offsets_and_gains_scatter_as_specified(offset, gain):
    """20,000 columns: no bias, the standard deviation, the share beyond two of them, no correlation of the two."""
    drawn = [mismatch(geometry(seed=seed, offset=offset, gain=gain)) for seed in range(10)]
    parts = [np.concatenate(part) * 2.0**-frac for part, frac in zip(zip(*drawn, strict=True),
                                                                    (OFFSET_FRAC, GAIN_FRAC), strict=True)]
    count = len(parts[0])
    for values, sigma, unit in zip(parts, (offset, gain), (2.0**-OFFSET_FRAC, 2.0**-GAIN_FRAC), strict=True):
        assert abs(values.mean()) <= 5 * sigma / math.sqrt(count)
        assert abs(values.std() - sigma) <= SPREAD * sigma + unit / 2 + 5 * sigma / math.sqrt(2 * count)
        beyond, found = math.erfc(math.sqrt(2)), (abs(values) > 2 * sigma).mean()
        assert not sigma or abs(found - beyond) <= 5 * math.sqrt(beyond / count) + unit / sigma
        assert abs((values[:-1] * values[1:]).mean()) <= 5 * sigma**2 / math.sqrt(count)
    assert abs((parts[0] * parts[1]).mean()) <= 5 * offset * gain / math.sqrt(count)


def test_columns_differ_from_layer_to_layer_and_from_seed_to_seed():
    drawn = [mismatch(geometry(index=index, seed=seed, offset=1.0))[0].tolist() for index in (0, 1) for seed in (1, 2)]
    assert all(one != other for place, one in enumerate(drawn) for other in drawn[:place])


def test_a_linear_curve_is_none():
    sums = torch.arange(-3000, 3000).reshape(-1, 2000)
    plain, linear = (Adc(geometry(**converters)).convert(sums) for converters in ({}, {"nonlinearity": [0.0] * 4}))
    assert plain.tolist() == linear.tolist()


def test_every_segment_of_the_codes_has_its_figure():
    """Sums that make every code once: 1024 of them."""
    ideal = geometry()
    sums = torch.arange(-512, 512) << ideal.adc_shift
    figures = [1.0, -2.0, 0.25, 3.5]
    adc = Adc(geometry(nonlinearity=figures))
    adc._offset = adc._gain = torch.zeros(1024, dtype=torch.int64)
    wanted = [min(max(math.floor(code + figures[(code + 512) // 256] + 0.5), -512), 511) for code in range(-512, 512)]
    assert adc.convert(sums).tolist() == wanted


def test_an_amplifier_covers_twice_the_range():
    """A gain of -1/2 brings what is just within it to the end of the range, and nothing beyond."""
    adc = Adc(geometry(gain=0.1))
    adc._offset, adc._gain = torch.zeros(2000, dtype=torch.int64), torch.full((2000,), -1 << GAIN_FRAC - 1)
    z = adc.convert((torch.arange(2000) - 1000) * 2 << adc.geometry.adc_shift)
    assert z.tolist() == [min(max(code - 1000, -512), 511) for code in range(2000)]


@pytest.mark.parametrize(("bits", "signed", "dropped", "levels"), [
    (8, False, 4, 16), (8, True, 5, 8), (1, False, 0, 2)])
def test_dacs_have_so_many_levels(bits, signed, dropped, levels):
    values = torch.arange(-(1 << bits - 1), 1 << bits - 1) if signed else torch.arange(1 << bits)
    made, step = dac(values, bits, signed, dropped), 1 << dropped
    assert len(made.unique()) == levels
    assert set((made % step).tolist()) == {0}
    inner = values <= made.max()
    assert int((made - values)[inner].abs().max()) <= step // 2
    assert int(made.max()) == int(values.max()) // step * step


def test_updates_take_what_dacs_do_not_resolve():
    """Also where rows are read as 0."""
    experiment = {"input": {"count": 3}, "device": {"kind": "ideal"}, "learning_rate_shifts": [0],
                  "converters": {"row_dac_bits": 1, "column_dac_bits": 1},
                  "layers": [{"cols": 2, "weight_step": -2, "chi_frac": 10}] * 2}
    crossbar = Crossbar(parse(experiment, "coarse").crossbars[1], 1)
    x, d = torch.tensor([3, 60]), torch.tensor([5, -3])
    assert crossbar.forward(x).tolist() == crossbar.forward(torch.zeros(2, dtype=torch.int64)).tolist()
    assert crossbar.backward(d).tolist() == [0, 0]
    crossbar.update(x, d, 0, program=False)
    assert bool(crossbar.arrays["chi"].count_nonzero())
    assert (crossbar.counters["forward_rows"], crossbar.counters["update_rows"]) == (2, 2)


def test_hardware_has_no_wires(tmp_path):
    wired = load("digits-dw5").replaced(converters={"wire_ratio": 0.001})
    for build in (lambda: Hardware(geometry=wired.crossbars[0]), lambda: estimate(wired, catalogue.find("icebreaker")),
                  lambda: generate(wired, tmp_path / "out"), lambda: demo.run(wired, tmp_path / "out")):
        with pytest.raises(ConfigError, match=r"converters.wire_ratio=0.001: .* golden model only.*; leave it out"):
            build()
    assert not (tmp_path / "out").exists()


def test_estimates_know_of_distortion():
    """A multiplier for each ADC of both layers where gains differ, no multiplier for offsets."""
    plain, offset, gain = (load("digits-dw5").replaced(converters=converters) for converters in (
        {}, {"offset": 1.0}, {"offset": 1.0, "gain": 0.1}))
    adcs = sum(crossbar.adcs for crossbar in plain.crossbars)
    assert len(multipliers(plain)) == len(multipliers(offset)) == len(multipliers(gain)) - adcs
    assert len(memories(plain)) + 2 == len(memories(offset)) == len(memories(gain))


@pytest.mark.parametrize(("converters", "message"), [
    ({"nonlinearity": [0.0] * 3}, "converters.nonlinearity: 3 figures; their number must be a power of two"),
    ({"nonlinearity": [64.0]}, r"converters.nonlinearity\[0\]=64.0"),
    ({"gain": 0.3}, "converters.gain=0.3"),
    ({"row_dac_bits": 0}, "converters.row_dac_bits=0"),
])
def test_what_converters_cannot_be_is_refused(converters, message):
    with pytest.raises(ConfigError, match=message):
        geometry(**converters)
