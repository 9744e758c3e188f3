"""The command that reads traces."""

from typing import TYPE_CHECKING, Any

import click

from ..render.text import columns, table
from .common import Answer, answers, replace_option
from .options import Whole

if TYPE_CHECKING:
    from ..study.trace import TraceResult


class _Numbers(click.ParamType):
    """``count`` whole numbers from 0 on, with commas between them."""

    name = "numbers"

    def __init__(self, count: int, example: str) -> None:
        self.count, self.example = count, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if not isinstance(value, str):  # a default
            return value
        parts = value.split(",")
        if len(parts) != self.count or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
            self.fail(f"{value!r} is not {self.count} whole numbers with commas between them, such as {self.example}",
                      param, ctx)
        return tuple(map(int, parts))


@click.command()
@click.argument("run_folder", metavar="RUN")
@click.option("--cell", type=_Numbers(3, "0,12,3"), metavar="L,R,C",
              help="The trajectory of a cell: its layer, row and column.")
@click.option("--layer", type=Whole(0, 14), metavar="L", help="Only the pulses of this layer.")
@click.option("--samples", type=_Numbers(2, "1,1000"), metavar="A,B",
              help="Only the pulses of samples A to B; the first is 1.")
@click.option("--csv", metavar="FILE", help="Write the pulses to FILE.")
@replace_option
@answers
def trace(run_folder: str, cell: tuple[int, int, int] | None, layer: int | None, samples: tuple[int, int] | None,
          csv: str | None, overwrite: bool) -> Answer:
    """Show the write pulses of the run in the folder RUN, which was trained with --trace."""
    if cell is not None and layer is not None:
        raise click.UsageError("--cell names a layer; leave out --layer")
    from ..study import trace as study

    result = study.run(run_folder, cell=cell, layer=layer, csv=csv, overwrite=overwrite,
                       samples=None if samples is None else range(samples[0], samples[1] + 1))
    rows: dict[str, Any] = {"pulses": f"{result.pulses:,}"}
    if result.pulses:
        rows["samples"] = f"{result.first_sample:,} to {result.last_sample:,}"
    if result.csv:
        rows["written to"] = result.csv
    return result, "\n".join([table(rows), *_details(result)]), True


def _details(result: "TraceResult") -> list[str]:
    """The trajectory that was asked for, or the layers with a pulse."""
    rows: list[dict[str, Any]]
    if result.trajectory is not None:
        rows = [{name: pulse[name] for name in ("sample", "before", "asked", "after", "attempt")}
                | {"way": "up" if pulse["up"] else "down", "stage": "verify" if pulse["verify"] else "program"}
                for pulse in result.trajectory]
    else:
        rows = [{"layer": layer.layer, "pulses": layer.pulses, "up": layer.up, "verify": layer.verify,
                 "programmed": layer.programmed, "attempts": layer.pulses / layer.programmed,
                 "at most": layer.most_attempts, "cells pulsed": layer.cells_pulsed, "of": layer.cells}
                for layer in result.layers if layer.pulses]
    return ["", columns(rows)] if rows else []
