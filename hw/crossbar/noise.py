"""The normal quantiles of which noise is made."""

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike, signed
from amaranth.lib.memory import Memory, ReadPort

from ...contract.device import SIGMA_FRAC
from ...contract.tables import NORMAL_BITS, NORMAL_FRAC, NORMAL_INDEX_BITS, normal_quantiles

NOISE_SHIFT = SIGMA_FRAC + NORMAL_FRAC
"""Fraction bits of the product of a ``sigma`` and a quantile."""
STORED_BITS = NORMAL_BITS - 2
"""Bits of a quantile that are stored: without its sign and the highest bit of its magnitude."""


def normal_table() -> Memory:
    """The table ``normal`` of docs/arithmetic.md section 3, as a memory for ``quantile`` to read. The caller makes it a
    submodule.

    The table is symmetric and ascends, so the memory holds its upper half, without the highest bit of the magnitudes.
    """
    return Memory(shape=STORED_BITS, depth=1 << NORMAL_INDEX_BITS - 1,
                  init=[int(n) % (1 << STORED_BITS) for n in _upper_half()])


def quantile(m: Module, port: ReadPort, index: Value, enable: ValueLike = 1) -> Signal:
    """Entry ``index`` of the table that ``port`` reads, a clock cycle after ``enable``."""
    upper, place = index[NORMAL_INDEX_BITS - 1], Signal(NORMAL_INDEX_BITS - 1, name="place")
    negative, large = Signal(name="negative"), Signal(name="large")
    entry = Signal(signed(NORMAL_BITS), name="entry")
    magnitude = Cat(port.data, large)
    m.d.comb += [
        place.eq(index[:NORMAL_INDEX_BITS - 1] ^ (~upper).replicate(NORMAL_INDEX_BITS - 1)),
        port.addr.eq(place),
        port.en.eq(enable),
        entry.eq(Mux(negative, -magnitude, magnitude)),
    ]
    with m.If(enable):
        m.d.sync += [negative.eq(~upper), large.eq(place >= int((_upper_half() >> STORED_BITS == 0).sum()))]
    return entry


def _upper_half() -> np.ndarray:
    return normal_quantiles()[1 << NORMAL_INDEX_BITS - 1:]
