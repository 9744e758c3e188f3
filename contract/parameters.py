"""The parameters of a crossbar that can be replaced while it runs: everything that a device of the same kind, another
threshold or another seed changes, and that no width depends on.

A machine is generated with the values of its configuration. ``CONFIGURE`` replaces them all, a word each, in the order
of ``parameters``. Learning rates come with each command; initial states and LFSRs are loaded.
"""

from typing import NamedTuple

from .device import PROBABILITY_BITS, SIGMA_BITS
from .geometry import CrossbarGeometry


class Parameter(NamedTuple):
    """One word of ``CONFIGURE``."""

    name: str
    """Names that differ only in a number in brackets are the entries of one table."""
    bits: int
    value: int
    """Unsigned: negative numbers in two's complement."""


def parameters(geometry: CrossbarGeometry) -> tuple[Parameter, ...]:
    """The parameters of a crossbar of ``geometry``, with their values. Which there are depends on the kind of device
    and of rounding only, not on the values.

    ``threshold`` (where rounding is by threshold), ``margin``, ``max_attempts``; ``cell_seed``, ``variation``,
    ``stuck`` (where cells differ); ``refresh_high``, ``refresh_low`` (of a pair); ``movement[i]``, the entries of the
    tables of a ``landing`` or ``step`` device: ``mean`` in the low ``g_bits`` bits, ``sigma`` above; ``probability[i]``
    of a ``switching`` device; ``curve[i]``: ``base`` in the low bits, ``slope`` above; ``read_noise`` (where there is
    any).
    """
    device = geometry.device
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
    words += [Parameter(f"probability[{i}]", PROBABILITY_BITS + 1, value)
              for i, value in enumerate(device.probability)]
    if geometry.rounding == "stochastic":
        words += [Parameter(f"curve[{i}]", 2 * PROBABILITY_BITS + 2, base | slope << PROBABILITY_BITS + 1)
                  for i, (base, slope) in enumerate(zip(device.curve.base, device.curve.slope, strict=True))]
    if geometry.read_noise:
        words.append(Parameter("read_noise", SIGMA_BITS, geometry.read_noise))
    return tuple(words)
