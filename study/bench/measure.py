"""Measures everything that a plan asks for."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ...config import Experiment, load
from ...contract.errors import ConfigError
from ...hw.network import Network as Design
from ...render.figure import decorate
from ...sim.bench import complete
from ...sim.benches.compiled import CompiledBench
from ...sim.simulators import runner, toolchain
from ...sim.speed import RtlSpeed, measure
from ...sim.testbenches import tb_speed
from ...system.files import replace
from ...system.progress import bar
from ...train import data
from . import layers, trainers
from .figures import draw
from .markdown import report
from .plan import BATCHES, FULL, QUICK, SIMULATORS, TRAINERS, Plan, Simulator, Trainer
from .results import (
    BenchResult,
    ColumnsSpeed,
    LanesSpeed,
    LayersSpeed,
    Machine,
    ReadsSpeed,
    SimulatorSpeed,
    StartUp,
    TrainerSpeed,
    ratio_to_float32,
)

SMALL = "digits-dw5"
"""The network on which simulators are compared."""
SYNTHETIC_SAMPLES, SYNTHETIC_ACTIVE = 20_000, 150
"""Samples made up where MNIST is missing, and their inputs that are not zero: as many as MNIST has on average."""


def run(*, quick: bool = False, data_dir: str | Path | None = None, out: str | Path = "runs/bench",
        progress: bool = False) -> BenchResult:
    """Measure everything, on ``mnist-dw5`` or, if ``quick``, on ``digits-dw5``; takes minutes, more where simulators
    have to be built. ``out`` takes ``bench.json`` (the result), ``bench.md`` (tables) and ``bench.png`` (of them).

    Raises ``ConfigError`` or ``SimulatorError`` in one line if it cannot be run, ``DifferenceError`` should golden
    model and RTL differ.
    """
    started, plan = time.monotonic(), QUICK if quick else FULL
    toolchain.require("verilator")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None
    experiment = load(plan.preset)
    xs, labels, source = samples_of(experiment, data_dir)
    machine = _machine()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with bar(show=progress, unit=" steps",
                 total=4 + len(plan.lanes) + len(plan.reads) + len(plan.simulator_samples) + len(plan.sizes)) as shown:
            measurement = _Measurement(plan, experiment, xs, labels, shown)
            start, training = measurement.start_up(), measurement.training()
            convolutions = measurement.convolutions(data_dir)
            layers_speed = measurement.layers(data_dir)
            cycles, convolution_cycles = measurement.cycles(), measurement.convolution_cycles(data_dir)
            simulators = measurement.simulators()
            scaling = measurement.scaling()
    finally:
        torch.set_num_threads(threads)
    steady = cycles[0].steady
    if plan.preset != SMALL:
        simulators += (SimulatorSpeed(simulator="compiled", preset=plan.preset, speed=steady),)
    result = BenchResult(
        preset=plan.preset, convolutional=plan.convolutions, quick=quick, data=source, machine=machine,
        golden_vs_float32_batch1=ratio_to_float32(training, "compiled", 1),
        golden_vs_float32_batch32=ratio_to_float32(training, "compiled", 32),
        convolutions_vs_float32=ratio_to_float32(convolutions, "compiled", 1),
        cycles_vs_bound=steady.of_bound, rtl_samples_per_second=steady.samples_per_second,
        start_up=start, training=training, convolutions=convolutions, layers=layers_speed, cycles=cycles,
        convolution_cycles=convolution_cycles, simulators=simulators, scaling=scaling,
        seconds=round(time.monotonic() - started), out=str(folder))
    replace(folder / "bench.json", lambda file: file.write((json.dumps(result.to_json(), indent=2) + "\n").encode()))
    replace(folder / "bench.md", lambda file: file.write(report(result).encode()))
    decorate(folder / "bench.png", lambda file: draw(file, result))
    return result


class _Measurement:
    """The parts of a plan, one after the other on a progress bar."""

    def __init__(self, plan: Plan, experiment: Experiment, xs: torch.Tensor, labels: np.ndarray, shown: tqdm) -> None:
        self._plan, self._experiment, self._xs, self._labels = plan, experiment, xs, labels
        self._shown = shown

    def _step(self, name: str) -> None:
        self._shown.set_description(name)
        self._shown.refresh()

    def start_up(self) -> StartUp:
        self._step("start-up")
        result = start_up(self._plan.preset)
        self._shown.update()
        return result

    def training(self) -> tuple[TrainerSpeed, ...]:
        """Samples a second of every trainer, at each size of mini-batches."""
        self._step("training, in turns")
        plan, experiment, labels = self._plan, self._experiment, self._labels
        order = experiment.sample_order(0, len(labels))
        x = self._xs[order] * torch.tensor(2.0 ** -experiment.input.format.frac)
        wanted, installed = torch.from_numpy(labels[order]), importlib.util.find_spec("aihwkit") is not None
        compared: dict[tuple[Trainer, int], trainers.Training] = {}
        for batch in BATCHES:
            batched = experiment.model_copy(update={"batch": batch})
            compared["float32", batch] = trainers.float32(experiment, x, wanted, batch)
            compared["compiled", batch] = trainers.Golden(batched, self._xs, labels, plan.warm_up, compiled=True)
            compared["reference", batch] = trainers.Golden(batched, self._xs, labels, plan.warm_up, compiled=False)
            if installed:
                compared["aihwkit", batch] = trainers.aihwkit(experiment, x, wanted, batch)
        speeds = trainers.speeds(compared, plan.rounds, plan.round_seconds)
        self._shown.update()
        return tuple(TrainerSpeed(trainer=trainer, batch=batch, speed=speeds.get((trainer, batch)))
                     for trainer in TRAINERS for batch in BATCHES)

    def convolutions(self, data_dir: str | Path | None) -> tuple[TrainerSpeed, ...]:
        """Samples a second of float32 and of the compiled golden model, for a network with convolutions."""
        self._step("training convolutions, in turns")
        plan, experiment = self._plan, load(self._plan.convolutions)
        xs, labels, _ = samples_of(experiment, data_dir)
        x = xs * torch.tensor(2.0 ** -experiment.input.format.frac)
        compared: dict[Trainer, trainers.Training] = {
            "float32": trainers.float32(experiment, x, torch.from_numpy(labels), 1),
            "compiled": trainers.Golden(experiment, xs, labels, plan.warm_up, compiled=True)}
        speeds = trainers.speeds(compared, plan.rounds, plan.round_seconds)
        self._shown.update()
        return tuple(TrainerSpeed(trainer=trainer, batch=1, speed=speed) for trainer, speed in speeds.items())

    def layers(self, data_dir: str | Path | None) -> tuple[LayersSpeed, ...]:
        """Layers among PyTorch's."""
        self._step("layers of PyTorch, in turns")
        plan, convolutional = self._plan, load(self._plan.convolutions)
        maps = samples_of(convolutional, data_dir)[:2]
        found = layers.measure(self._experiment, (self._xs, self._labels), convolutional, maps,
                               warm_up=plan.warm_up, rounds=plan.rounds, seconds=plan.round_seconds)
        self._shown.update()
        return found

    def cycles(self) -> tuple[LanesSpeed, ...]:
        """The RTL with each number of lanes."""
        plan, experiment, rows = self._plan, self._experiment, []
        for lanes in plan.lanes:
            self._step(f"RTL, {lanes} lanes")
            narrowed = experiment if lanes == experiment.layers[0].cols \
                else experiment.replaced(layers={0: {"lanes": lanes, "adcs": None}})
            start, steady = _compiled(narrowed, self._xs, self._labels, [0, max(plan.steady, plan.samples)],
                                      plan.samples)
            rows.append(LanesSpeed(lanes=lanes, start=start, steady=steady))
            self._shown.update()
        return tuple(rows)

    def convolution_cycles(self, data_dir: str | Path | None) -> tuple[ReadsSpeed, ...]:
        """The RTL of the network with convolutions, with each number of reads."""
        plan, experiment, rows = self._plan, load(self._plan.convolutions), []
        xs, labels, _ = samples_of(experiment, data_dir)
        for forward, second in plan.reads:
            self._step(f"RTL of convolutions, {forward} and {second} rows in a clock cycle")
            reads = {"forward_reads": forward, "second_reads": second}
            reading = experiment.replaced(layers={index: reads for index, layer in enumerate(experiment.layers)
                                                  if layer.kind == "conv"})
            start, steady = _compiled(reading, xs, labels, [0, plan.convolutions_steady], plan.convolutions_samples)
            rows.append(ReadsSpeed(**reads, start=start, steady=steady))
            self._shown.update()
        return tuple(rows)

    def simulators(self) -> tuple[SimulatorSpeed, ...]:
        """``SMALL`` on each simulator."""
        rows = []
        for simulator, samples in self._plan.simulator_samples.items():
            self._step(f"{SMALL} on {SIMULATORS[simulator]}")
            rows.append(SimulatorSpeed(simulator=simulator, preset=SMALL, speed=_simulate(simulator, samples)))
            self._shown.update()
        return tuple(rows)

    def scaling(self) -> tuple[ColumnsSpeed, ...]:
        """Golden model and RTL with each number of columns."""
        plan, rows = self._plan, []
        for cols in plan.sizes:
            self._step(f"{cols} columns")
            lanes = min(cols, plan.size_lanes)
            resized = self._experiment.replaced(layers={0: {"cols": cols, "lanes": lanes, "adcs": None}})
            golden = trainers.Golden(resized, self._xs, self._labels, plan.warm_up, compiled=True)
            speed = trainers.speeds({cols: golden}, plan.rounds, plan.round_seconds)[cols]
            measured, = _compiled(resized, self._xs, self._labels, [plan.warm_up], max(1, plan.samples // 3))
            rows.append(ColumnsSpeed(cols=cols, lanes=lanes, compiled=speed, rtl=measured))
            self._shown.update()
        return tuple(rows)


def samples_of(experiment: Experiment, data_dir: str | Path | None) -> tuple[torch.Tensor, np.ndarray, str]:
    """The drives (n, inputs) and labels (n,) of the training set, and what they are: made up if the data set is missing
    and nobody has said where it is."""
    try:
        train = data.load(experiment, data_dir).train
    except ConfigError:
        if data_dir or os.environ.get("SPINLOOM_DATA"):
            raise
    else:
        return (data.drive(train.images, experiment.input.format), train.labels,
                f"{experiment.dataset}, {len(train.labels):,} training samples")
    random, inputs = np.random.default_rng(experiment.seed), experiment.input.count
    labels = random.integers(0, experiment.layers[-1].cols, SYNTHETIC_SAMPLES)
    # Every class has pixels of its own that are never dark, so that there is something to learn.
    shapes = random.random((experiment.layers[-1].cols, inputs)).argsort(1).argsort(1)
    noise = random.random((SYNTHETIC_SAMPLES, inputs), dtype=np.float32)
    chosen = (shapes[labels] < SYNTHETIC_ACTIVE // 2) | (noise < SYNTHETIC_ACTIVE / 2 / inputs)
    images = np.where(chosen, random.integers(1, 256, (SYNTHETIC_SAMPLES, inputs)), 0).astype(np.uint8)
    return (data.drive(images, experiment.input.format), labels,
            f"synthetic, {SYNTHETIC_SAMPLES:,} samples with about {SYNTHETIC_ACTIVE} of {inputs} inputs not zero "
            f"({experiment.dataset} was not found)")


def _machine() -> Machine:
    return Machine(cpu=_cpu(), cores=os.cpu_count(), load_average=round(os.getloadavg()[0], 1), threads=1,
                   python=platform.python_version(), torch=version("torch"), numba=version("numba"),
                   amaranth=version("amaranth"), verilator=version("verilator"), cocotb=version("cocotb"))


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


_START_UP = """\
import json, time
started = time.perf_counter()
from {package}.config import load
from {package}.model.compiled.trainer import CompiledTrainer
from {package}.model.network import Network
imported = time.perf_counter()
CompiledTrainer(Network(load({preset!r})))
print(json.dumps({{"import": imported - started, "compiled": time.perf_counter() - imported}}))
"""


def start_up(preset: str) -> StartUp:
    """How long a fresh process takes until it can train: twice, because what is compiled first is cached then."""
    script = _START_UP.format(package=__package__.partition(".")[0], preset=preset)
    with tempfile.TemporaryDirectory() as cache:
        first, then = (json.loads(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True,
                                                 env=os.environ | {"NUMBA_CACHE_DIR": cache}, check=True).stdout)
                       for _ in range(2))
    return StartUp(import_seconds=then["import"], compiled_first_seconds=first["compiled"],
                   compiled_seconds=then["compiled"])


def _compiled(experiment: Experiment, xs: torch.Tensor, labels: np.ndarray, pretrained: list[int],
              samples: int) -> list[RtlSpeed]:
    """`sim.speed.measure` in a compiled simulation."""
    bench = CompiledBench(Design(geometries=experiment.crossbars, loss=experiment.loss))
    try:
        return complete(measure(bench, experiment, xs, labels, pretrained, samples))
    finally:
        bench.close()


def _simulate(simulator: Simulator, samples: int) -> RtlSpeed | None:
    """What `sim.speed.measure` finds for ``SMALL``; None if the simulator is not installed."""
    experiment = load(SMALL)
    if simulator == "compiled":
        xs, labels, _ = samples_of(experiment, None)
        return _compiled(experiment, xs, labels, [QUICK.steady], samples)[0]
    testbench = tb_speed.SpeedBench(tb_speed.SpeedCase(experiment=experiment, seed=experiment.seed, stall=0.0,
                                                       samples=samples, pretrained=QUICK.steady))
    if simulator == "amaranth":
        return testbench.simulate()
    try:
        toolchain.require(simulator)
    except toolchain.SimulatorError:
        return None
    return runner.run(testbench, simulator)
