"""hw.crossbar and its parts against model.crossbar: every primitive, every answer, every bit of state."""

import pytest
from amaranth.back import rtlil
from spinloom.config import parse
from spinloom.hw.crossbar.crossbar import Crossbar
from spinloom.sim.testbenches.tb_crossbar import CrossbarBench
from spinloom.sim.testbenches.testbench import Case


def seeds(*quick):
    """Those of small crossbars; others, up to 31, are for `make test-slow`."""
    return [seed if seed in quick else pytest.param(seed, marks=pytest.mark.slow) for seed in range(32)]


@pytest.mark.parametrize("seed", seeds(0, 1, 2, 3, 4, 8, 11, 15))
def test_agrees_with_golden_twin(seed):
    CrossbarBench(Case.random(seed, stall=(seed % 4) * 0.25, samples=15)).simulate()


@pytest.mark.parametrize("seed", seeds(0, 2, 3, 7, 11))
def test_agrees_with_golden_twin_at_several_positions(seed):
    CrossbarBench(Case.random(seed, convolutions=True, stall=(seed % 4) * 0.25, samples=10)).simulate()


@pytest.mark.parametrize("seed", seeds(4, 5, 6, 8, 9, 25))
def test_agrees_with_golden_twin_with_several_reads(seed):
    CrossbarBench(Case.random(seed, convolutions=True, reads=True, stall=(seed % 4) * 0.25, samples=8)).simulate()


def test_elaborates_to_the_same_twice():
    document = {"input": {"count": 12}, "device": {"kind": "mtj"}, "layers": [{"cols": 3, "ports": 2}]}
    crossbar = Crossbar(geometry=parse(document, "twice").crossbars[0])
    assert rtlil.convert(crossbar, emit_src=False) == rtlil.convert(crossbar, emit_src=False)
