"""Banks of crossbars: their files, and what follows from them."""

import copy

import pytest
from spinloom import config, design
from spinloom.contract.bank import banked
from spinloom.contract.errors import ConfigError
from spinloom.contract.lfsr import numbered
from spinloom.devices.kinds import device

from .documents import with_field

DOCUMENT = {
    "device": {"kind": "domain_wall", "variation": 0.1},
    "crossbars": [
        {"input": {"count": 12}, "cols": 6, "lanes": 3},
        {"input": {"map": [6, 5, 2], "kind": "signed", "bits": 5, "frac": 6}, "kind": "conv", "kernel": 3, "cols": 4,
         "bias": True, "device": {"kind": "pcm_pair"}, "converters": {"read_noise": 0.5}, "seed": 9, "number": 17},
    ],
}
CROSSBARS = "\n[[crossbars]]\ninput.count = 12\ncols = 4\n"
FILE = 'device.kind = "ideal"' + CROSSBARS


def bank(document: dict = DOCUMENT) -> design.BankDesign:
    return design.BankDesign.of(design.parse_bank(document, "small"))


def test_geometries_follow_from_the_file():
    first, second = bank().crossbars
    assert (first.inputs, first.cols, first.lanes, first.adcs, first.x.frac) == (12, 6, 3, 3, 8)
    assert (second.rows, second.positions, second.lanes) == (19, 12, 4)
    assert (second.x.kind, second.x.bits, second.x.frac) == ("signed", 5, 6)
    assert (first.device.pair, second.device.pair) == (False, True)
    assert (first.read_noise, second.read_noise) == (0, 8)
    assert (first.index, second.index) == (0, numbered(9, 17)[1])
    assert all(geometry == banked(geometry) for geometry in (first, second))


def test_learning_rates_are_the_largest_that_are_possible():
    for geometry in bank().crossbars:
        lowest, highest = geometry.learning_rate_shifts
        assert highest - lowest == config.RATES
        assert geometry.update_shift(lowest) == 0


def test_cells_differ_by_seed_and_number():
    def cell_seed(**fields):
        document = copy.deepcopy(DOCUMENT)
        document["crossbars"] = [document["crossbars"][0] | fields]
        return bank(document).crossbars[0].cell_seed

    assert cell_seed() == cell_seed(seed=1, number=0) != cell_seed(number=1)
    assert cell_seed(seed=2) != cell_seed()


def test_ternary_drives_have_no_fraction_bits():
    drive = {"count": 4, "kind": "ternary", "bits": 2}
    plain, given = (bank({"device": {"kind": "ideal"}, "crossbars": [
        {"input": drive | more, "cols": 2, "z_frac": 3}]}).crossbars[0].x for more in ({}, {"frac": 0}))
    assert plain == given
    assert (plain.kind, plain.bits, plain.frac) == ("ternary", 2, 0)


def test_what_people_see_of_it():
    small = bank()
    assert (small.name, small.topology, small.loss) == ("small", "12-6, 4C3", None)
    assert [shape.kind for shape in small.shapes] == ["dense", "conv"]
    assert small.description["crossbars"][1]["number"] == 17
    assert [(geometry.lanes, geometry.adcs) for geometry in small.narrowed(2).crossbars] == [(2, 2), (2, 2)]
    assert small.narrowed(2).narrowed(16).crossbars[0].lanes == 6


def test_the_crossbars_of_an_experiment():
    experiment = config.load("digits-conv-dw5")
    alone = design.load("digits-conv-dw5", bank=True)
    assert alone.name == "digits-conv-dw5-bank"
    assert alone.crossbars == tuple(map(banked, experiment.crossbars))
    assert not any(geometry.window.pools for geometry in alone.crossbars)
    assert all(geometry.backward for geometry in alone.crossbars)
    assert design.load("digits-conv-dw5") == experiment


def test_a_file_is_read(tmp_path):
    path = tmp_path / "my bank.toml"
    path.write_text(FILE)
    assert design.load(str(path)).name == "my bank"
    assert design.load(str(path), "mtj").crossbars[0].device == device("mtj").compile()
    (tmp_path / "cells.toml").write_text('kind = "mtj"\n')
    path.write_text('device = "cells.toml"' + CROSSBARS)
    assert design.load(str(path)).crossbars[0].device == device("mtj").compile()


def test_a_bank_is_no_experiment(tmp_path):
    path = tmp_path / "bank.toml"
    path.write_text(FILE)
    with pytest.raises(ConfigError, match=r"bank.toml: describes a bank of crossbars, without a network; estimate, "
                                          "synth, and generate without --axi can take it"):
        config.load(str(path))
    assert config.load_device(str(path)).kind == "ideal"


@pytest.mark.parametrize(("place", "value", "message"), [
    (("loss",), "cross_entropy", "test: loss='cross_entropy': unknown field; allowed are device, init_spread, update"),
    (("layers",), [], "test: layers: unknown field; allowed are"),
    (("crossbars",), [], "test: crossbars: .* at least 1 item"),
    (("crossbars",), [DOCUMENT["crossbars"][0]] * 257, "test: crossbars: .* at most 256 items"),
    (("crossbars",), 3, "test: crossbars=3: must be a list"),
    (("crossbars", 0), 3, r"test: crossbars\[0\]=3: must be a section, with fields of its own"),
    (("crossbars", 0), {"cols": 3}, r"test: crossbars\[0\].input: Field required"),
    (("crossbars", 0, "neuron"), "relu",
     r"test: crossbars\[0\].neuron='relu': unknown field; allowed are kind, cols, .*, input, seed, number, device"),
    (("crossbars", 0, "pool"), 2, r"test: crossbars\[0\].pool=2: unknown field"),
    (("crossbars", 0, "lanes"), 4, r"test: crossbars\[0\].lanes=4: must be one of the divisors 1, 2, 3, 6"),
    (("crossbars", 0, "kernel"), 2, r"test: crossbars\[0\]: kernel=\[2, 2\]: .* use kind='conv', or leave it out"),
    (("crossbars", 0, "seed"), -1, r"test: crossbars\[0\].seed=-1: .* greater than or equal to 0"),
    (("crossbars", 0, "device"), "mtj", r"test: crossbars\[0\].device='mtj': must be a section"),
    (("crossbars", 0, "device"), {"kind": "ideal", "x": 3},
     r"test: crossbars\[0\].device.ideal.x=3: unknown field; allowed are sub_bits, stuck, ageing, retention"),
    (("crossbars", 0, "update"), {"residual": "none"}, r"test: crossbars\[0\]: update.residual='none': rounding="),
    (("crossbars", 0, "init_spread"), 5000, r"test: crossbars\[0\].init_spread=5000: .* less than or equal to 4096"),
    (("crossbars", 1, "kernel"), 7, r"test: crossbars\[1\].kernel=7: must be 1 to 6, as the map is 6 high"),
    (("crossbars", 1, "z_frac"), 24, r"test: crossbars\[1\]: derived adc_shift is -10, must be at least 0: lower"),
    (("crossbars", 0, "input"), {"frac": 3}, r"test: crossbars\[0\].input: needs a count of inputs"),
    (("crossbars", 0, "input"), {"count": 4, "x": 1},
     r"test: crossbars\[0\].input.x=1: unknown field; allowed are map, count, kind, bits, frac"),
    (("crossbars", 0, "input"), {"count": 4000}, r"test: crossbars\[0\].rows=4000: must be 1 to 2048"),
    (("crossbars", 0, "input"), {"count": 4, "frac": 25}, r"test: crossbars\[0\].input.frac=25: .* equal to 24"),
])
def test_a_wrong_field_is_named_in_one_line(place, value, message):
    document = with_field(DOCUMENT, place, value)
    with pytest.raises(ConfigError, match=message) as caught:
        design.parse_bank(document, "test")
    assert "\n" not in str(caught.value)
