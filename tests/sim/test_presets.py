"""Every preset, shrunk to the digits, in simulated RTL."""

from typing import Any

import pytest
from spinloom.config import PRESETS, load
from spinloom.sim import cosim
from spinloom.sim.shrink import shrink

NAMES = sorted(path.stem for path in PRESETS.glob("mnist-*.toml"))
EXERCISED = {"mnist-pcm": "refreshes", "mnist-dw5-exsitu": "verify_attempts", "mnist-mtj3-gxnor": "attempts"}
"""What must have happened in the run of a preset: refresh, program-and-verify, increments of a host."""


CONVERTERS = {"read_noise": 0.5, "offset": 1.0, "gain": 0.03, "nonlinearity": [-0.5, 0.25, 0.25, -1.0],
              "row_dac_bits": 5, "column_dac_bits": 6}
"""None of them ideal."""


def agree(name: str, simulator: str, samples: int, **changes: Any) -> dict[str, int]:
    answer = cosim.run(shrink(load(name)).replaced(**changes), samples=samples, simulator=simulator)
    assert answer.bit_exact, answer.first_difference
    return answer.counters


@pytest.mark.parametrize("name", ["mnist-pcm", *(pytest.param(name, marks=pytest.mark.slow) for name in (
    "mnist-dw5-exsitu", "mnist-mtj3-gxnor"))])
def test_a_few_samples(name, quick):
    assert agree(name, quick, 12)["forwards"] == 24


@pytest.mark.slow
def test_converters_as_they_are(quick):
    assert agree("mnist-dw5", quick, 12, converters=CONVERTERS)["forwards"] == 24


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_two_hundred_samples(name, simulator):
    counters = agree(name, simulator, 200)
    assert counters["attempts"] > 0
    assert counters[EXERCISED.get(name, "attempts")] > 0
