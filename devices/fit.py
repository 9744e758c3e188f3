"""Devices from measurements: the specification that measured write pulses follow best.

Every kind of device has its function; all of them take figures in the unit of the measurements to levels, refuse by
name what they cannot learn from too few pulses, and leave the finest resolution that the integer tables allow.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import erf, pi, sqrt
from pathlib import Path

import numpy as np

from ..config import parse_device
from ..contract.errors import ConfigError
from ..system import toml
from ..system.files import replace
from .measurements import Measurements
from .specification import Device

MIN_PULSES = 10
"""Fewest pulses from which a figure is learned."""
MAX_STATES = 64
MAX_CLUSTERS = 8
"""Most separate conductances that are looked for unasked."""
CLEAR_GAP = 3.0
"""States are separate if the gaps between them are so many times wider than any within them."""
UNEVEN = 0.25
"""Distance from even spacing, in levels, up to which a switching device's states count as even."""
STRAY = 0.05
"""Fraction of a switching device's pulses that may lead elsewhere than to a neighbouring state."""
CUT = 2.0
"""Sigmas by which a pulse must stay away from the ends of the range for its step to count as whole."""
DIGITS = 5
"""Significant digits of a figure in a device's file."""


@dataclass(frozen=True)
class Options:
    """What the user may decide instead of the data."""

    states: int | None = None
    segments: int = 8
    """Equal parts of the range in which the steps of an ``incremental`` device are learned."""
    sub_bits: int | None = None
    unit: str = ""
    """Name of the unit of conductance, for texts."""


@dataclass(frozen=True)
class Fit:
    """A device and what it was learned from."""

    device: Device
    level: float
    """Conductance of one level."""
    table: list[dict]
    """What was found, a row a state or segment; the names of the columns are the keys."""
    notes: list[str] = field(default_factory=list)


def guess(measurements: Measurements) -> tuple[str, str]:
    """The kind of device that the columns look like, and why. ``ConfigError`` if they look like none."""
    pulse = measurements.pulse
    if measurements.length is not None:
        return "mtj", "there is a column 'length'"
    if (pulse >= 0).all() and (pulse == np.floor(pulse)).all() and pulse.min() < pulse.max():
        return "domain_wall", f"every pulse is a whole number, {pulse.min():g} to {pulse.max():g}: the state aimed at"
    if (pulse > 0).all():
        return "pcm_pair", "every pulse is positive: a device that can only be set"
    clusters = _clusters(np.concatenate([measurements.before, measurements.after]))
    if clusters is not None:
        return "mtj", f"pulses are up and down, and the conductance has {len(clusters) + 1} separate values"
    return "incremental", "pulses are up and down, and the conductance is continuous"


def fit(measurements: Measurements, kind: str, options: Options | None = None) -> Fit:
    """The device of ``kind`` that fits best. ``ConfigError`` names what the measurements lack, or the figure that a
    device cannot have."""
    if kind not in _FITS:
        raise ConfigError(f"kind={kind!r}: a device can be fitted as {', '.join(_FITS)}")
    everything = np.concatenate([measurements.before, measurements.after])
    if everything.min() == everything.max():
        raise ConfigError(f"{measurements.name}: the conductance is {everything[0]:g} everywhere; nothing was switched")
    return _FITS[kind](measurements, options or Options())


def save(path: str | Path, device: Device) -> None:
    """Write ``device`` to a TOML file, for an experiment's ``device = "FILE.toml"``; fields at their default, but for
    those of size, are left out. ``ConfigError`` unless the name ends in .toml."""
    path = Path(path)
    if not toml.is_name(path.name):
        raise ConfigError(f"{path}: the name of a device's file must end in .toml")
    defaults = type(device)(kind=device.kind).model_dump(mode="json")
    given = {"kind": device.kind} | {name: "none" if value is None else value
                                     for name, value in device.model_dump(mode="json").items()
                                     if name in ("states", "sub_bits") or value != defaults[name]}
    replace(path, lambda file: file.write(toml.text_of(given).encode()))


def _domain_wall(measurements: Measurements, options: Options) -> Fit:
    """Mean and scatter of where pulses toward each state land. Nominal states are the evenly spaced conductances that
    lie nearest to the means, in the least-squares sense."""
    pulse, name = measurements.pulse, measurements.name
    for row, value in zip(measurements.row, pulse, strict=True):
        if value < 0 or value != np.floor(value) or value >= MAX_STATES:
            raise ConfigError(f"{name}: row {row}: pulse={value:g} is no state; states are the whole numbers from 0 to "
                              f"at most {MAX_STATES - 1}")
    target = pulse.astype(int)
    states = options.states or max(2, int(target.max()) + 1)
    if target.max() >= states:
        raise ConfigError(f"{name}: row {measurements.row[target.argmax()]}: pulse={target.max()} is none of the "
                          f"{states} states")
    _enough(name, [f"toward state {state}" for state in range(states)], np.bincount(target, minlength=states))
    mean, residual, variation = _split(measurements, measurements.after, target, states)
    for below, above in zip(range(states - 1), range(1, states), strict=True):
        if mean[above] <= mean[below]:
            raise ConfigError(f"{name}: pulses toward state {above} land at {mean[above]:g} on average, those toward "
                              f"state {below} at {mean[below]:g}; the means must ascend with the state")
    sigma = _scatter(measurements, residual, target, states)
    level, lowest = _line(mean)
    offset = (mean - lowest) / level - np.arange(states)
    device = _build("domain_wall", measurements, options, level, sigma / level, {
        "states": states, "sigma": sigma / level, "offset": offset, "variation": variation / level})
    unit = _unit(options)
    table = [{"state": state, "pulses": int(count), f"mean{unit}": mean[state], f"sigma{unit}": sigma[state],
              "offset (levels)": offset[state], "sigma (levels)": sigma[state] / level}
             for state, count in enumerate(np.bincount(target, minlength=states))]
    return Fit(device, level, table, _variation_note(measurements, variation / level))


def _incremental(measurements: Measurements, options: Options) -> Fit:
    """Mean and scatter of steps up and down, in equal parts of the range. A level is about the mean of these means: the
    range is a whole number of levels."""
    name, before, after, up = measurements.name, measurements.before, measurements.after, _upward(measurements)
    lowest, highest = min(before.min(), after.min()), max(before.max(), after.max())
    span, parts = highest - lowest, options.segments
    if parts < 1:
        raise ConfigError(f"segments={parts}: must be at least 1")
    step = np.where(up, after - before, before - after)
    if step.mean() <= 0:
        raise ConfigError(f"{name}: pulses move the conductance against their sign, by {-step.mean():g} on average; "
                          "are the signs the wrong way round?")
    part = np.minimum((before - lowest) / span * parts, parts - 1).astype(int)
    edges = lowest + span * np.arange(parts + 1) / parts
    group = part + np.where(up, 0, parts)
    unit = _unit(options)
    labels = [f"{direction} from {edges[index]:.4g} to {edges[index + 1]:.4g}{unit}, part {index + 1} of {parts}"
              for direction in ("up", "down") for index in range(parts)]
    _enough(name, labels, np.bincount(group, minlength=2 * parts), "; fewer --segments make larger parts")
    mean, residual, variation = _split(measurements, step, group, 2 * parts)
    states = options.states or int(np.clip(round(span / abs(mean.mean())) + 1, 2, MAX_STATES))
    level = span / (states - 1)
    position = (before - lowest) / span * parts - 0.5  # the model's reading of its figures: linear between middles
    for direction, offset in ((up, 0), (~up, parts)):
        read = np.interp(position, np.arange(parts), mean[offset:offset + parts])
        residual[direction] += (mean[group] - read)[direction]
    sigma = _scatter(measurements, residual, group, 2 * parts)
    device = _build("incremental", measurements, options, level, sigma / level, {
        "states": states, "up_mean": mean[:parts] / level, "up_sigma": sigma[:parts] / level,
        "down_mean": mean[parts:] / level, "down_sigma": sigma[parts:] / level, "variation": variation / level})
    table = [{"pulses": labels[index].split(" ")[0], f"from{unit}": edges[index % parts],
              f"to{unit}": edges[index % parts + 1], "number": int(count), "step (levels)": mean[index] / level,
              "sigma (levels)": sigma[index] / level}
             for index, count in enumerate(np.bincount(group, minlength=2 * parts))]
    return Fit(device, level, table, _variation_note(measurements, variation / level))


def _pcm_pair(measurements: Measurements, options: Options) -> Fit:
    """Step and scatter of a device that can only be set, each a straight line over its conductance, which counts from
    the lowest. Pulses from where one of ``CUT`` sigmas would leave the range are left out, as their steps are cut. A
    level is the mean step in the lower quarter of the range."""
    name, up = measurements.name, _upward(measurements)
    if not up.all():
        raise ConfigError(f"{name}: row {measurements.row[~up][0]}: a pulse down; devices of a pcm_pair are only set")
    if options.states:
        raise ConfigError("states is not a field of pcm_pair; its range and level say how many there are")
    _enough(name, ["up"], np.array([len(measurements)]))
    lowest = min(measurements.before.min(), measurements.after.min())
    conductance, step = measurements.before - lowest, measurements.after - measurements.before
    full = max(conductance.max(), measurements.after.max() - lowest)
    if conductance.min() == conductance.max():
        raise ConfigError(f"{name}: every pulse starts at the same conductance; steps along the range are needed")
    whole = np.ones(len(step), dtype=bool)
    for _ in range(5):
        slope, start = np.polyfit(conductance[whole], step[whole], 1)
        residual = step - start - slope * conductance
        widen, base = np.polyfit(conductance[whole], np.abs(residual[whole]) * sqrt(pi / 2), 1)  # E|r| is 0.8 sigma
        middle, reach = conductance + start + slope * conductance, CUT * (base + widen * conductance)
        uncut = (middle - reach >= 0) & (middle + reach <= full)
        if uncut.sum() < MIN_PULSES or np.ptp(conductance[uncut]) < full / 4 or (uncut == whole).all():
            break
        whole = uncut
    level = start + slope * full / 8
    if level <= 0:
        raise ConfigError(f"{name}: pulses change the conductance by {level:g} in the lower quarter of its range; they "
                          "must raise it")
    variation = _split(measurements, residual, np.zeros(len(step), dtype=int), 1)[2]
    device = _build("pcm_pair", measurements, options, level, np.array([base, base + widen * full]) / level, {
        "level": level, "g_max": full, "step_mean": (start, slope), "step_sigma": (base, widen),
        "variation": variation / level})
    unit = _unit(options)
    table = [{f"conductance{unit}": g, f"step{unit}": start + slope * g, f"sigma{unit}": base + widen * g}
             for g in np.linspace(0, full, 5)]
    notes = [f"{whole.sum():,} of {len(whole):,} pulses count: the others start so near an end that it may cut them"]
    return Fit(device, level, table, notes + _variation_note(measurements, variation / level))


def _mtj(measurements: Measurements, options: Options) -> Fit:
    """Probability of switching to the neighbouring state: from each state, or, where pulse lengths were measured, of
    all states together as the curve ``switching_time``, by maximum likelihood."""
    name, up = measurements.name, _upward(measurements)
    everything = np.concatenate([measurements.before, measurements.after])
    borders = _clusters(everything, options.states)
    if borders is None:
        raise ConfigError(f"{name}: the conductances do not fall into separate states; --states N takes the N widest "
                          "apart, --kind incremental has none")
    states = len(borders) + 1
    start, end = (np.searchsorted(borders, values) for values in (measurements.before, measurements.after))
    centres = np.array([everything[np.searchsorted(borders, everything) == state].mean() for state in range(states)])
    level, lowest = _line(centres)
    uneven = np.abs((centres - lowest) / level - np.arange(states))
    if uneven.max() > UNEVEN:
        raise ConfigError(f"{name}: state {uneven.argmax()}, at {centres[uneven.argmax()]:g}, lies {uneven.max():.2f} "
                          f"level from where evenly spaced states have it; a switching device allows {UNEVEN:g}")
    moved = np.where(up, end - start, start - end)
    inward = np.where(up, start < states - 1, start > 0)
    stray = (moved < 0) | (moved > 1)
    if stray.mean() > STRAY:
        raise ConfigError(f"{name}: {stray.sum()} of {len(stray)} pulses lead elsewhere than to the neighbouring state,"
                          f" first that of row {measurements.row[stray][0]}; at most {STRAY:.0%} may")
    notes = [f"{stray.sum()} pulses that lead elsewhere than to the neighbouring state count as not switching"] \
        if stray.any() else []
    if measurements.device is not None:
        notes.append("an mtj has no field for variation from device to device: the column 'device' is not used")
    switched = (moved == 1)[inward]
    if measurements.length is not None:
        figures, table, note = _switching_time(name, measurements.length[inward], switched, measurements.row[inward])
        notes.insert(0, note)
    else:
        label = [f"{direction} from state {state}" for direction in ("up", "down") for state in range(states)]
        group = (start + np.where(up, 0, states))[inward]
        inner = [index for index in range(2 * states) if index not in (states - 1, states)]  # not outward from an end
        count = np.bincount(group, minlength=2 * states)
        _enough(name, [label[index] for index in inner], count[inner])
        chance = np.bincount(group, switched, minlength=2 * states) / np.maximum(count, 1)
        figures = {"curve": None, "up": chance[:states], "down": chance[states:]}
        table = [{"pulses": label[index], "number": int(count[index]), "switched": chance[index],
                  "standard error": sqrt(chance[index] * (1 - chance[index]) / count[index])} for index in inner]
    device = _build("mtj", measurements, Options(options.states, sub_bits=options.sub_bits or 1, unit=options.unit),
                    level, np.zeros(0), {"states": states} | figures)
    return Fit(device, level, table, notes)


_FITS: dict[str, Callable[[Measurements, Options], Fit]] = {
    "domain_wall": _domain_wall, "incremental": _incremental, "pcm_pair": _pcm_pair, "mtj": _mtj,
}
KINDS = tuple(_FITS)
"""The kinds of device that can be fitted."""


def _switching_time(name: str, length: np.ndarray, switched: np.ndarray, row: np.ndarray):
    """The fields of the curve, a table of measured and fitted probabilities, and a note on their precision.

    With ``z = exp(a - b * length)`` the curve is ``1 - erf(z)``; ``a`` and ``b`` by Fisher scoring from a straight line
    through a first estimate.
    """
    if (length <= 0).any():
        raise ConfigError(f"{name}: row {row[length <= 0][0]}: length={length[length <= 0][0]:g} must be positive")
    lengths, group = np.unique(length, return_inverse=True)
    if len(lengths) < 3:
        raise ConfigError(f"{name}: there are {len(lengths)} pulse lengths; a switching curve takes at least 3")
    count = np.bincount(group)
    _enough(name, ["all lengths together"], np.array([count.sum()]))
    chance = np.bincount(group, switched) / count
    if chance.min() == chance.max():
        raise ConfigError(f"{name}: pulses of every length switch with the same probability, {chance[0]:g}")

    def curve(a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
        z = np.exp(np.clip(a - b * lengths, -30, 3))
        return z, np.clip([1 - erf(value) for value in z], 1e-9, 1 - 1e-9)

    places = np.linspace(0, 3, 3001)  # z of a probability: the curve read backwards
    clipped = np.clip(chance, 0.5 / (count + 1), 1 - 0.5 / (count + 1))
    z = np.interp(1 - clipped, [erf(place) for place in places], places)
    slope, a = np.polyfit(lengths, np.log(np.maximum(z, 1e-3)), 1, w=np.sqrt(count * clipped * (1 - clipped)))
    b = -slope
    if b <= 0:
        raise ConfigError(f"{name}: longer pulses do not switch more often")
    for _ in range(100):
        z, p = curve(a, b)
        gradient = -2 / sqrt(pi) * np.exp(-z * z) * z * np.array([np.ones_like(lengths), -lengths])  # dp/da, dp/db
        weight = count / (p * (1 - p))
        information = (gradient * weight) @ gradient.T
        change = np.linalg.lstsq(information, (gradient * weight) @ (chance - p), rcond=None)[0]
        change *= min(1.0, 0.5 / max(abs(change[0]), abs(change[1]) / b))
        a, b = a + change[0], b + change[1]
        if abs(change[0]) < 1e-9 and abs(change[1]) < 1e-9 * b:
            break
    _, p = curve(a, b)
    table = [{"length": lengths[index], "number": int(count[index]), "switched": chance[index], "fitted": p[index]}
             for index in np.unique(np.linspace(0, len(lengths) - 1, 20).astype(int))]
    stability = float(4 * np.exp(min(2 * a, 40.0)) / pi**2)
    error = np.sqrt(np.diag(np.linalg.pinv(information)))
    note = (f"thermal stability {stability:.4g}, standard error {2 * stability * error[0]:.2g}; characteristic time "
            f"{1 / b:.4g}, standard error {error[1] / b**2:.2g}, in the unit of the column 'length'")
    return {"curve": "switching_time", "thermal_stability": stability, "pulse_length": lengths[-1] * b}, table, note


def _upward(measurements: Measurements) -> np.ndarray:
    """Whether each pulse goes up; one that goes nowhere is refused."""
    nowhere = measurements.pulse == 0
    if nowhere.any():
        raise ConfigError(f"{measurements.name}: row {measurements.row[nowhere][0]}: pulse=0 has no direction")
    return measurements.pulse > 0


def _enough(name: str, labels: list[str], counts: np.ndarray, remedy: str = "") -> None:
    for label, count in zip(labels, counts, strict=True):
        if count < MIN_PULSES:
            raise ConfigError(f"{name}: pulses {label}: {count}, and at least {MIN_PULSES} are needed{remedy}")


def _line(means: np.ndarray) -> tuple[float, float]:
    """Spacing and lowest of the evenly spaced conductances nearest to ``means``."""
    spacing, lowest = np.polyfit(np.arange(len(means)), means, 1)
    return float(spacing), float(lowest)


def _split(measurements: Measurements, value: np.ndarray, group: np.ndarray, groups: int):
    """``value = mean[group] + displacement[device] + residual``: the means, the residuals, and the standard deviation
    of the displacements, without what the scatter of the residuals adds to it. One device has none."""
    count = np.bincount(group, minlength=groups)
    device, devices = measurements.device, len(measurements.devices)
    if devices < 2:
        mean = np.bincount(group, value, groups) / count
        return mean, value - mean[group], 0.0
    pulses = np.bincount(device, minlength=devices)
    _enough(measurements.name, [f"on device {label}" for label in measurements.devices], pulses)
    displacement = np.zeros(devices)
    for _ in range(100):
        mean = np.bincount(group, value - displacement[device], groups) / count
        before, displacement = displacement, np.bincount(device, value - mean[group]) / pulses
        displacement = displacement - displacement.mean()
        if np.abs(displacement - before).max() <= 1e-9 * np.abs(value).max():
            break
    residual = value - mean[group] - displacement[device]
    own = (np.bincount(device, residual**2) / (pulses - 1) / pulses).mean()
    between = displacement.var(ddof=1)
    clear = between > own * (1 + 3 * sqrt(2 / (devices - 1)))  # three standard errors of a variance
    return mean, residual, sqrt(between - own) if clear else 0.0


def _scatter(measurements: Measurements, residual: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Standard deviation of the residuals of each group, for the degrees of freedom that ``_split`` leaves."""
    taken = max(len(measurements.devices) - 1, 0) / len(residual)
    count = np.bincount(group, minlength=groups)
    return np.sqrt(np.bincount(group, residual**2, groups) / ((count - 1) * (1 - taken)))


def _clusters(values: np.ndarray, states: int | None = None) -> np.ndarray | None:
    """The borders between the separate values that ``values`` scatter about: the widest gaps. None if there are no
    ``states``, or, without that, no 2 to ``MAX_CLUSTERS`` of them that are clearly separate and seen often enough."""
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    widest = np.argsort(-gaps, kind="stable")
    if states is None:
        size = np.append(gaps[widest[:MAX_CLUSTERS]], 0.0)
        clear = [(size[n - 2] / max(size[n - 1], 1e-12 * (ordered[-1] - ordered[0])), n)
                 for n in range(2, len(size) + 1) if size[n - 2] > 0.25 * (ordered[-1] - ordered[0]) / (n - 1)]
        if not clear or max(clear)[0] < CLEAR_GAP:
            return None
        states = max(clear)[1]
    if not 2 <= states <= len(ordered) or gaps[widest[states - 2]] == 0:
        return None
    cuts = np.sort(widest[:states - 1])
    return (ordered[cuts] + ordered[cuts + 1]) / 2


def _build(kind: str, measurements: Measurements, options: Options, level: float, scatter: np.ndarray,
           figures: dict) -> Device:
    """The device of these ``figures``. Unless the user says how finely a level is resolved, so that the smallest
    of the ``scatter``, in levels, is at least two sub-levels, or as far as the tables reach."""
    bits = options.sub_bits
    if bits is None:
        smallest = min((value for value in scatter if value > 0), default=0.25)
        bits = next((bits for bits in range(4, 6) if smallest * 2**bits >= 2), 6)
    document = {"kind": kind, "measured": _origin(measurements, options, level)} | {
        name: rounded(value) for name, value in figures.items()}
    while True:
        try:
            return parse_device(document | {"sub_bits": bits}, measurements.name)
        except ConfigError:
            if options.sub_bits is not None or bits == 1:
                raise
        bits -= 1


def rounded(value):
    """Figures, of whatever nesting, to ``DIGITS`` significant digits."""
    if isinstance(value, dict):
        return {name: rounded(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray | tuple | list):
        return tuple(map(rounded, value))
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _origin(measurements: Measurements, options: Options, level: float) -> str:
    name = "".join(letter if letter.isprintable() else "?" for letter in Path(measurements.name).name)
    return f"{name}, {len(measurements)} pulses; one level is {level:.5g} {options.unit or 'units of the measurements'}"


def _unit(options: Options) -> str:
    return f" ({options.unit})" if options.unit else ""


def _variation_note(measurements: Measurements, variation: float) -> list[str]:
    if len(measurements.devices) < 2:
        return []
    differ = f"differ by {variation:.4g} level (standard deviation)" if variation else "do not differ clearly"
    return [f"{len(measurements.devices)} devices {differ}; the sigmas are those of one device"]
