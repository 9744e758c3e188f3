"""Statistical tests of the machine's random words: they pass as they are, and every fault that is planted is found."""

import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from spinloom.contract import lfsr
from spinloom.study import lfsr_battery, randomness

COUNT = 1 << 16


@pytest.fixture(scope="module")
def good():
    return lfsr_battery.words(lfsr.initial_state(1, 0), COUNT)


def failed(p):
    return {outcome.test for outcome in lfsr_battery.outcomes(p) if outcome.corrected < lfsr_battery.LEVEL}


def biased(words):
    words[::500] = 0x1234
    return words


def stuck(words):
    return words & ~(1 << 7)


def leaning(words):
    """The lowest bit is 0 with 53 %."""
    return words & ~(np.arange(len(words)) % 17 == 0)


def sticky(words):
    """One word in 20 is the one before."""
    words[1::20] = words[::20][:len(words[1::20])]
    return words


def counted(words):
    """Each word once: too regular."""
    return np.arange(len(words)) * 40503 % len(words)


FAULTS = biased, stuck, leaning, sticky, counted


@pytest.mark.parametrize("seed", [1, 2])
def test_words_of_the_machine_pass(seed):
    p = lfsr_battery.tested(lfsr_battery.streams(seed, COUNT)) \
        | lfsr_battery.compared(lfsr_battery.groups(seed, COUNT // 4))
    assert not failed(p)


def test_another_generator_passes_all_tests():
    words = np.random.default_rng(1).integers(0, 1 << 16, COUNT)
    assert not failed(lfsr_battery.tested({"PCG64": words}))
    assert randomness.ranks_p(randomness.matrix_ranks(words, 64)) > 0.01
    assert randomness.linear_complexity(np.random.default_rng(1).integers(0, 2, 512).tolist()) in range(250, 263)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_words_are_found(good, fault):
    assert failed(lfsr_battery.tested({"bad": fault(good.copy())}))


@pytest.mark.parametrize("bit", range(16))
@pytest.mark.parametrize("value", [0, 1])
def test_stuck_bits_are_found(good, bit, value):
    words = good[:1 << 14]
    assert failed(lfsr_battery.tested({"bad": words | 1 << bit if value else words & ~(1 << bit)}))


@pytest.mark.parametrize("test", randomness.WORD_TESTS)
def test_every_test_finds_a_fault(good, test):
    assert min(randomness.WORD_TESTS[test](fault(good.copy())) for fault in FAULTS) < 1e-6


@pytest.mark.parametrize("late", [0, 1])
def test_two_lanes_with_the_same_seed_are_found(late):
    lanes = np.ascontiguousarray(lfsr_battery.lane_words(1, COUNT // 4))
    lanes[5] = np.roll(lanes[2], late)
    assert failed(lfsr_battery.compared({"lanes": lanes})) == {"cross-correlation of words",
                                                               "cross-correlation of noise"}
    states = [lfsr.initial_state(seed, 0) for seed in (*range(30), 7)]
    assert lfsr_battery.closest(states) == 0
    assert lfsr_battery.closest_p(0, len(states)) == 0


def test_places_are_the_steps_from_the_state_1():
    steps = [0, 1, 15, 16, 17, 1 << 20, (1 << 20) + 7, lfsr_battery.PERIOD - 1]
    assert lfsr_battery.places([lfsr.apply(lfsr.jump(number), 1) for number in steps]).tolist() == steps
    layers = [lfsr.initial_state(3, layer) for layer in range(lfsr.MAX_SEGMENTS)]
    assert lfsr_battery.closest(layers) == 1 << lfsr.SEGMENT_BITS


def test_what_an_lfsr_fails_is_seen(good):
    assert set(randomness.matrix_ranks(good, 8)) == {32}
    assert randomness.linear_complexity((good[:64, None] >> np.arange(15, -1, -1) & 1).ravel().tolist()) == 32
    a, b = lfsr_battery.triple()
    words = lfsr_battery.words(5, b + 100)
    assert (words[:100] ^ words[a:a + 100]).tolist() == words[b:].tolist()


def test_p_values_are_those_of_tables():
    """From tables of the distributions: 5 % points."""
    assert randomness.chi_square_p(20.483, 10) == pytest.approx(0.05, rel=1e-3)
    assert randomness.normal_p(1.959964) == pytest.approx(0.05, rel=1e-5)
    assert randomness.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_the_command_puts_its_figures_into_a_page(tmp_path, monkeypatch):
    seeds = []

    def run(given, count):
        seeds.append(given)
        outcome = lfsr_battery.Outcome(test="a test", subject="words", p=1e-9, corrected=1e-7)
        structure = lfsr_battery.Structure(rank=32, rank_p=0.0, linear_complexity=32, linear_complexity_p=0.0,
                                           triple=(1, 2), triple_moment=0.0, triple_deviations=0.0)
        return lfsr_battery.Battery(seeds=given, words=count, outcomes=(outcome,), closest={"a group": 16},
                                    structure=structure)

    monkeypatch.setattr(lfsr_battery, "run", run)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{lfsr_battery.BEGIN}old\n{lfsr_battery.END}\nafter\n")
    found = CliRunner().invoke(lfsr_battery.main, ["--seed", "7", "--json", "--page", os.fspath(page)])
    assert found.exit_code == 1  # a test fails
    assert json.loads(found.stdout)["outcomes"][0]["corrected"] == 1e-7
    assert seeds == [(7,)]
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| a test | 1 | 1e-09 | words | 1e-07 | fails |" in text
    assert "old" not in text
    page.write_text("no marks")
    found = CliRunner().invoke(lfsr_battery.main, ["--page", os.fspath(page)])
    assert found.exit_code == 2
    assert "no lines" in found.stderr
    assert seeds == [(7,)]  # it is refused before anything is computed
    assert page.read_text() == "no marks"
