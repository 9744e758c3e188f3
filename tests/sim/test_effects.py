"""Every effect that RTL knows, on a preset shrunk to the digits: golden model and simulated RTL agree in every bit.

Effects that presets have themselves, such as slices of `mnist-dw2x4`, are in `test_presets`.
"""

from typing import Any, NamedTuple

import pytest
from spinloom.config import load
from spinloom.sim import cosim
from spinloom.sim.shrink import shrink

SAMPLES = {"icarus": 12, "verilator": 200}
"""As many as each simulator trains on in a minute or two, its building included."""


class Effect(NamedTuple):
    """What is different from a preset."""

    preset: str
    device: dict[str, Any] | str | None = None
    """Another device, or a published one."""
    changes: dict[str, Any] = {}


AGEING = {"endurance": 2.0, "sticks_at": 0, "bits": 3}
MEASURED = {"kind": "measured", "states": 9, "up": [[0.0, 0.0, 1.0, 3.0], [0.0, 0.5]], "down": [[-0.5, 1.0, 2.0]]}
RELAXING = {"kind": "domain_wall", "stuck": 0.05, "retention": {"half_life": 2000.0, "rest": 1}}
CONVERTERS = {"read_noise": 0.5, "offset": 1.0, "gain": 0.03, "nonlinearity": [-0.5, 0.25, 0.25, -1.0],
              "row_dac_bits": 5, "column_dac_bits": 6}
FIRING = {0: {"neuron": "stochastic", "z_bits": 8, "z_frac": 4}, 1: {"rate_offset": 3}}
EFFECTS = {
    "asymmetric steps": Effect("mnist-dw5", "reram-array"),
    "ageing": Effect("mnist-dw5", {"kind": "domain_wall", "ageing": AGEING}),
    "ageing pairs": Effect("mnist-pcm", {"kind": "pcm_pair", "ageing": {"endurance": 8.0}}),
    "retention": Effect("mnist-dw5", RELAXING),
    "measured steps": Effect("mnist-dw5", MEASURED),
    "converters": Effect("mnist-dw5", changes={"converters": CONVERTERS}),
    "devices in turn": Effect("mnist-dw5", changes={"synapse": {"turns": 3}}),
    "stochastic neurons": Effect("mnist-dw5", changes={"layers": FIRING}),
    "many at once": Effect("mnist-dw5", MEASURED | {"ageing": {"endurance": 4.0}, "retention": {"half_life": 2000.0}},
                           {"converters": CONVERTERS, "layers": FIRING}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EFFECTS)
def test_golden_model_and_rtl_agree(name, simulator):
    effect = EFFECTS[name]
    experiment = shrink(load(effect.preset, effect.device)).replaced(**effect.changes | {"learning_rate_shifts": [3]})
    answer = cosim.run(experiment, samples=SAMPLES[simulator], simulator=simulator)
    assert answer.bit_exact, answer.first_difference
    assert answer.counters["attempts"] > SAMPLES[simulator]
