"""Registers in a row."""

from amaranth.hdl import Module, Signal, ValueLike


def delays(m: Module, value: ValueLike, cycles: int, enable: ValueLike = 1) -> list[ValueLike]:
    """``value``, and what it was 1, 2, ... ``cycles`` clock cycles ago, of which only those with ``enable`` count;
    ``value`` is a signal, a view or an expression."""
    values = [value]
    for _ in range(cycles):
        delayed = Signal.like(value, name="delayed")
        with m.If(enable):
            m.d.sync += delayed.eq(values[-1])
        values.append(delayed)
    return values


def delay(m: Module, value: ValueLike, cycles: int) -> ValueLike:
    """``value`` as it was ``cycles`` clock cycles ago; ``value`` itself for 0."""
    return delays(m, value, cycles)[-1]
