"""The parameters of a crossbar: what can be replaced while it runs.

They are everything that changes with another device of the same kind, another threshold or another seed, and that no
width depends on. A machine is generated with the values of its configuration. ``CONFIGURE`` replaces them all, one word
for each, in the order of ``parameters``. Learning rates come with each command; initial states and LFSRs are loaded.
"""

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from .converters import MISMATCH_BITS, NONLINEARITY_BITS, mismatch
from .device import PROBABILITY_BITS, SHARE_BITS, SIGMA_BITS
from .errors import ConfigError
from .geometry import CrossbarGeometry, Loss

REPLACED = ("margin", "max_attempts", "cell_seed", "read_noise", "offset", "gain", "column_seed", "nonlinearity",
            "index", "init_states", "relaxation")
DEVICE_REPLACED = ("mean", "sigma", "probability", "variation", "stuck", "refresh_high", "refresh_low", "curve", "wear",
                   "lifetimes", "quantiles")
"""Fields of a geometry and of its device that parameters and loaded states replace. If rounding is by threshold, the
threshold is one more."""


class Parameter(NamedTuple):
    """One word of ``CONFIGURE``."""

    name: str
    """The entries of a table have one name with different numbers in brackets."""
    bits: int
    value: int
    """Unsigned; negative numbers are in two's complement."""


def parameters(geometry: CrossbarGeometry) -> tuple[Parameter, ...]:
    """The parameters of a crossbar of ``geometry``, with their values. Which ones there are depends on the kinds of
    device and rounding and on what is in use, not on the values:

    - ``threshold``, if rounding is by threshold; ``margin``; ``max_attempts``;
    - ``cell_seed``, ``variation``, ``stuck``, if cells differ;
    - ``refresh_high``, ``refresh_low``, if cells are pairs;
    - ``movement[i]``, the tables of a ``landing`` or ``step`` device: ``mean`` in the low ``g_bits`` bits, ``sigma``
      above;
    - ``quantile[i]``, in the place of these where movements are given by quantiles;
    - ``probability[i]``, that of a ``switching`` device;
    - ``curve[i]``, if rounding is stochastic: ``base`` in the low bits, ``slope`` above;
    - ``read_noise``, if there is any;
    - ``column[c]``, if converters of columns differ: the offset in the low ``MISMATCH_BITS`` bits, and above the gain,
      if gains do;
    - ``nonlinearity[i]``, if they have one;
    - ``wear``, if cells age;
    - ``relaxation``, if they relax.
    """
    device = geometry.device.single
    words: list[Parameter] = []
    if geometry.rounding == "threshold":
        words.append(Parameter("threshold", geometry.chi_bits - 1, geometry.threshold))
    words += [Parameter("margin", device.g_bits, geometry.margin), Parameter("max_attempts", 8, geometry.max_attempts)]
    if device.differs:
        words += [Parameter("cell_seed", 32, geometry.cell_seed), Parameter("variation", SIGMA_BITS, device.variation),
                  Parameter("stuck", 17, device.stuck)]
    if device.pair:
        words += [Parameter("refresh_high", device.minus_bits, device.refresh_high),
                  Parameter("refresh_low", device.minus_bits, device.refresh_low)]
    mask = (1 << device.g_bits) - 1
    words += [Parameter(f"movement[{i}]", device.g_bits + SIGMA_BITS, mean & mask | sigma << device.g_bits)
              for i, (mean, sigma) in enumerate(zip(device.mean, device.sigma, strict=True))]
    words += [Parameter(f"quantile[{i}]", device.g_bits + 1, value & 2 * mask + 1)
              for i, value in enumerate(device.quantiles)]
    words += [Parameter(f"probability[{i}]", PROBABILITY_BITS + 1, value)
              for i, value in enumerate(device.probability)]
    if geometry.rounding == "stochastic" and device.curve is not None:
        words += [Parameter(f"curve[{i}]", 2 * PROBABILITY_BITS + 2, base | slope << PROBABILITY_BITS + 1)
                  for i, (base, slope) in enumerate(zip(device.curve.base, device.curve.slope, strict=True))]
    if geometry.read_noise:
        words.append(Parameter("read_noise", SIGMA_BITS, geometry.read_noise))
    words += _distortion(geometry)
    if device.life_bits:
        words.append(Parameter("wear", PROBABILITY_BITS + 1, device.wear))
    if geometry.relaxation:
        words.append(Parameter("relaxation", SHARE_BITS + 1, geometry.relaxation))
    return tuple(words)


def _distortion(geometry: CrossbarGeometry) -> list[Parameter]:
    """The parameters of converters that are not ideal."""
    words: list[Parameter] = []
    if geometry.mismatched:
        bits, mask = MISMATCH_BITS * (2 if geometry.gain else 1), (1 << MISMATCH_BITS) - 1
        words += [Parameter(f"column[{c}]", bits, offset & mask | (gain & mask) << MISMATCH_BITS)
                  for c, (offset, gain) in enumerate(zip(*(part.tolist() for part in mismatch(geometry)), strict=True))]
    mask = (1 << NONLINEARITY_BITS) - 1
    return words + [Parameter(f"nonlinearity[{i}]", NONLINEARITY_BITS, entry & mask)
                    for i, entry in enumerate(geometry.nonlinearity)]


def replacements(generated: CrossbarGeometry, wanted: CrossbarGeometry) -> tuple[Parameter, ...]:
    """The parameters that make a machine that was generated for ``generated`` one of ``wanted``.

    ``ConfigError`` if the two differ in anything else, or if the threshold is too low: the number of levels that the
    largest residual asks for then has more bits than the machine was generated for.
    """
    kept = replace(
        generated, **{name: getattr(wanted, name) for name in _replaced(generated)},
        device=replace(generated.device, **{name: getattr(wanted.device, name) for name in DEVICE_REPLACED}))
    for before, after in ((_placed(kept), _placed(wanted)), (vars(kept), vars(wanted)),
                          (vars(kept.device), vars(wanted.device))):
        for name, asked in after.items():
            if name not in ("window", "device") and before.get(name) != asked:
                raise ConfigError(f"layers[{wanted.index}]: the machine was generated with {name}={before.get(name)}, "
                                  f"which cannot be replaced by {asked} while it runs")
    words, places = parameters(wanted), [(word.name, word.bits) for word in parameters(generated)]
    if [(word.name, word.bits) for word in words] != places:
        names = {name for name, _ in places} ^ {word.name for word in words}
        raise ConfigError(f"layers[{wanted.index}]: the machine was generated for other parameters, which differ in "
                          + ", ".join(sorted(names)))
    if quotient_bits(wanted) > quotient_bits(generated):
        lowest = ((1 << wanted.chi_bits - 1) >> quotient_bits(generated)) + 1
        raise ConfigError(f"layers[{wanted.index}].threshold={wanted.threshold}: the machine can divide by "
                          f"{lowest} or more")
    return words


def _replaced(geometry: CrossbarGeometry) -> tuple[str, ...]:
    """Fields of ``geometry`` that parameters and loaded states replace."""
    return (*REPLACED, "threshold") if geometry.rounding == "threshold" else REPLACED


def _placed(geometry: CrossbarGeometry) -> dict[str, Any]:
    """Where a crossbar is applied, as far as its design depends on it: of a dense layer, on the number of inputs."""
    window = {} if geometry.window.plain else asdict(geometry.window)
    return {"positions": geometry.positions, "inputs": geometry.inputs} | window


def design_digest(geometries: tuple[CrossbarGeometry, ...], loss: Loss | None = None,
                  store: tuple[int, int] | None = None) -> int:
    """32 bits that tell designs apart: two machines that can become one another by parameters have the same. A bank
    has no loss. ``store`` are the address bits of a memory for samples, and the most samples of a set, if there is
    one."""
    designs = []
    for geometry in geometries:
        design = asdict(geometry) | {"inputs": geometry.inputs}
        for name, plain in (("window", geometry.window.plain), ("rate_offset", geometry.rate_offset == 0),
                            ("forward_reads", geometry.forward_reads == 1),
                            ("second_reads", geometry.second_reads == 1),
                            ("wires", geometry.wires == 0),
                            ("row_dac_bits", geometry.row_dac_bits == 0),
                            ("column_dac_bits", geometry.column_dac_bits == 0)):
            if plain:  # the digests of bitstreams in use know of no such field
                del design[name]
        for name in _replaced(geometry):
            del design[name]
        for name in (*DEVICE_REPLACED, *(() if geometry.device.life_bits else ("life_bits", "sticks_at")),
                     *(() if geometry.device.rest is not None else ("rest",))):
            del design["device"][name]
        if geometry.device.slices is None:  # likewise
            del design["device"]["slices"]
        design["device"]["kernel"] = design["device"].pop("pulse")  # the name in the digests of bitstreams in use
        designs.append([design, quotient_bits(geometry), [(word.name, word.bits) for word in parameters(geometry)]])
    text = json.dumps([designs, loss] if store is None else [designs, loss, store], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def quotient_bits(geometry: CrossbarGeometry) -> int:
    """Bits of the largest number of levels that a residual can ask for."""
    return ((1 << geometry.chi_bits - 1) // geometry.threshold).bit_length()
