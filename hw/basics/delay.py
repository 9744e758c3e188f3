"""Registers in a row."""

from amaranth.hdl import Module, Signal


def delays(m: Module, value, clocks: int) -> list:
    """``value``, a signal, a view or an expression, and what it was 1, 2, ... ``clocks`` clocks ago."""
    values = [value]
    for _ in range(clocks):
        delayed = Signal.like(value, name="delayed")
        m.d.sync += delayed.eq(values[-1])
        values.append(delayed)
    return values


def delay(m: Module, value, clocks: int):
    """``value`` as it was ``clocks`` clocks ago; ``value`` itself for 0."""
    return delays(m, value, clocks)[-1]
