"""The normal quantiles that noise is made of."""

from amaranth.hdl import signed
from amaranth.lib.memory import Memory

from ..contract.device import SIGMA_FRAC
from ..contract.tables import NORMAL_BITS, NORMAL_FRAC, NORMAL_INDEX_BITS, normal_quantiles

NOISE_SHIFT = SIGMA_FRAC + NORMAL_FRAC
"""Fraction bits of the product of a ``sigma`` and a quantile."""


def normal_table() -> Memory:
    """A memory, not yet a submodule, of the table ``normal`` of docs/arithmetic.md section 3; the caller takes read
    ports."""
    return Memory(shape=signed(NORMAL_BITS), depth=1 << NORMAL_INDEX_BITS, init=[int(n) for n in normal_quantiles()])
