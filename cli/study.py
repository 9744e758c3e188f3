"""Commands that put figures together: benchmarks, the demonstration."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import load
from ..render.text import table
from .common import Answer, answers, data_option

if TYPE_CHECKING:
    from ..sim.cosim import CosimResult
    from ..study.demo import DemoResult


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
