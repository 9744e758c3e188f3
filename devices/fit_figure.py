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


def draw(file: BinaryIO, measured: Measurements, device: Device) -> None:
    """Write a PNG: where each pulse ended over where it began, as measured and as ``device`` would give it under a
    train of pulses of its own; below, how the changes are distributed. Readings far from all others are left out."""
    near, _ = without_far_readings(measured)
    given = measure(device, min(max(len(near), 500), DRAWN), seed=1)
    scale, lowest = _to_device(near, given)
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
    edges = np.histogram_bin_edges(near.after - near.before, 60).tolist()
    for values, color, label in ((near.after - near.before, house.BLUE, "measured"),
                                 ((given.after - given.before) * scale, house.ORANGE, "as learned")):
        changes.hist(values, edges, density=True, histtype="step", color=color, linewidth=1.5, label=label)
    changes.set_xlabel(f"change by a pulse{_unit(near)}")
    changes.set_yticks([])
    house.title(changes, "changes, all pulses together")
    house.legend(changes)
    house.plain(data, fit, changes)
    house.save(figure, file)


def _to_device(near: Measurements, given: Measurements) -> tuple[float, float]:
    """Factor and offset from the conductances that a device would give to those that were measured: by their 1st and
    99th percentiles."""
    (low, high), (first, last) = (np.percentile(each.readings, (1, 99)) for each in (near, given))
    scale = (high - low) / (last - first) if last > first else 1.0
    return float(scale), float(low - scale * first)


def _unit(measured: Measurements) -> str:
    return f" ({measured.unit})" if measured.unit else ""
