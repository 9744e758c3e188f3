"""The page: one file of HTML that holds everything it shows, the libraries that draw it among them."""

import base64
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from ...contract.errors import ConfigError, SpinloomError
from ...contract.results import Result, plain
from ...render import chart_figure, chart_page
from ...render.chart import Chart
from ...render.figure import save_svg
from ...system.files import replace, require_ours
from . import summary
from .contents import read
from .material import Material
from .table import FIRST_RESULT, SEED, Study

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE, STYLE, SCRIPT = (Path(__file__).with_name(f"page.{suffix}") for suffix in ("html", "css", "js"))
LIBRARIES = {"plotly": ("plotly", "package_data/plotly.min.js"), "tables": ("itables", "html/dt_bundle.js"),
             "table_style": ("itables", "html/dt_bundle.css")}
"""What the page holds of others: the package that carries it, and where."""
NEEDED = ("plotly", "itables", "jinja2")
GENERATOR = "Spinloom report"
"""Stands at the head of every page, by which it is known."""
CSV, SVG = "text/csv", "image/svg+xml"


class MissingPackageError(SpinloomError):
    """A package that only reports need is not installed."""


@dataclass(frozen=True, kw_only=True)
class ReportResult(Result):
    """What ``run`` has written."""

    out: Path
    """The page."""
    bytes: int
    """Its size."""
    runs: int
    charts: int
    left_out: tuple[str, ...]
    """What could not be read, and why."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the page."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    """Text, numbers or None."""

    def csv(self) -> bytes:
        """The same as CSV, in UTF-8."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.columns, *self.rows])
        return file.getvalue().encode(errors="backslashreplace")


def run(folders: Sequence[str | Path], out: str | Path, overwrite: bool = False) -> ReportResult:
    """Write the page of all that is in ``folders`` to the file ``out``. ``ConfigError`` if there is nothing, or if
    ``out`` cannot be written, or is a file that is no report, unless ``overwrite``;
    ``MissingPackageError`` if a package is missing."""
    _require()
    libraries = {name: _library(*place) for name, place in LIBRARIES.items()}
    path = Path(out)
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else "there is no such folder"
        raise ConfigError(f"{out}: {reason}; name a file to write")
    require_ours(path, lambda head: f'content="{GENERATOR}"'.encode() in head, overwrite)
    found = read(folders)
    tables = list(_tables(found.material))
    page = _template().render(
        generator=GENERATOR, title=_title(folders), summary=summary.summarise(found.material, found.details).to_json(),
        left_out=found.material.left_out, style=STYLE.read_text(), script=SCRIPT.read_text(),
        sections=[{"title": section.title, "charts": [_figure(chart) for chart in section.charts]}
                  for section in found.sections],
        tables=[{"name": table.name, "title": table.title, "data": _embedded(table.csv(), CSV)}
                for table in tables],
        charts=plain({name: chart_page.draw(chart) for name, chart in found.charts.items()}),
        rows=plain({table.name: {"columns": table.columns, "data": table.rows} for table in tables}),
        libraries=libraries | {"tables": base64.b64encode(libraries["tables"].encode()).decode()},
        version=version("spinloom"), sources=", ".join(map(str, folders))).encode(errors="backslashreplace")
    replace(path, lambda file: file.write(page))
    return ReportResult(out=path, bytes=len(page), runs=sum(len(each.rows) for each in found.material.studies),
                        charts=len(found.charts), left_out=tuple(found.material.left_out))


def _title(folders: Sequence[str | Path]) -> str:
    return ", ".join(Path(folder).resolve().name for folder in folders[:3]) + (", ..." if len(folders) > 3 else "")


def _figure(chart: Chart) -> dict[str, str]:
    """A chart as the template shows it: the picture is for paper, and where scripts do not run."""
    picture = io.BytesIO()
    save_svg(chart_figure.draw(chart), picture)
    return {"name": chart.name, "title": chart.title, "note": chart.note, "picture": _embedded(picture.getvalue(), SVG),
            "data": _embedded(chart.csv(), CSV)}


def _tables(material: Material) -> Iterator[Table]:
    for index, study in enumerate(material.studies, start=1):
        yield Table(name=f"runs-{index}", title=f"Runs of {study.name}" if study.name != "runs" else "Runs",
                    columns=study.columns, rows=[[row.get(name) for name in study.columns] for row in study.rows])
        yield from _of_results(f"seeds-{index}", f"Mean and standard deviation over seeds of {study.name}",
                               _means(study))
    yield from _of_results("agreements", "Golden model beside hardware", [
        {"what": each.name, "of": each.of, "bit-exact": "yes" if each.bit_exact else "NO", "samples": each.samples,
         "clock cycles a sample": each.cycles_per_sample, "bound": each.bound_cycles_per_sample,
         "samples a second": each.samples_per_second, "test accuracy (%)": each.test_accuracy,
         "first difference": each.first_difference} for each in material.agreements])
    yield from _of_results("sizes", "Sizes on FPGAs", [
        {"design": each.experiment, "how": each.of, "lanes": each.all_lanes, "LUTs": each.luts,
         "flip-flops": each.flip_flops, "block RAMs": each.block_rams, "DSPs": each.dsps,
         "highest clock (MHz)": each.fmax_mhz, "samples a second": each.samples_per_second, "file": each.file}
        for each in material.sizes])
    yield from _of_results("evaluations", "Evaluations", [
        {"what": name, "run": result.run, "after (s)": seconds, "resistance of wires": ratio,
         "test accuracy (%)": accuracy}
        for name, result in material.evaluations
        for seconds, ratio, accuracy in [(0, 0, result.test_accuracy),
                                         *((each.seconds, 0, each.test_accuracy) for each in result.drift),
                                         *((0, each.ratio, each.test_accuracy) for each in result.wires)]])
    yield from _of_results("energies", "Energy accounts", [
        {"what": name, "run": result.run, "device": result.kind, "samples": result.samples, "energy (J)": result.joules,
         "digital float32 (J)": result.digital_joules, "ratio": result.ratio, "time (s)": result.seconds}
        for name, result in material.energies])
    for index, (path, fit) in enumerate(material.fits, start=1):
        yield from _of_results(f"device-{index}", f"Device {path.stem}: {fit.kind}, {fit.certainty}", fit.table)


def _means(study: Study) -> list[dict[str, Any]]:
    """Of the runs of ``study`` that differ in nothing but their seeds, the mean test accuracy and its standard
    deviation; none if there are no such runs."""
    names = ["config", *(name for name in study.fields if name != SEED)]
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in study.done:
        groups.setdefault(tuple(row.get(name) for name in names), []).append(row)
    if SEED not in study.fields or all(len(rows) < 2 for rows in groups.values()):
        return []
    answer = []
    for key, rows in groups.items():
        found = [row[FIRST_RESULT] for row in rows]
        floating = [row["baseline_accuracy"] for row in rows if row.get("baseline_accuracy") is not None]
        answer.append(dict(zip(names, key, strict=True)) | {
            "seeds": len(rows), "test accuracy (%)": mean(found),
            "standard deviation": stdev(found) if len(found) > 1 else None,
            "floating point beside them (%)": mean(floating) if floating else None})
    return answer


def _of_results(name: str, title: str, rows: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """A table of ``rows``, without columns that are empty; none if there are no rows."""
    columns = [name for name in (rows[0] if rows else ()) if any(row.get(name) is not None for row in rows)]
    if columns:
        yield Table(name=name, title=title, columns=columns, rows=[[row.get(name) for name in columns] for row in rows])


def _embedded(content: bytes, kind: str) -> str:
    """``content`` as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _require() -> None:
    """``MissingPackageError`` unless all packages are installed that a page needs."""
    for package in NEEDED:
        try:
            found = find_spec(package)
        except ValueError:
            found = None
        if found is None:
            raise MissingPackageError(f"a report needs the Python packages {', '.join(NEEDED)}, and {package} is not "
                                      f"installed; pip install {' '.join(NEEDED)}")


def _library(package: str, file: str) -> str:
    """A file of an installed package."""
    return files(package).joinpath(file).read_text(encoding="utf-8")


def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE.read_text())
