"""What the kinds of the pulse law ``step`` share: the segments of their range, and the picture of their steps."""

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..contract.device import SIGMA_FRAC, DeviceTables, segment_shift
from ..render.figure import BLUE, DARK, GREY, RED
from .figure import legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def middles(span: int) -> list[Fraction]:
    """The level at the middle of each segment of the range 0 .. ``span``, in sub-levels."""
    shift = segment_shift(span)
    return [min(Fraction(2 * j + 1 << shift, 2), Fraction(span)) for j in range((span >> shift) + 1)]


def interpolate(points: list[Fraction], place: Fraction) -> Fraction:
    """The figure at ``place``, a fraction of the range: point ``k`` of ``n`` holds at ``(k + 1/2) / n``; linear between
    points, constant beyond them."""
    return multiple(points, place.numerator, place.denominator) / (2 * place.denominator)


def multiple(points: Sequence[Any], place: int, full: int) -> Any:
    """``2 * full`` times the figure at the place ``place / full``, as ``interpolate``: an integer if ``points`` are."""
    position = min(max(2 * place * len(points) - full, 0), 2 * full * (len(points) - 1))
    below, rest = divmod(position, 2 * full)
    return 2 * full * points[below] + (rest * (points[below + 1] - points[below]) if rest else 0)


def edges(tables: DeviceTables) -> np.ndarray:
    """The ends of the segments, in levels from the lowest."""
    ends = np.minimum(np.arange(tables.segments + 1) << tables.segment_shift, tables.span)
    return ends / 2**tables.sub_bits


def directions(tables: DeviceTables) -> tuple[str, ...]:
    """The directions of which the tables hold the steps, in their order."""
    return ("set",) if tables.pair else ("up", "down")


def draw_steps(axes: "Axes", figures: dict[str, tuple[float, ...]], tables: DeviceTables) -> None:
    """Mean and scatter of the step of each direction over the conductance."""
    scale, ends = 2**tables.sub_bits, edges(tables)
    places = np.minimum((np.arange(tables.segments) + 0.5) * 2**tables.segment_shift, tables.span) / scale
    for index, (label, color) in enumerate(zip(directions(tables), (BLUE, RED), strict=False)):
        part = slice(index * tables.segments, (index + 1) * tables.segments)
        mean, sigma = np.array(tables.mean[part]) / scale, np.array(tables.sigma[part]) / scale / 2**SIGMA_FRAC
        sign = -1 if label == "down" else 1
        axes.stairs(sign * mean, ends, color=color, linewidth=2, baseline=None,
                    label=f"{label}: mean, one sigma, integer table")
        low, high = (sign * np.append(value, value[-1]) for value in (mean - sigma, mean + sigma))
        axes.fill_between(ends, low, high, step="post", color=color, alpha=0.2, linewidth=0)
        axes.plot(places, sign * np.array(figures["mean"][part]), color=DARK, linewidth=1, marker=".")
    axes.plot([], [], color=DARK, linewidth=1, marker=".", label="mean, figures")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("conductance of the device (levels from its lowest)")
    axes.set_ylabel("change by a pulse (levels)")
    legend_above(axes)
