"""Every preset, shrunk to the digits, in simulated RTL."""

import pytest
from spinloom.config import PRESETS, load
from spinloom.sim import cosim
from spinloom.sim.shrink import shrink

NAMES = sorted(path.stem for path in PRESETS.glob("mnist-*.toml"))
EXERCISED = {"mnist-pcm": "refreshes", "mnist-dw5-exsitu": "verify_attempts", "mnist-mtj3-gxnor": "attempts"}
"""What must have happened in the run of a preset: refresh, program-and-verify, increments of a host."""


def agree(name: str, simulator: str, samples: int) -> dict[str, int]:
    answer = cosim.run(shrink(load(name)), samples=samples, simulator=simulator)
    assert answer.bit_exact, answer.first_difference
    return answer.counters


@pytest.mark.parametrize("name", ["mnist-pcm", *(pytest.param(name, marks=pytest.mark.slow) for name in (
    "mnist-dw5-exsitu", "mnist-mtj3-gxnor"))])
def test_a_few_samples(name, quick):
    assert agree(name, quick, 12)["forwards"] == 24


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_two_hundred_samples(name, simulator):
    counters = agree(name, simulator, 200)
    assert counters["attempts"] > 0
    assert counters[EXERCISED.get(name, "attempts")] > 0
