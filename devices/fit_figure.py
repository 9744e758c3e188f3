"""The picture of measurements beside the device that was learned from them."""

from typing import BinaryIO

import numpy as np

from ..render import figure as house
from .fitting import without_far_readings
from .measure import measure
from .measurements import Measurements
from .specification import Device

DRAWN = 4000
"""Most pulses that are drawn."""
BINS = 60
"""Of the changes by a pulse."""


def draw(file: BinaryIO, measured: Measurements, device: Device) -> None:
    """Write a PNG: where each pulse ended over where it began, as measured and as ``device`` would give it under a
    train of pulses of its own; below, how the changes are distributed. Readings far from all others are left out."""
    near, given, scale, lowest = beside(measured, device)
    figure = house.new(10, 7)
    (data, fit), (changes, _) = axes = figure.subplots(2, 2, height_ratios=(3, 2))
    gridspec = changes.get_gridspec()
    for each in axes[1]:
        each.remove()
    changes = figure.add_subplot(gridspec[1, :])
    for place, title, before, pulse, after in (
            (data, f"measured, {len(near):,} pulses", near.before, near.pulse, near.after),
            (fit, f"{device.kind} as learned", given.before * scale + lowest, given.pulse,
             given.after * scale + lowest)):
        for value, color in zip(np.unique(pulse)[:8], house.SERIES, strict=False):
            chosen = np.flatnonzero(pulse == value)[:DRAWN]
            place.plot(before[chosen], after[chosen], ".", markersize=2.5, color=color, label=f"pulse {value:g}")
        house.title(place, title)
        place.set_xlabel(f"conductance before{_unit(near)}")
        place.set_ylabel(f"conductance after{_unit(near)}")
        house.legend(place)
    edges, *densities = distributions(near, given, scale)
    for values, color, label in zip(densities, (house.BLUE, house.ORANGE), ("measured", "as learned"), strict=True):
        changes.stairs(values, edges, color=color, linewidth=1.5, label=label)
    changes.set_xlabel(f"change by a pulse{_unit(near)}")
    changes.set_yticks([])
    house.title(changes, "changes, all pulses together")
    house.legend(changes)
    house.plain(data, fit, changes)
    house.save(figure, file)


def beside(measured: Measurements, device: Device) -> tuple[Measurements, Measurements, float, float]:
    """What was measured, without readings far from all others; what ``device`` would give; and the factor and the
    offset that take conductances of the latter to those of the former."""
    near, _ = without_far_readings(measured)
    given = measure(device, min(max(len(near), 500), DRAWN), seed=1)
    return near, given, *_to_device(near, given)


def distributions(near: Measurements, given: Measurements, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The changes by a pulse as densities: edges, float64 (n + 1,); what was measured and what the device would give,
    float64 (n,)."""
    edges = np.histogram_bin_edges(near.after - near.before, BINS)
    measured, learned = (np.histogram(values, edges, density=True)[0]
                         for values in (near.after - near.before, (given.after - given.before) * scale))
    return edges, measured, learned


def _to_device(near: Measurements, given: Measurements) -> tuple[float, float]:
    """Factor and offset from the conductances that a device would give to those that were measured: by their 1st and
    99th percentiles."""
    (low, high), (first, last) = (np.percentile(each.readings, (1, 99)) for each in (near, given))
    scale = (high - low) / (last - first) if last > first else 1.0
    return float(scale), float(low - scale * first)


def _unit(measured: Measurements) -> str:
    return f" ({measured.unit})" if measured.unit else ""
