"""Commands that put figures together: energy, benchmarks, the demonstration."""

from pathlib import Path

import click

from ..config import load
from ..render.text import columns, joules, table
from .common import Answer, answers, data_option


@click.command()
@click.argument("run_folder", metavar="RUN")
@click.option("--costs", metavar="FILE", help="TOML file of costs, instead of study/energy.toml.")
@answers
def energy(run_folder: str, costs: str | None) -> Answer:
    """What the training run in the folder RUN would cost in joules, event by event, beside a digital implementation."""
    from ..study import energy as account

    result = account.run(run_folder, account.load_costs(costs) if costs is not None else None)
    samples = max(result.samples, 1)
    head = {"device": result.kind, "samples trained": f"{result.samples:,}",
            "energy": f"{joules(result.joules)}, {joules(result.joules / samples)} a sample",
            "of this, by placeholders": f"{100 * result.placeholder_share:.1f} %",
            "digital, 32-bit float": f"{joules(result.digital_joules)}, "
                                     f"{joules(result.digital_joules / samples)} a sample",
            "ratio": f"{result.ratio:.1f}" if result.ratio else "none"}
    sides = (result.events, result.digital)
    tables = [columns([{"event": row.event, "number": row.number, "pJ each": row.picojoules,
                        "energy": joules(row.joules), "share": f"{100 * row.share:.1f} %", "standing": row.standing}
                       for row in side]) for side in sides]
    sources = [f"{row.event}: {row.standing}: {row.source}" for side in sides for row in side if row.source]
    return result, "\n".join([table(head), "", tables[0], "", tables[1], "", *sources, *result.notes]), True


@click.command()
@click.option("--out", default="runs/demo", show_default=True, metavar="DIR", help="Folder for what it makes.")
@answers
def demo(out):
    """All of the above on digits-dw5, in a few minutes, with a summary and a picture."""
    from ..study import demo as demonstration

    answer = demonstration.run(load("digits-dw5"), Path(out))
    return answer, demonstration.summary(answer), answer["bit_exact"]


@click.command()
@click.option("--quick", is_flag=True, help="On digits-dw5 only; about a minute.")
@data_option
@click.option("--out", default="runs/bench", show_default=True, metavar="DIR", help="Folder for tables and plot.")
@answers
def bench(quick, data_dir, out):
    """Measure every speed in one run: golden model, RTL, simulators, scaling."""
    from ..study import bench as benchmark

    answer = benchmark.run(quick=quick, data_dir=data_dir, out=out, progress=True)
    return answer, benchmark.summary(answer), True
