"""Effects of devices that no preset has, on a preset shrunk to the digits, in simulated RTL."""

import pytest
from spinloom.config import load
from spinloom.sim import cosim
from spinloom.sim.shrink import shrink

AGEING = {"ageing": {"endurance": 2.0, "sticks_at": 0, "bits": 3}}
CASES = [("mnist-dw5", AGEING), ("mnist-pcm", AGEING)]


def agree(preset: str, device: dict, samples: int, simulator: str) -> dict[str, int]:
    experiment = shrink(load(preset).replaced(learning_rate_shifts=[3], device=device))
    answer = cosim.run(experiment, samples=samples, simulator=simulator)
    assert answer.bit_exact, answer.first_difference
    return answer.counters


def test_a_few_samples(quick):
    assert agree(*CASES[0], 12, quick)["attempts"] > 100


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "device"), CASES)
def test_two_hundred_samples(preset, device, simulator):
    assert agree(preset, device, 200, simulator)["attempts"] > 1000
