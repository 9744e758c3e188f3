"""Errors, waveforms and the cache of the runner."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
from spinloom.contract.lfsr import initial_state
from spinloom.sim.simulators import runner, toolchain
from spinloom.sim.testbenches.tb_lfsr import LfsrBench
from spinloom.sim.testbenches.testbench import Case
from spinloom.train.difference import DifferenceError


@pytest.fixture
def faulty(monkeypatch):
    """A bench that fails, importable in the simulator's process too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    yield import_module("tb_faulty").FaultyBench
    sys.modules.pop("tb_faulty")


def test_a_difference_is_reported_with_a_waveform(faulty, simulator):
    parameters = Case.random(3)
    with pytest.raises(DifferenceError) as caught:
        runner.run(faulty(parameters), simulator)
    actual = initial_state(parameters.experiment.seed, 0)
    assert str(caught.value) == f"state, layer 1, row 2, col 3: expected 0, actual {actual}"
    assert caught.value.difference.col == 3
    waveform, log = (Path(part.partition(": ")[2]) for part in caught.value.__notes__[0].split("; "))
    assert waveform.stat().st_size > 0
    assert "expected 0" in log.read_text()


def test_any_other_failure_raises(faulty):
    with pytest.raises(runner.SimulationError, match="the simulation on verilator failed: .*lost"):
        runner.run(faulty(Case.random(3, samples=0)), "verilator")


def test_a_waveform_on_request(tmp_path, simulator):
    waveform = tmp_path / "new" / "run.wave"
    runner.run(LfsrBench(Case.random(3, samples=1)), simulator, waves=waveform)
    assert waveform.stat().st_size > 0


def test_an_unchanged_design_is_not_built_again(monkeypatch):
    bench = LfsrBench(Case.random(3, samples=1))
    runner.run(bench)
    monkeypatch.setattr(runner, "_runner", None)
    assert runner.build(runner.to_verilog(bench.component, runner.TOP), "verilator").is_dir()


def test_an_unknown_simulator_is_refused():
    with pytest.raises(toolchain.SimulatorError, match="unknown simulator 'modelsim': use icarus or verilator"):
        runner.run(LfsrBench(Case.random(3)), "modelsim")


def test_a_missing_simulator_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(toolchain.SimulatorError, match="icarus is not installed: apt install iverilog"):
        toolchain.require("icarus")
    with pytest.raises(toolchain.SimulatorError, match="verilator needs perl, and perl was not found: install it; sp"):
        toolchain.require("verilator")


def test_the_environment_is_restored(monkeypatch):
    monkeypatch.delenv("VERILATOR_ROOT", raising=False)
    before = dict(toolchain.os.environ)
    with toolchain.environment():
        assert toolchain.os.environ["PATH"] != before["PATH"]
    assert dict(toolchain.os.environ) == before
