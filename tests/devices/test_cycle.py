"""A cycle of pulses is what the golden model makes of them."""

import numpy as np
import pytest
from spinloom.devices.cycle import cycle, pulses
from spinloom.devices.kinds import parse_device
from spinloom.model.device import Cell, Device

DEVICES = [
    {"kind": "ideal"},
    {"kind": "domain_wall", "states": 4, "sigma": 0.4, "offset": 0.2, "variation": 0.3},
    {"kind": "incremental", "states": 6, "up_mean": (1.5, 0.5), "down_mean": (0.2, 1.4, 0.7), "variation": 0.4},
    {"kind": "pcm_pair", "g_max": 4.0, "variation": 0.3},
    {"kind": "mtj", "up": 0.5, "down": (0.0, 0.2, 0.3)},
]


@pytest.mark.parametrize("document", DEVICES, ids=lambda document: document["kind"])
def test_a_cycle_is_what_the_golden_model_makes_of_its_pulses(document):
    tables, random, count = parse_device(document, "test").compile(), np.random.default_rng(1), 20
    half, origin, displacement = pulses(tables), tables.origin, random.integers(-2, 2, size=count)
    words = random.integers(1 << 16, size=(2 * half, count))
    device = Device(tables)
    cells = [Cell(0 if tables.pair else origin, displacement=int(each)) for each in displacement]
    for place in range(2 * half):
        aim = place + 1 if place < half else 2 * half - place - 1
        for cell, word in zip(cells, words[place].tolist(), strict=True):
            device.pulse(cell, word, toward=aim, up=place < half)
        expected = [cell.g - (0 if tables.pair else origin) for cell in cells]
        assert cycle(tables, words, displacement)[place + 1].tolist() == expected


@pytest.mark.parametrize(("document", "count"), [
    ({"kind": "domain_wall", "states": 5}, 4),
    ({"kind": "incremental", "states": 9, "up_mean": 1.0, "down_mean": 1.0}, 12),
    ({"kind": "incremental", "states": 64, "sub_bits": 6, "up_mean": 0.01, "down_mean": 0.01}, 400),
    ({"kind": "incremental", "up_mean": 0.0, "down_mean": 0.0}, 192),
    ({"kind": "mtj", "up": 0.25, "down": 0.25}, 12),
    ({"kind": "mtj", "up": 0.0, "down": 0.0}, 400),
])
def test_a_cycle_is_long_enough_to_reach_the_highest_state(document, count):
    assert pulses(parse_device(document, "test").compile()) == count
