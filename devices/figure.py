"""What the pictures of several kinds of device share."""

from typing import TYPE_CHECKING

import numpy as np

from ..render.figure import legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def beside(axes: "Axes", x: np.ndarray, table: np.ndarray, physical: np.ndarray, color: str, label: str) -> None:
    """Draw the entries of a ``table`` as bars, and the ``physical`` figures that they stand for as dots."""
    axes.bar(x, table, width=0.35, color=color, alpha=0.35, label=f"{label}, integer table")
    axes.plot(x, physical, linestyle="none", marker="o", markersize=5, color=color, label=label)


def legend_above(axes: "Axes") -> None:
    """Put the legend in a line above ``axes``."""
    legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
