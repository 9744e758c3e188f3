"""Measurements as a known device would give them: data to try a fit on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..contract.errors import ConfigError
from ..contract.results import Result
from ..system.files import require_ours
from . import measurements
from .measurements import Measurements
from .specification import Device


@dataclass(frozen=True, kw_only=True)
class MeasureResult(Result):
    """What ``run`` has written."""

    pulses: int
    """Write pulses, over all devices."""
    out: str
    """The CSV file."""


def run(device: Device, out: str | Path, *, pulses: int, seed: int, devices: int = 1,
        read_noise: float = 0.0, overwrite: bool = False) -> MeasureResult:
    """Write what ``measure`` gives to the CSV file ``out``. ``ConfigError`` if that is there already, unless
    ``overwrite``: it could be measurements of a real device, which look alike."""
    require_ours(out, None, overwrite)
    measurements.write(out, measure(device, pulses, seed, devices, read_noise))
    return MeasureResult(pulses=pulses, out=str(out))


def measure(device: Device, pulses: int, seed: int, devices: int = 1, read_noise: float = 0.0) -> Measurements:
    """Measurements as ``devices`` devices of the specification ``device`` would give them, with ``pulses`` in all.

    They are made from its real-valued figures, not from its integer tables, so that a fit can be judged by them. One
    level is one unit of conductance and the lowest state is at 1, unless the device has a unit; a pair is measured as
    one of its devices. ``read_noise`` is the standard deviation of every reading, in levels. ``ConfigError`` unless
    there is a pulse for every device.
    """
    if not 1 <= devices <= pulses:
        raise ConfigError(f"devices={devices}: must be 1 to the number of pulses, {pulses}")
    random = np.random.default_rng(seed)
    shares = [len(share) for share in np.array_split(np.arange(pulses), devices)]
    responses = [device.respond(share, random) for share in shares]
    level, lowest = device.conductance_scale
    before, after = (lowest + level * (np.concatenate(column) + read_noise * random.standard_normal(pulses))
                     for column in ([each.before for each in responses], [each.after for each in responses]))
    lengths = [each.length for each in responses if each.length is not None]
    names = tuple(f"D{number + 1}" for number in range(devices))
    return Measurements("", np.arange(pulses) + 2, before, np.concatenate([each.pulse for each in responses]), after,
                        length=np.concatenate(lengths) if lengths else None,
                        device=np.repeat(np.arange(devices), shares) if devices > 1 else None,
                        devices=names if devices > 1 else ())
