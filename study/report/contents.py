"""What is in folders, with the charts of it: what a notebook asks for, and what figures and the page are made of.

    chart_figure.draw(contents.read(["runs/digits"]).charts["learning"])
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...render.chart import Chart
from . import figures
from .detail import Detail
from .detail import read as read_run
from .figures import Section
from .material import Material, gather

MOST_DETAILS = 6
"""Runs of a study that are looked at one by one."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is in some folders."""

    material: Material
    details: list[Detail]
    """Of the runs that are looked at one by one."""
    sections: list[Section]
    """All charts of it. `render.chart_figure.draw` makes one a figure of matplotlib."""

    @property
    def charts(self) -> dict[str, Chart]:
        """The charts by name."""
        return {chart.name: chart for section in self.sections for chart in section.charts}


def read(folders: Sequence[str | Path]) -> Contents:
    """What is in ``folders``, with its charts. ``ConfigError`` if there is nothing."""
    material = gather(folders)
    several = len(material.studies) > 1
    details = [found for study in material.studies for name, folder in study.chosen(MOST_DETAILS)
               if (found := read_run(f"{study.short_name}, {name}" if several else name, folder, material.left_out))]
    return Contents(material=material, details=details, sections=figures.sections(material, details))
