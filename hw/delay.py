"""Registers in a row."""

from amaranth.hdl import Module, Signal


def delay(m: Module, value, clocks: int):
    """``value``, a signal, a view or an expression, as it was ``clocks`` clocks ago; ``value`` itself for 0."""
    for _ in range(clocks):
        delayed = Signal.like(value, name="delayed")
        m.d.sync += delayed.eq(value)
        value = delayed
    return value
