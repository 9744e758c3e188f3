"""Builds a design for a simulator, once, and runs a testbench on it."""

import json
import logging
import re
import shutil
import subprocess
from contextlib import suppress
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import cocotb
from cocotb_tools import runner as cocotb_runner
from cocotb_tools.check_results import get_results

from ...hw.export.verilog import to_verilog
from ...system import processes
from ...system.temporary import sweep, temporary_folder
from ...train.difference import Difference, DifferenceError
from ..testbenches.testbench import OUTCOME, PARAMETERS, CocotbTestbench
from . import toolchain
from .cache import digest, keep_runtime, lend_runtime, publish
from .toolchain import TOP, SimulationError

R = TypeVar("R")

_TIMESCALE = ("1ns", "1ps")
_BUILD_ARGS = {"verilator": ["-O3", "--threads", "1", "-Wno-fatal", "-Wno-lint", "--noassert"], "icarus": []}
_SMALL = 1_500_000
"""Characters of Verilog. The simulation of a design with fewer spends its time in Python, so to optimise it costs more
than it gains."""
_TRACES = {"verilator": "dump.vcd", "icarus": f"{TOP}.fst"}


def run(testbench: CocotbTestbench[Any, R], simulator: toolchain.Simulator = "verilator",
        waves: Path | None = None, verilog: str | None = None) -> R:
    """Run ``testbench``, whose module must hold its cocotb test, and return what ``exercise`` returned.

    ``verilog`` stands for the testbench's component: what a tool has made of it, as the module ``TOP`` with its ports.

    The design is built in the cache, and built again only if it changes. A run that fails is repeated with a waveform,
    which is kept in the cache with the log. ``waves`` names a file that takes the waveform, whether the run fails or
    not.

    Raises ``DifferenceError`` if golden model and design differ, ``SimulatorError`` if the simulator cannot be used,
    ``SimulationError`` if anything else goes wrong.
    """
    toolchain.require(simulator)
    verilog = verilog or to_verilog(testbench.component, TOP)
    runs = toolchain.cache_folder() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    name = type(testbench).__module__.rpartition(".")[2]
    sweep(runs, name)
    with temporary_folder(f"{name}-{simulator}-{testbench.case.seed}-", runs,
                          keep=(DifferenceError, SimulationError)) as folder:
        try:
            answer = _simulate(testbench, simulator, build(verilog, simulator, waves is not None), folder,
                               waves is not None)
        except (DifferenceError, SimulationError) as error:
            trace = folder / _TRACES[simulator]
            if waves is None:
                _trace(testbench, simulator, verilog, folder)
            else:
                _keep(trace, waves)
            error.add_note(f"waveform: {waves or trace}; log: {folder / 'log'}")
            raise
        if waves is not None:
            _keep(folder / _TRACES[simulator], waves)
    return answer


def _keep(trace: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(trace, destination)


def _trace(testbench: CocotbTestbench[Any, Any], simulator: toolchain.Simulator, verilog: str,
           folder: Path) -> None:
    """Repeat a failed run in ``folder``, now with a waveform."""
    with suppress(DifferenceError, SimulationError, toolchain.FullDiskError):  # the failure that is being traced
        _simulate(testbench, simulator, build(verilog, simulator, waves=True), folder, waves=True)


def build(verilog: str, simulator: toolchain.Simulator, waves: bool = False) -> Path:
    """The folder of the simulator of the module ``TOP`` in ``verilog``: from the cache if it is there."""
    # A simulator is linked against the libraries of this very installation of cocotb.
    recipe = [simulator, waves, toolchain.version(simulator), installed_version("cocotb"), cocotb.__file__,
              _BUILD_ARGS[simulator], _TIMESCALE]
    builds = toolchain.cache_folder() / "builds"
    folder, runtime = builds / digest([verilog, recipe]), builds / f"runtime-{digest(recipe)}"
    if folder.is_dir():
        return folder
    builds.mkdir(parents=True, exist_ok=True)
    sweep(builds, "build-")
    # Built aside and moved when complete, so that an interrupted or a concurrent build does no harm.
    with temporary_folder("build-", builds, keep=(SimulationError,)) as temporary:
        _build(verilog, simulator, waves, temporary, runtime)
        publish(temporary, folder)
    return folder


def _build(verilog: str, simulator: toolchain.Simulator, waves: bool, folder: Path, runtime: Path) -> None:
    """Build in ``folder``, with the objects of Verilator's library in ``runtime`` if they are there."""
    source, control, log = folder / f"{TOP}.v", folder / "public.vlt", folder / "log"
    source.write_text(verilog, encoding="utf-8")
    control.write_text(_public(verilog), encoding="utf-8")
    sources = [source] if simulator == "icarus" else [cocotb_runner.VerilatorControlFile(control), source]
    lend_runtime(runtime, folder)
    with toolchain.environment(optimised=len(verilog) > _SMALL):
        try:
            _runner(simulator).build(sources=sources, hdl_toplevel=TOP, build_args=_BUILD_ARGS[simulator],
                                     build_dir=folder, timescale=_TIMESCALE, waves=waves, log_file=log)
        except (subprocess.CalledProcessError, SystemExit):
            raise toolchain.failure(f"{simulator} could not build the design: see {log}", folder) from None
    if simulator == "verilator":
        keep_runtime(folder, runtime)


def _public(verilog: str) -> str:
    """Verilator's control file that makes the ports of the module ``TOP``, and nothing else, accessible from Python."""
    header = re.search(rf"^module {TOP}\s*\((.*?)\);", verilog, re.MULTILINE | re.DOTALL)
    ports = re.findall(r"[^\s,\\]+", header[1]) if header else ["*"]
    return "`verilator_config\n" + "".join(f'public_flat_rw -module "{TOP}" -var "{port}"\n' for port in ports)


class _Stoppable:
    """A runner of cocotb's whose commands end when this process is asked to stop."""

    env: dict[str, str]

    def _execute_cmds(self, cmds: Any, cwd: Any, stdout: Any = None) -> None:
        for command in cmds:
            processes.run(command, folder=cwd, output=stdout, environment=self.env, temporary=cwd)


class _Icarus(_Stoppable, cocotb_runner.Icarus):
    pass


class _Verilator(_Stoppable, cocotb_runner.Verilator):
    pass


def _runner(simulator: toolchain.Simulator) -> Any:
    runner = _Icarus() if simulator == "icarus" else _Verilator()
    runner.log.setLevel(logging.CRITICAL)
    return runner


def _simulate(testbench: CocotbTestbench[Any, Any], simulator: toolchain.Simulator, built: Path, folder: Path,
              waves: bool) -> Any:
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
    try:
        answer = json.loads(outcome.read_text(encoding="utf-8")) if outcome.is_file() else {}
    except ValueError:
        answer = {}  # the process has ended while it wrote
    if "difference" in answer:
        raise DifferenceError(Difference(**answer["difference"]))
    try:
        tests, failed = get_results(results)
    except (RuntimeError, ElementTree.ParseError):
        raise toolchain.failure(f"the simulation on {simulator} ended abnormally: see {log}", folder) from None
    if failed or not tests:
        raise toolchain.failure(f"the simulation on {simulator} failed: {_reason(results)}", folder)
    return testbench.read(answer.get("returned"))


def _reason(results: Path) -> str:
    """The message of the first failure in cocotb's results."""
    for failure in ElementTree.parse(results).iter():
        if failure.tag in ("failure", "error"):
            return failure.get("error_msg") or failure.get("message") or "no reason given"
    return "no test was run"
