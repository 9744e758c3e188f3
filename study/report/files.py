"""Charts as files."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...contract.errors import ConfigError
from ...contract.results import Result
from ...render import chart_figure
from ...render.chart import Chart
from ...render.figure import SAVERS
from ...system.files import read as read_file
from ...system.files import replace, require_ours, write_json
from .contents import read

RECORD = "figures.json"
"""In the folder of figures: their files' names."""
MOST_BYTES = 16 << 20
"""Of the record."""


@dataclass(frozen=True, kw_only=True)
class FiguresResult(Result):
    """What ``run`` has written."""

    figures: tuple[str, ...]
    """Their names."""
    files: tuple[Path, ...]
    left_out: tuple[str, ...]
    """What could not be read, and why."""


def run(folders: Sequence[str | Path], out: str | Path, formats: Sequence[str] = ("png",),
        overwrite: bool = False) -> FiguresResult:
    """Write every chart of what is in ``folders`` to the folder ``out``, in each of ``formats``, with its data as CSV
    beside it, and `RECORD`, by which they are known later. ``ConfigError`` if there is nothing to show, if a format is
    unknown, or if a file to write is there already and no figure, unless ``overwrite``."""
    for name in formats:
        if name not in SAVERS:
            raise ConfigError(f"format {name}: must be one of {', '.join(SAVERS)}")
    found = read(folders)
    if not found.charts:
        raise ConfigError(f"{', '.join(map(str, folders))}: there is nothing in it of which a figure could be made")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, [f"{name}.{suffix}" for name in found.charts for suffix in ("csv", *formats)], overwrite)
    written = [path for chart in found.charts.values() for path in _write(folder, chart, formats)]
    return FiguresResult(figures=tuple(found.charts), files=tuple(written),
                         left_out=tuple(found.material.left_out))


def _claim(folder: Path, names: Sequence[str], overwrite: bool) -> None:
    """Note in ``folder`` that the files ``names`` are figures. ``ConfigError`` if one is something else, unless
    ``overwrite``."""
    record = folder / RECORD
    ours: list[str] = []
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        ours = [str(name) for name in json.loads(read_file(record, MOST_BYTES))["figures"]]
    for name in set(names) - set(ours):
        require_ours(folder / name, lambda _: False, overwrite)
    require_ours(record, lambda _: bool(ours), overwrite)
    write_json(record, {"figures": sorted({*ours, *names})})


def _write(folder: Path, chart: Chart, formats: Sequence[str]) -> Iterator[Path]:
    """The files of one chart."""
    data = folder / f"{chart.name}.csv"
    replace(data, lambda file: file.write(chart.csv()))
    yield data
    for name in formats:
        path, figure = folder / f"{chart.name}.{name}", chart_figure.draw(chart)  # anew: saving one changes its layout
        replace(path, partial(SAVERS[name], figure))
        yield path
