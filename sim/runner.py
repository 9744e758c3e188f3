"""Builds a design for a simulator, once, and runs a testbench on it."""

import hashlib
import json
import logging
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib.metadata import version as installed_version
from pathlib import Path
from xml.etree import ElementTree

import cocotb
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import VerilatorControlFile, get_runner

from ..contract.errors import SpinloomError
from ..hw.export.verilog import to_verilog
from ..train.difference import Difference, DifferenceError
from . import toolchain
from .testbenches.testbench import OUTCOME, PARAMETERS, Testbench

TOP = "top"
"""Name of the simulated module."""
_TIMESCALE = ("1ns", "1ps")
_PUBLIC = f'`verilator_config\npublic_flat_rw -module "{TOP}" -var "*"\n'
"""Only the ports and signals of the top level are accessible from Python."""
_BUILD_ARGS = {"verilator": ["-O3", "--threads", "1", "-Wno-fatal", "-Wno-lint", "--noassert"], "icarus": []}
_TRACES = {"verilator": "dump.vcd", "icarus": f"{TOP}.fst"}


class SimulationError(SpinloomError, RuntimeError):
    """A simulation that could not be built or did not come to an end, in one line that names its log."""


def run(testbench: Testbench, simulator: toolchain.Simulator = "verilator", waves: Path | None = None):
    """Run ``testbench``, whose module must hold its cocotb test, and return what ``exercise`` returned.

    The design is built in the cache and built again only if it changes. A run that fails is repeated with a
    waveform, kept with the log in the cache; ``waves`` names a file to which a waveform is written in any case.

    Raises ``DifferenceError`` (golden model and design differ), ``SimulationError`` (anything else that went
    wrong), ``SimulatorError`` (the simulator cannot be used).
    """
    toolchain.require(simulator)
    verilog = to_verilog(testbench.component, TOP)
    runs = toolchain.cache_folder() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    name = type(testbench).__module__.rpartition(".")[2]
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-{simulator}-{testbench.case.seed}-", dir=runs))
    try:
        built = build(verilog, simulator, waves is not None)
        answer = _simulate(testbench, simulator, built, folder, waves is not None)
    except (DifferenceError, SimulationError) as error:
        if waves is None:
            trace = _trace(testbench, simulator, verilog, folder)
        else:
            trace = waves
            _keep(folder / _TRACES[simulator], waves)
        error.add_note(f"waveform: {trace}; log: {folder / 'log'}")
        raise
    if waves is not None:
        _keep(folder / _TRACES[simulator], waves)
    shutil.rmtree(folder)
    return answer


def _keep(trace: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(trace, destination)


def _trace(testbench: Testbench, simulator: toolchain.Simulator, verilog: str, folder: Path) -> Path:
    """Repeat a failed run in ``folder``, now with a waveform."""
    with suppress(DifferenceError, SimulationError):  # the failure that is being traced
        _simulate(testbench, simulator, build(verilog, simulator, waves=True), folder, waves=True)
    return folder / _TRACES[simulator]


def build(verilog: str, simulator: toolchain.Simulator, waves: bool = False) -> Path:
    """The folder of the simulator of the module ``TOP`` in ``verilog``: from the cache if it is there.

    Verilator's own library, two thirds of the build of a small design, is compiled once for all of them.
    """
    # A simulator is linked against the libraries of this very installation of cocotb.
    recipe = [simulator, waves, toolchain.version(simulator), installed_version("cocotb"), cocotb.__file__,
              _BUILD_ARGS[simulator], _PUBLIC, _TIMESCALE]
    builds = toolchain.cache_folder() / "builds"
    folder, runtime = builds / _digest([verilog, recipe]), builds / f"runtime-{_digest(recipe)}"
    if folder.is_dir():
        return folder
    builds.mkdir(parents=True, exist_ok=True)
    # Built aside and moved when complete, so that an interrupted or a concurrent build does no harm.
    temporary = Path(tempfile.mkdtemp(prefix="build-", dir=builds))
    source, control, log = temporary / f"{TOP}.v", temporary / "public.vlt", temporary / "log"
    source.write_text(verilog, encoding="utf-8")
    control.write_text(_PUBLIC, encoding="utf-8")
    sources = [source] if simulator == "icarus" else [VerilatorControlFile(control), source]
    if runtime.is_dir():
        shutil.copytree(runtime, temporary, dirs_exist_ok=True, copy_function=shutil.copyfile)
    with toolchain.environment():
        try:
            _runner(simulator).build(sources=sources, hdl_toplevel=TOP, build_args=_BUILD_ARGS[simulator],
                                     build_dir=temporary, timescale=_TIMESCALE, waves=waves, log_file=log)
        except (subprocess.CalledProcessError, SystemExit):
            raise SimulationError(f"{simulator} could not build the design: see {log}") from None
    if simulator == "verilator" and not runtime.is_dir():
        objects = Path(tempfile.mkdtemp(prefix="runtime-", dir=builds))
        for compiled in temporary.glob("verilated*.o"):
            shutil.copyfile(compiled, objects / compiled.name)
        _publish(objects, runtime)
    _publish(temporary, folder)
    return folder


def _digest(recipe: list) -> str:
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:24]


def _publish(temporary: Path, folder: Path) -> None:
    """Move a complete folder to where others look for it."""
    try:
        temporary.rename(folder)
    except OSError:
        shutil.rmtree(temporary)  # somebody else was faster


def _runner(simulator: toolchain.Simulator):
    runner = get_runner(simulator)
    runner.log.setLevel(logging.CRITICAL)
    return runner


def _simulate(testbench: Testbench, simulator: toolchain.Simulator, built: Path, folder: Path, waves: bool):
    """Run ``testbench`` on the simulator in ``built``, in ``folder``."""
    results, outcome, log = folder / "results.xml", folder / "outcome.json", folder / "log"
    outcome.unlink(missing_ok=True)
    runner = _runner(simulator)
    with toolchain.environment(), suppress(SystemExit):  # what went wrong is in the results
        runner.test(
            test_module=type(testbench).__module__, hdl_toplevel=TOP, hdl_toplevel_lang="verilog",
            build_dir=built, test_dir=folder, results_xml=str(results), log_file=log, waves=waves,
            plusargs=[f"+dumpfile_path={folder / _TRACES[simulator]}"] if simulator == "icarus" else [],
            extra_env={PARAMETERS: testbench.case.to_json(), OUTCOME: str(outcome),
                       "COCOTB_REWRITE_ASSERTION_FILES": ""})  # else every import of the process is recompiled
    answer = json.loads(outcome.read_text(encoding="utf-8")) if outcome.is_file() else {}
    if "difference" in answer:
        raise DifferenceError(Difference(**answer["difference"]))
    try:
        tests, failed = get_results(results)
    except RuntimeError:
        raise SimulationError(f"the simulation on {simulator} ended abnormally: see {log}") from None
    if failed or not tests:
        raise SimulationError(f"the simulation on {simulator} failed: {_reason(results)}")
    return answer.get("returned")


def _reason(results: Path) -> str:
    """The message of the first failure in cocotb's results."""
    for failure in ElementTree.parse(results).iter():
        if failure.tag in ("failure", "error"):
            return failure.get("error_msg") or failure.get("message") or "no reason given"
    return "no test was run"
