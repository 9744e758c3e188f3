"""Devices of the pulse law ``landing``: a write pulse takes a cell to a state."""

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ..contract.device import SIGMA_FRAC, DeviceTables, nominal
from ..contract.tables import NORMAL_INDEX_BITS, largest_noise, noise
from ..contract.widths import signed_bits
from ..render.figure import BLUE, GREEN, GREY, RED, SERIES, title
from .figure import beside, legend_above
from .measurements import Response
from .specification import StateDevice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

FEW_STATES = 16
"""Up to so many states are labelled one by one."""


class LandingDevice(StateDevice):
    """One pulse takes a cell toward a target state, where it comes to rest at N(mean[target], sigma[target])."""

    def _landing_figures(self, offset: list[float], sigma: list[float]) -> dict[str, tuple[float, ...]]:
        middle = (self.states - 1) / 2
        return {"mean": tuple(s - middle + o for s, o in enumerate(offset)), "sigma": tuple(sigma)}

    def _landing(self, offset: list[float], sigma: list[float], variation: float = 0.0) -> DeviceTables:
        mean = [nominal(s, self.states, self.sub_bits) + self._sub_levels(offset[s]) for s in range(self.states)]
        entries = [self._noise("sigma", value) for value in sigma]
        spread = self._noise("variation", variation)
        reach = max(abs(m) + largest_noise(s) for m, s in zip(mean, entries, strict=True)) + largest_noise(spread)
        return DeviceTables(pulse="landing", sub_bits=self.sub_bits, states=self.states, g_bits=signed_bits(reach),
                            mean=tuple(mean), sigma=tuple(entries), variation=spread, **self._common)

    def respond(self, pulses: int, random: np.random.Generator) -> Response:
        figures = self.physical()
        mean = np.array(figures["mean"]) + (self.states - 1) / 2
        displacement = figures.get("variation", (0.0,))[0] * random.standard_normal()
        target = random.integers(self.states, size=pulses)
        after = mean[target] + displacement + np.array(figures["sigma"])[target] * random.standard_normal(pulses)
        return Response(np.concatenate([[mean[0]], after[:-1]]), target.astype(float), after)

    def draw(self, figure: "FigureBase", tables: DeviceTables) -> None:
        figures = self.physical()
        landings, offsets = figure.subplots(2, 1, height_ratios=(3, 2))
        _draw_landings(landings, figures, tables)
        _draw_offsets(offsets, figures, tables)


def _draw_landings(axes: "Axes", figures: dict[str, tuple[float, ...]], tables: DeviceTables) -> None:
    """Where a pulse toward each state lands: the probability density over the conductance."""
    scale, words = 2**tables.sub_bits, np.arange(1 << NORMAL_INDEX_BITS)
    colors = [SERIES[state % len(SERIES)] for state in range(tables.states)]
    top = 0.0
    for state, (mean, sigma) in enumerate(zip(tables.mean, tables.sigma, strict=True)):
        levels, counts = np.unique(mean + noise(sigma, words), return_counts=True)
        density = counts / counts.sum() * scale
        top = max(top, density.max() if len(levels) > 1 else 0.0)
        axes.bar(levels / scale, density, width=1 / scale, color=colors[state], alpha=0.45, linewidth=0)
        exact, spread = figures["mean"][state], figures["sigma"][state]
        if spread > 1e-6:  # a curve that can be seen
            x = np.linspace(exact - 4 * spread, exact + 4 * spread, 200)
            axes.plot(x, [NormalDist(exact, spread).pdf(value) for value in x], color=colors[state], linewidth=1.5)
    axes.set_ylim(0, 1.3 * top if top else 1.2 * scale)
    for state in range(tables.states):
        place = state - (tables.states - 1) / 2
        axes.axvline(place, color="0.6", linestyle=":", linewidth=1)
        if tables.states <= FEW_STATES:
            axes.annotate(f"state {state}", (place, 1), xycoords=("data", "axes fraction"), xytext=(0, -5),
                          textcoords="offset points", ha="center", va="top", color=colors[state], fontsize="small",
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    axes.set_xlabel("conductance (levels)")
    axes.set_ylabel("density")
    title(axes, "where pulses toward each state land: integer tables (bars), figures (lines), nominal states (dotted)")


def _draw_offsets(axes: "Axes", figures: dict[str, tuple[float, ...]], tables: DeviceTables) -> None:
    """Offset and scatter of each state, and the variation from cell to cell."""
    scale, state = 2**tables.sub_bits, np.arange(tables.states)
    middle = state - (tables.states - 1) / 2
    beside(axes, state - 0.2, np.array(tables.mean) / scale - middle, np.array(figures["mean"]) - middle, BLUE,
           "offset")
    beside(axes, state + 0.2, np.array(tables.sigma) / scale / 2**SIGMA_FRAC, np.array(figures["sigma"]), RED, "sigma")
    if tables.variation:
        axes.axhline(tables.variation / scale / 2**SIGMA_FRAC, color=GREEN,
                     label=f"variation from cell to cell, {figures['variation'][0]:.3g}")
    axes.set_xlabel("state")
    axes.set_ylabel("levels")
    axes.set_xticks(state if tables.states <= FEW_STATES else state[::4])
    axes.axhline(0, color=GREY, linewidth=0.8)
    legend_above(axes)
