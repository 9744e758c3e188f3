"""Effects of devices that no preset has, on a preset shrunk to the digits, in simulated RTL."""

import pytest
from spinloom.config import load
from spinloom.sim import cosim
from spinloom.sim.shrink import shrink

AGEING = {"endurance": 2.0, "sticks_at": 0, "bits": 3}
MEASURED = {"kind": "measured", "states": 9, "up": [[0.0, 0.0, 1.0, 3.0], [0.0, 0.5]], "down": [[-0.5, 1.0, 2.0]],
            "ageing": {"endurance": 20.0}}
CASES = [("mnist-dw5", {"kind": "domain_wall", "ageing": AGEING}),
         ("mnist-pcm", {"kind": "pcm_pair", "ageing": AGEING}),
         ("mnist-dw5", MEASURED),
         ("mnist-dw5", {"kind": "domain_wall", "stuck": 0.05, "retention": {"half_life": 2000.0, "rest": 1}})]


def agree(preset: str, device: dict, samples: int, simulator: str) -> dict[str, int]:
    experiment = shrink(load(preset, device).replaced(learning_rate_shifts=[3]))
    answer = cosim.run(experiment, samples=samples, simulator=simulator)
    assert answer.bit_exact, answer.first_difference
    return answer.counters


@pytest.mark.slow
@pytest.mark.parametrize("case", [0, 2])
def test_a_few_samples(case, quick):
    assert agree(*CASES[case], 12, quick)["attempts"] > 100


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "device"), CASES)
def test_two_hundred_samples(preset, device, simulator):
    assert agree(preset, device, 200, simulator)["attempts"] > 1000
