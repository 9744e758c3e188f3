"""Measurements beside the device that was learned from them."""

from pathlib import Path

from ...contract.errors import ConfigError
from ...devices import fit_figure, reading
from ...devices.kinds import parse_device
from ...render.chart import Axis, Chart, Series
from ...system.files import safe_name
from .results import Fit


def measured(path: Path, fit: Fit) -> Chart | None:
    """How much a pulse changes a device: as measured, and as the device learned would. ``path`` is the file of the
    ``fit``. None unless the measurements lie beside it and can be read as they are."""
    data, found, _ = str(fit.device.get("measured", "")).partition(f", {fit.pulses} pulses")
    if not found:
        return None
    try:
        device = parse_device(fit.device, str(path))
        near, given, scale, _ = fit_figure.beside(reading.read(path.parent / Path(data).name, unit=fit.unit), device)
    except (ConfigError, OSError):
        return None
    edges, *densities = fit_figure.distributions(near, given, scale)
    name = path.stem
    return Chart(
        name=f"device-{safe_name(name)}", title=f"{name}: change by a write pulse",
        x=Axis(label="change of conductance", unit=fit.unit), y=Axis(label="probability density"),
        series=tuple(Series(name=label, mark="steps", x=edges.tolist(), y=[*density.tolist(), 0.0])
                     for label, density in zip((f"measured, {len(near):,} pulses", f"{fit.kind} as learned"),
                                               densities, strict=True)))
