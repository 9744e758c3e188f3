"""Commands that put figures together: sweeps, benchmarks, the demonstration."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import load
from ..render.text import cut, table
from .common import Answer, answers, data_option, sweep_options

if TYPE_CHECKING:
    from ..sim.cosim import CosimResult
    from ..study.demo import DemoResult
    from ..study.sweep import SweepResult

MOST_GIVEN, MOST_ERROR = 80, 160
"""Letters of what a failed run was given, and of its error, in a summary."""
NAMED = 10
"""Runs that have failed that a summary names at most; the table names all."""


@click.command()
@click.argument("file", metavar="SWEEP")
@sweep_options
@data_option
@click.option("--out", metavar="DIR", help="Folder of the sweep; default runs/NAME, after the file.")
@answers
def sweep(file: str, workers: int | None, cluster: str | None, retry: bool, data_dir: str | None,
          out: str | None) -> Answer:
    """Train many runs that differ in some fields, as the TOML file SWEEP says, and put them into one table.

    What exists is not trained again, and what was interrupted goes on.
    """
    from ..study import sweep as sweeping

    result = sweeping.run(file, out=out, data_dir=data_dir, workers=workers, cluster=cluster, retry=retry)
    return result, sweep_summary(result), not result.failed


def sweep_summary(result: "SweepResult") -> str:
    """What a sweep has come to, as a short table."""
    rows = {"runs": f"{result.runs:,}", "trained now": f"{result.done:,}", "there already": f"{result.skipped:,}",
            "failed": f"{result.failed:,}"}
    if result.best:
        rows["best"] = f"{result.best.value:g} with " + _given(result.best.fields)
    rows |= {"took": _minutes(round(result.seconds)), "table": f"{result.table}, table.parquet"}
    failed = [f"{failure.run}, {cut(_given(failure.fields), MOST_GIVEN)}: {cut(failure.error, MOST_ERROR)}"
              for failure in result.failures[:NAMED]]
    more = [f"and {result.failed - NAMED:,} more"] if result.failed > NAMED else []
    return "\n".join([table(rows), *(["", "failed:"] if failed else []), *failed, *more])


def _given(fields: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in fields.items())


@click.command()
@click.argument("config", default="digits-dw5", metavar="[CONFIG]")
@data_option
@click.option("--out", default="runs/demo", show_default=True, metavar="DIR", help="Folder for what it makes.")
@answers
def demo(config: str, data_dir: str | None, out: str) -> Answer:
    """All of the above on CONFIG, with a summary and a picture: on digits-dw5, unless given, in a few minutes.

    digits-conv-dw5 is a network with convolutions.
    """
    from ..study import demo as demonstration

    result = demonstration.run(load(config), Path(out), data_dir)
    return result, demo_summary(result), result.bit_exact


def demo_summary(result: "DemoResult") -> str:
    """What the demonstration has found, as a short table."""
    from ..study.demo_figure import size

    trained, synth = result.train, result.synth
    return table({
        "test accuracy, in situ": f"{trained.test_accuracy:.2f} %",
        "floating-point baseline": f"{trained.baseline_accuracy:.2f} %",
        "write pulses in training": f"{trained.write_pulses:,}",
        **{f"golden model = RTL, {cosim.simulator}": _verdict(cosim) for cosim in result.cosim},
        f"size on {synth.part}": size(synth),
        "Verilog": result.generate["files"][0],
        "picture": result.picture,
        "took": _minutes(result.seconds),
    })


def _verdict(cosim: "CosimResult") -> str:
    if not cosim.bit_exact:
        return f"NO: {cosim.first_difference}"
    return (f"yes, every bit, {cosim.samples} samples, {cosim.cycles_per_sample:.0f} clock cycles each "
            f"(bound {cosim.bound_cycles_per_sample:.0f})")


def _minutes(seconds: int) -> str:
    return f"{seconds // 60} min {seconds % 60} s"


@click.command()
@click.option("--quick", is_flag=True, help="On the digits only; about a minute.")
@data_option
@click.option("--out", default="runs/bench", show_default=True, metavar="DIR", help="Folder for tables and plot.")
@answers
def bench(quick: bool, data_dir: str | None, out: str) -> Answer:
    """Measure every speed in one run: golden model, RTL, simulators, scaling."""
    from ..study.bench import measure

    result = measure.run(quick=quick, data_dir=data_dir, out=out, progress=True)
    return result, table({
        "golden model / float32, batch 1": f"{result.golden_vs_float32_batch1:.2f}",
        "golden model / float32, batch 32": f"{result.golden_vs_float32_batch32:.2f}",
        f"golden model / float32, {result.convolutional}": f"{result.convolutions_vs_float32:.2f}",
        "cycles / bound": f"{result.cycles_vs_bound:.3f}",
        "RTL samples a second": f"{result.rtl_samples_per_second:,.0f}",
        "network": result.preset,
        "data": result.data,
        "took": _minutes(result.seconds),
        "tables, plot": f"{result.out}/bench.md, bench.png",
    }), True
