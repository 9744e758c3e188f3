"""Charts as files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...contract.errors import ConfigError
from ...contract.results import Result
from ...render import chart_figure
from ...render.chart import Chart
from ...render.figure import SAVERS
from ...system.files import replace
from .contents import read


@dataclass(frozen=True, kw_only=True)
class FiguresResult(Result):
    """What ``run`` has written."""

    figures: tuple[str, ...]
    """Their names."""
    files: tuple[Path, ...]
    left_out: tuple[str, ...]
    """What could not be read, and why."""


def run(folders: Sequence[str | Path], out: str | Path, formats: Sequence[str] = ("png",)) -> FiguresResult:
    """Write every chart of what is in ``folders`` to the folder ``out``, in each of ``formats``, with its data as CSV
    beside it. ``ConfigError`` if there is nothing to show, or if a format is unknown."""
    for name in formats:
        if name not in SAVERS:
            raise ConfigError(f"format {name}: must be one of {', '.join(SAVERS)}")
    found = read(folders)
    if not found.charts:
        raise ConfigError(f"{', '.join(map(str, folders))}: there is nothing in it of which a figure could be made")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    written = [path for chart in found.charts.values() for path in _write(folder, chart, formats)]
    return FiguresResult(figures=tuple(found.charts), files=tuple(written),
                         left_out=tuple(found.material.left_out))


def _write(folder: Path, chart: Chart, formats: Sequence[str]) -> Iterator[Path]:
    """The files of one chart."""
    data = folder / f"{chart.name}.csv"
    replace(data, lambda file: file.write(chart.csv().encode()))
    yield data
    for name in formats:
        path, figure = folder / f"{chart.name}.{name}", chart_figure.draw(chart)  # anew: saving one changes its layout
        replace(path, partial(SAVERS[name], figure))
        yield path
