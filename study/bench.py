"""Every speed of Spinloom, measured in one run; ratios of figures from the same run are the result."""

import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ..config import Experiment, load
from ..contract.errors import ConfigError
from ..contract.hashing import sample_order
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..render.figure import decorate
from ..system.files import replace
from ..train import data

LEARNING_RATE = 0.01
"""Of the floating-point descents, whose speed does not depend on it."""
SYNTHETIC_SAMPLES, SYNTHETIC_ACTIVE = 20_000, 150
"""Samples made up where MNIST is missing, and their inputs that are not zero: as many as MNIST has on average."""
PACKAGES = ("torch", "numba", "amaranth", "verilator", "cocotb")
TRAINERS = {
    "float32": "PyTorch float32, SGD",
    "kernel": "golden model, compiled",
    "reference": "golden model, reference",
    "aihwkit": "aihwkit, MixedPrecisionCompound",
}
SIMULATORS = {
    "amaranth": "Amaranth's simulator",
    "icarus": "Icarus, cocotb",
    "verilator": "Verilator, cocotb",
    "compiled": "Verilator, compiled driver",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured."""

    preset: str
    rounds: int
    round_seconds: float
    """Each trainer's time in a round; trainers take turns, and the median over the rounds counts."""
    warm_up: int
    """Samples that the golden model has trained on before its speed is measured."""
    lanes: tuple[int, ...]
    """Of the first crossbar, most first; the first are all of them."""
    steady: int
    """Samples that the golden model has trained on before the steady state of the RTL is measured."""
    samples: int
    """Samples that the RTL trains on in every measurement."""
    simulator_samples: dict[str, int]
    """Likewise, of ``digits-dw5`` on each simulator."""
    sizes: tuple[int, ...]
    """Columns of the first crossbar in the measurement of scaling."""
    size_lanes: int
    """Lanes of the first crossbar there: few, so that the largest design is built in minutes."""


FULL = Plan(preset="mnist-dw5", rounds=5, round_seconds=1.0, warm_up=10_000, lanes=(250, 50, 25), steady=10_000,
            samples=300, simulator_samples={"amaranth": 20, "icarus": 20, "verilator": 400, "compiled": 400},
            sizes=(128, 256, 512, 1024, 2048), size_lanes=32)
QUICK = Plan(preset="digits-dw5", rounds=3, round_seconds=0.15, warm_up=1000, lanes=(32, 8), steady=1000, samples=200,
             simulator_samples={"amaranth": 4, "verilator": 100, "compiled": 100}, sizes=(32,), size_lanes=8)


def run(*, quick: bool = False, data_dir: str | Path | None = None, out: str | Path = "runs/bench",
        progress: bool = False) -> dict:
    """Measure everything, on ``mnist-dw5`` or, if ``quick``, on ``digits-dw5``; takes minutes, more where simulators
    have to be built. ``out`` takes ``bench.json`` (the answer), ``bench.md`` (tables) and ``bench.png`` (of them).

    The answer: ``golden_vs_float32_batch1`` and ``_batch32``, samples a second of the compiled golden model as a
    multiple of PyTorch's in float32, in CPU time; ``cycles_vs_bound``, with all lanes and in steady state;
    ``rtl_samples_per_second``, of the compiled simulation with all lanes; the tables ``training``, ``start_up``,
    ``cycles``, ``simulators`` and ``scaling``; and ``preset``, ``quick``, ``data``, ``machine``, ``seconds``, ``out``.

    Raises ``ConfigError`` or ``SimulatorError`` in one line if it cannot be run, ``DifferenceError`` should golden
    model and RTL differ.
    """
    from ..sim.simulators import toolchain

    started, plan = time.monotonic(), QUICK if quick else FULL
    toolchain.require("verilator")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None
    experiment = load(plan.preset)
    xs, labels, source = _samples(experiment, data_dir)
    answer = {"preset": plan.preset, "quick": quick, "data": source, "machine": _machine()}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tqdm(total=2 + len(plan.lanes) + len(plan.simulator_samples) + len(plan.sizes), unit=" steps",
                  disable=not progress) as bar:
            tables = _measure(plan, experiment, xs, labels, bar)
    finally:
        torch.set_num_threads(threads)
    steady = tables["cycles"][0]["steady"]
    answer |= {f"golden_vs_float32_batch{batch}": _ratio(tables["training"], "kernel", batch) for batch in (1, 32)}
    answer |= {"cycles_vs_bound": steady["cycles"] / steady["bound_cycles"],
               "rtl_samples_per_second": steady["samples"] / steady["seconds"]}
    answer |= tables | {"seconds": round(time.monotonic() - started), "out": str(folder)}
    replace(folder / "bench.json", lambda file: file.write((json.dumps(answer, indent=2) + "\n").encode()))
    replace(folder / "bench.md", lambda file: file.write(report(answer).encode()))
    decorate(folder / "bench.png", lambda file: draw(answer, file))
    return answer


def _measure(plan: Plan, experiment: Experiment, xs: torch.Tensor, labels: np.ndarray, bar: tqdm) -> dict:
    """The tables of the answer."""
    def step(name: str) -> None:
        bar.set_description(name)
        bar.refresh()

    tables: dict = {}
    step("start-up")
    tables["start_up"] = _start_up(plan.preset)
    bar.update()
    step("training, in turns")
    tables["training"] = _training(plan, experiment, xs, labels)
    bar.update()

    tables["cycles"] = []
    for lanes in plan.lanes:
        step(f"RTL, {lanes} lanes")
        narrowed = experiment if lanes == experiment.layers[0].cols else experiment.replaced(
            layers={0: {"lanes": lanes, "adcs": None}})
        start, steady = _compiled(narrowed, xs, labels, [0, max(plan.steady, plan.samples)], plan.samples)
        tables["cycles"].append({"lanes": lanes, "start": start, "steady": steady})
        bar.update()

    tables["simulators"] = []
    for simulator, samples in plan.simulator_samples.items():
        step(f"digits-dw5 on {SIMULATORS[simulator]}")
        tables["simulators"].append({"simulator": simulator, "preset": "digits-dw5"} | _simulate(simulator, samples))
        bar.update()
    if plan.preset != "digits-dw5":
        tables["simulators"].append({"simulator": "compiled", "preset": plan.preset} | tables["cycles"][0]["steady"])

    tables["scaling"] = []
    for cols in plan.sizes:
        step(f"{cols} columns")
        resized = experiment.replaced(layers={0: {"cols": cols, "lanes": min(cols, plan.size_lanes), "adcs": None}})
        golden = _Golden(resized, xs, labels, plan.warm_up, compiled=True)
        speed = _speeds({"kernel": golden}, plan.rounds, plan.round_seconds)["kernel"]
        measured, = _compiled(resized, xs, labels, [plan.warm_up], max(1, plan.samples // 3))
        tables["scaling"].append({"cols": cols, "lanes": resized.layers[0].lanes, "kernel": speed, "rtl": measured})
        bar.update()
    return tables


def _samples(experiment: Experiment, data_dir: str | Path | None) -> tuple[torch.Tensor, np.ndarray, str]:
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


def _machine() -> dict:
    """What the absolute figures depend on."""
    return {"cpu": _cpu(), "cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1), "threads": 1,
            "python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


class _Trainer(Protocol):
    def train(self, count: int) -> None:
        """Train on ``count`` samples."""


class _Golden:
    """The golden model, ``compiled`` or not, always from the state after ``warm_up`` samples."""

    def __init__(self, experiment: Experiment, xs: torch.Tensor, labels: np.ndarray, warm_up: int,
                 compiled: bool) -> None:
        self._network = Network(experiment)
        self._experiment, self._xs, self._labels = experiment, xs, labels
        self._trainer, self._start = CompiledTrainer(self._network), 0
        self._train(range(warm_up))
        self._state, self._start = self._network.state(), warm_up
        if not compiled:
            self._trainer = self._network

    def train(self, count: int) -> None:
        self._network.load(self._state)
        self._train(range(self._start, self._start + count))

    def _train(self, span: range) -> None:
        size, first = len(self._labels), span.start
        while first < span.stop:
            epoch, sample = divmod(first, size)
            stop = min(size, sample + span.stop - first)
            self._trainer.train_span(self._xs, self._labels, sample_order(self._experiment.seed, epoch, size),
                                     range(sample, stop), self._experiment.learning_rate_shift(epoch))
            first += stop - sample


class _Descent:
    """Gradient descent on cross-entropy by PyTorch, in mini-batches of ``batch``; ``step`` takes the loss of each."""

    def __init__(self, network: nn.Module, step: Callable[[torch.Tensor], None], x: torch.Tensor, labels: torch.Tensor,
                 batch: int) -> None:
        self._network, self._step, self._batch = network, step, batch
        self._x, self._labels = x.split(batch), labels.split(batch)
        self._next = 0

    def train(self, count: int) -> None:
        for _ in range(-(-count // self._batch)):
            z = self._network(self._x[self._next])
            self._step(nn.functional.cross_entropy(z, self._labels[self._next]))
            self._next = (self._next + 1) % len(self._x)


def _float32(experiment: Experiment, x: torch.Tensor, labels: torch.Tensor, batch: int) -> _Descent:
    """The same topology in float32. The weights are changed in place, which is quicker than any ``torch.optim.SGD``."""
    modules, inputs = [], experiment.input.count
    for layer in experiment.layers:
        modules += [nn.Linear(inputs, layer.cols, bias=layer.bias), nn.ReLU()]
        inputs = layer.cols
    network = nn.Sequential(*modules[:-1])
    weights = list(network.parameters())

    def step(loss: torch.Tensor) -> None:
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(gradient, alpha=LEARNING_RATE)

    return _Descent(network, step, x, labels, batch)


def _aihwkit(experiment: Experiment, x: torch.Tensor, labels: torch.Tensor, batch: int) -> _Descent:
    """The same topology in aihwkit: its mixed-precision compound of soft-bounds devices."""
    from aihwkit.nn import AnalogLinear, AnalogSequential
    from aihwkit.optim import AnalogSGD
    from aihwkit.simulator.configs import DigitalRankUpdateRPUConfig, MixedPrecisionCompound, SoftBoundsDevice

    modules, inputs = [], experiment.input.count
    for layer in experiment.layers:
        rule = DigitalRankUpdateRPUConfig(device=MixedPrecisionCompound(device=SoftBoundsDevice()))
        modules += [AnalogLinear(inputs, layer.cols, bias=layer.bias, rpu_config=rule), nn.ReLU()]
        inputs = layer.cols
    network = AnalogSequential(*modules[:-1])
    optimizer = AnalogSGD(network.parameters(), lr=LEARNING_RATE)
    optimizer.regroup_param_groups(network)

    def step(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return _Descent(network, step, x, labels, batch)


def _training(plan: Plan, experiment: Experiment, xs: torch.Tensor, labels: np.ndarray) -> list[dict]:
    """Samples a second of every trainer at batch 1 and 32; None where it is not installed."""
    order = sample_order(experiment.seed, 0, len(labels))
    x = xs[order] * torch.tensor(2.0 ** -experiment.input.format.frac)
    wanted, installed = torch.from_numpy(labels[order]), importlib.util.find_spec("aihwkit") is not None
    trainers: dict[tuple[str, int], _Trainer] = {}
    for batch in (1, 32):
        batched = experiment.replaced(batch=batch)
        trainers["float32", batch] = _float32(experiment, x, wanted, batch)
        trainers["kernel", batch] = _Golden(batched, xs, labels, plan.warm_up, compiled=True)
        trainers["reference", batch] = _Golden(batched, xs, labels, plan.warm_up, compiled=False)
        if installed:
            trainers["aihwkit", batch] = _aihwkit(experiment, x, wanted, batch)
    speeds = _speeds(trainers, plan.rounds, plan.round_seconds)
    return [{"trainer": name, "batch": batch, "speed": speeds.get((name, batch))}
            for name in TRAINERS for batch in (1, 32)]


def _speeds(trainers: dict, rounds: int, seconds: float) -> dict:
    """``{"samples_per_second", "samples_per_cpu_second"}`` of each trainer, the medians over ``rounds`` of ``seconds``,
    in which they take turns."""
    counts = {name: _calibrate(trainer, seconds) for name, trainer in trainers.items()}
    rates: dict = {name: [] for name in trainers}
    for _ in range(rounds):
        for name, trainer in trainers.items():
            wall, cpu = time.perf_counter(), time.process_time()
            trainer.train(counts[name])
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            rates[name].append((counts[name] / wall, counts[name] / max(cpu, 1e-9)))
    return {name: {"samples_per_second": statistics.median(wall for wall, _ in pairs),
                   "samples_per_cpu_second": statistics.median(cpu for _, cpu in pairs)}
            for name, pairs in rates.items()}


def _calibrate(trainer: _Trainer, seconds: float) -> int:
    """Samples, a multiple of the mini-batches' 32, that take about ``seconds``."""
    count = 32
    while True:
        started = time.perf_counter()
        trainer.train(count)
        elapsed = time.perf_counter() - started
        if elapsed >= seconds / 4:
            return max(32, round(count * seconds / elapsed / 32) * 32)
        count *= 4


def _ratio(training: list[dict], trainer: str, batch: int) -> float:
    """Speed of ``trainer`` as a multiple of float32's, in CPU time."""
    speeds = {row["trainer"]: row["speed"] for row in training if row["batch"] == batch}
    return speeds[trainer]["samples_per_cpu_second"] / speeds["float32"]["samples_per_cpu_second"]


_START_UP = """\
import json, time
started = time.perf_counter()
from {package}.config import load
from {package}.model.compiled.trainer import CompiledTrainer
from {package}.model.network import Network
imported = time.perf_counter()
CompiledTrainer(Network(load({preset!r})))
print(json.dumps({{"import": imported - started, "kernel": time.perf_counter() - imported}}))
"""


def _start_up(preset: str) -> dict:
    """Seconds until a fresh process can train: imports, and a kernel that is compiled or read from the cache."""
    script = _START_UP.format(package=__package__.partition(".")[0], preset=preset)
    with tempfile.TemporaryDirectory() as cache:
        runs = [json.loads(subprocess.run([sys.executable, "-c", script], env=os.environ | {"NUMBA_CACHE_DIR": cache},
                                          stdout=subprocess.PIPE, text=True, check=True).stdout) for _ in range(2)]
    return {"import_seconds": runs[1]["import"], "kernel_first_seconds": runs[0]["kernel"],
            "kernel_seconds": runs[1]["kernel"]}


def _compiled(experiment: Experiment, xs: torch.Tensor, labels: np.ndarray, pretrained: list[int],
              samples: int) -> list[dict]:
    """`sim.speed.measure` in a compiled simulation."""
    from ..hw.network import Network as Design
    from ..sim.bench import complete
    from ..sim.benches.compiled import CompiledBench
    from ..sim.speed import measure

    bench = CompiledBench(Design(geometries=experiment.crossbars, loss=experiment.loss))
    try:
        speeds = complete(measure(bench, experiment, xs, labels, pretrained, samples))
        return [speed.to_json() for speed in speeds]
    finally:
        bench.close()


def _simulate(simulator: str, samples: int) -> dict:
    """What `sim.speed.measure` finds for ``digits-dw5``; nothing if the simulator is not installed."""
    from ..sim.simulators import runner, toolchain
    from ..sim.testbenches.tb_speed import SpeedBench, SpeedCase

    experiment = load("digits-dw5")
    if simulator == "compiled":
        xs, labels, _ = _samples(experiment, None)
        return _compiled(experiment, xs, labels, [QUICK.steady], samples)[0]
    testbench = SpeedBench(SpeedCase(experiment=experiment, seed=experiment.seed, stall=0.0, samples=samples,
                                           pretrained=QUICK.steady))
    if simulator == "amaranth":
        return testbench.simulate().to_json()
    try:
        toolchain.require(simulator)
    except toolchain.SimulatorError:
        return {}
    return runner.run(testbench, simulator).to_json()


def summary(answer: dict) -> str:
    """The answer of ``run`` in a few lines."""
    rows = {
        "golden model / float32, batch 1": f"{answer['golden_vs_float32_batch1']:.2f}",
        "golden model / float32, batch 32": f"{answer['golden_vs_float32_batch32']:.2f}",
        "cycles / bound": f"{answer['cycles_vs_bound']:.3f}",
        "RTL samples a second": f"{answer['rtl_samples_per_second']:,.0f}",
        "network": answer["preset"],
        "data": answer["data"],
        "took": f"{answer['seconds'] // 60} min {answer['seconds'] % 60} s",
        "tables, plot": f"{answer['out']}/bench.md, bench.png",
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def _table(header: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [header, ("---", *("---:" for _ in header[1:])), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _rates(measured: dict) -> tuple[str, ...]:
    """Cycles and samples a second, and samples a second of CPU time."""
    return (f"{measured['cycles'] / measured['seconds']:,.0f}", f"{measured['samples'] / measured['seconds']:,.1f}",
            f"{measured['samples'] / max(measured['cpu_seconds'], 1e-9):,.1f}")


def report(answer: dict) -> str:
    """The answer of ``run`` as Markdown."""
    machine, start_up = answer["machine"], answer["start_up"]
    training = []
    for row in answer["training"]:
        name, speed = TRAINERS[row["trainer"]], row["speed"]
        if speed is None:
            training.append((name, row["batch"], "not installed", "", ""))
        else:
            training.append((name, row["batch"], f"{speed['samples_per_second']:,.0f}",
                             f"{speed['samples_per_cpu_second']:,.0f}",
                             f"{_ratio(answer['training'], row['trainer'], row['batch']):.2f}"))
    cycles = [(row["lanes"], place, part["pretrained"], part["samples"], f"{part['cycles'] / part['samples']:.1f}",
               f"{part['bound_cycles'] / part['samples']:.1f}", f"{part['cycles'] / part['bound_cycles']:.3f}",
               f"{part['cycles'] / part['read_cycles']:.3f}",
               *_rates(part)[:2])
              for row in answer["cycles"] for place, part in (("start", row["start"]), ("steady", row["steady"]))]
    simulators = [(SIMULATORS[row["simulator"]], row["preset"],
                   *((row["samples"], *_rates(row)) if "cycles" in row else ("not installed", "", "", "")))
                  for row in answer["simulators"]]
    scaling = [(row["cols"], row["lanes"], f"{row['kernel']['samples_per_second']:,.0f}",
                f"{row['kernel']['samples_per_cpu_second']:,.0f}",
                f"{row['rtl']['cycles'] / row['rtl']['samples']:,.0f}",
                f"{row['rtl']['cycles'] / row['rtl']['bound_cycles']:.3f}", *_rates(row["rtl"])[:2])
               for row in answer["scaling"]]
    return f"""\
Network `{answer['preset']}`; data: {answer['data']}. {machine['cpu']}, {machine['cores']} cores, load average \
{machine['load_average']} before the run; one thread; Python {machine['python']}, \
{', '.join(f"{package} {machine[package]}" for package in PACKAGES)}.

| | |
|---|---:|
| golden model / float32, batch 1 (CPU time) | {answer['golden_vs_float32_batch1']:.2f} |
| golden model / float32, batch 32 (CPU time) | {answer['golden_vs_float32_batch32']:.2f} |
| cycles / bound, all lanes, steady state | {answer['cycles_vs_bound']:.3f} |
| RTL, compiled: samples a second | {answer['rtl_samples_per_second']:,.0f} |

Training on the CPU:

{_table(("trainer", "batch", "samples/s", "samples/s of CPU time", "of float32"), training)}
Start-up: {start_up['import_seconds']:.1f} s of imports; the kernel takes {start_up['kernel_first_seconds']:.1f} s to \
compile, once on a machine, and {start_up['kernel_seconds']:.2f} s from then on.

Cycles of the RTL, and the bound of its memories; lanes are those of the first crossbar:

{_table(("lanes", "state", "trained before", "samples", "cycles/sample", "bound", "of bound", "of reads", "cycles/s",
         "samples/s"),
        cycles)}
Simulators, in steady state:

{_table(("simulator", "network", "samples", "cycles/s", "samples/s", "samples/s of CPU time"), simulators)}
Scaling with the columns of the first crossbar, batch 1; RTL compiled:

{_table(("columns", "lanes", "kernel samples/s", "of CPU time", "RTL cycles/sample", "of bound", "RTL cycles/s",
         "RTL samples/s"), scaling)}"""


def draw(answer: dict, file) -> None:
    """Write the plot, a PNG, of the answer of ``run`` to the binary ``file``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 7.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    (training, cycles), (simulators, scaling) = figure.subplots(2, 2)
    _draw_training(training, answer)
    _draw_cycles(cycles, answer)
    _draw_simulators(simulators, answer)
    _draw_scaling(scaling, answer)
    for axes in (training, cycles, simulators, scaling):
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.savefig(file, format="png", dpi=100)


def _draw_training(axes, answer: dict) -> None:
    rows = [row for row in answer["training"] if row["speed"]]
    names = [name for name in TRAINERS if any(row["trainer"] == name for row in rows)]
    for place, (batch, color) in enumerate(((1, "#1f5fa8"), (32, "#8fb8de"))):
        speeds = [row["speed"]["samples_per_cpu_second"] for row in rows if row["batch"] == batch]
        places = np.arange(len(names)) + (place - 0.5) * 0.38
        bars = axes.barh(places, speeds, 0.36, color=color, label=f"batch {batch}")
        axes.bar_label(bars, [f"{speed:,.0f}" for speed in speeds], padding=3, fontsize=9)
    axes.set_yticks(range(len(names)), [TRAINERS[name].replace(", ", ",\n") for name in names])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.set_title(f"training {answer['preset']}: samples a second of CPU time", loc="left", fontsize=11)
    axes.legend(fontsize=9, frameon=False)


def _draw_cycles(axes, answer: dict) -> None:
    rows = answer["cycles"]
    for place, (state, color) in enumerate((("start", "#f0c48f"), ("steady", "#e08a2c"))):
        ratios = [row[state]["cycles"] / row[state]["bound_cycles"] for row in rows]
        name = "untrained" if state == "start" else "steady state"
        bars = axes.bar(np.arange(len(rows)) + (place - 0.5) * 0.38, ratios, 0.36, color=color, label=name)
        axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=2, fontsize=9)
    axes.axhline(1, color="0.4", linewidth=1)
    axes.set_xticks(range(len(rows)), [f"{row['lanes']} lanes" for row in rows])
    axes.margins(y=0.25)
    axes.set_title("RTL: cycles as a multiple of the memories' bound", loc="left", fontsize=11)
    axes.legend(fontsize=9, frameon=False, loc="upper right")


def _draw_simulators(axes, answer: dict) -> None:
    rows = [row for row in answer["simulators"] if "cycles" in row]
    speeds = [row["cycles"] / row["seconds"] for row in rows]
    bars = axes.barh(range(len(rows)), speeds, 0.6,
                     color=["#1a7f4b" if row["preset"] == "digits-dw5" else "#8cc7a5" for row in rows])
    axes.bar_label(bars, [f"{speed:,.0f}" for speed in speeds], padding=3, fontsize=9)
    axes.set_yticks(range(len(rows)), [f"{SIMULATORS[row['simulator']]}\n{row['preset']}" for row in rows], fontsize=9)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.set_title("simulated cycles a second", loc="left", fontsize=11)


def _draw_scaling(axes, answer: dict) -> None:
    rows = answer["scaling"]
    cols = [row["cols"] for row in rows]
    for name, color, marker, values in (
        ("golden model: samples/s", "#1f5fa8", "o", [row["kernel"]["samples_per_second"] for row in rows]),
        ("RTL, compiled: cycles/s", "#1a7f4b", "s", [row["rtl"]["cycles"] / row["rtl"]["seconds"] for row in rows]),
        ("RTL, compiled: samples/s", "#e08a2c", "^", [row["rtl"]["samples"] / row["rtl"]["seconds"] for row in rows]),
    ):
        axes.plot(cols, values, color=color, marker=marker, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(cols, cols)
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.set_xlabel(f"columns of the first crossbar, {rows[0]['lanes']} lanes")
    axes.set_title("scaling with layer size", loc="left", fontsize=11)
    axes.legend(fontsize=9, frameon=False)
