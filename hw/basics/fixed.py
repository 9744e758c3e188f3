"""Fixed-point rounding and saturation on Amaranth values, as defined in docs/arithmetic.md section 1; division.

They are combinational expressions. Every result is wide enough for every value of its operand, so nothing is ever
truncated silently.
"""

from amaranth.hdl import Array, Cat, Const, Mux, Value


def round_shift(value: Value, shift: int) -> Value:
    """``(value + 2**(shift - 1)) >> shift``, or ``value`` for ``shift = 0``: rounds to nearest, ties up.

    The result has the signedness of ``value`` and ``max(width - shift, 2 if signed else 1) + 1`` bits; for
    ``shift = 0``, its width. Cost: an incrementer of the result's width, because the rounded quotient is the quotient
    plus the highest bit that was shifted out. Raises ``ValueError`` if ``shift`` is negative.
    """
    value = Value.cast(value)
    if shift < 0:
        raise ValueError(f"shift={shift}: a rounding shift must be at least 0")
    if shift == 0:
        return value
    return value.shift_right(shift) + value.shift_right(shift - 1)[:1]


def saturate(value: Value, bits: int, signed: bool = True) -> Value:
    """``value`` limited to ``-2**(bits-1) .. 2**(bits-1) - 1``, or to ``0 .. 2**bits - 1`` unless ``signed``.

    The result has the shape ``Shape(bits, signed)``; ``value`` may have any shape. Cost: a test of the bits that are
    dropped and a multiplexer of ``bits`` bits; nothing where every value fits. Raises ``ValueError`` if ``bits`` is
    less than 1.
    """
    if bits < 1:
        raise ValueError(f"bits={bits}: a value to saturate to needs at least 1 bit")
    value = Value.cast(value)
    if not value.shape().signed:
        value = Cat(value, Const(0, 1)).as_signed()
    width, sign = len(value), value[-1]
    kept = bits - signed
    if width - 1 > kept:
        dropped = value[kept:-1]
        lowest, highest = Const(1 << kept if signed else 0, bits), Const((1 << kept) - 1, bits)
        underflow = ~dropped.all() if signed else Const(1, 1)
        limited = Mux(sign, Mux(underflow, lowest, value[:bits]), Mux(dropped.any(), highest, value[:bits]))
    elif signed:
        limited = Cat(value, sign.replicate(bits - width))
    else:
        limited = Mux(sign, 0, Cat(value[:-1], Const(0, bits - width + 1)))
    return limited.as_signed() if signed else limited


def coarse(value: Value, dropped: int) -> Value:
    """``value``, of which DACs do not resolve the lowest ``dropped`` bits (docs/arithmetic.md 4.7), in the same shape.

    Cost: an incrementer of the bits that are left; nothing if ``dropped`` is 0.
    """
    value = Value.cast(value)
    if dropped == 0:
        return value
    shape = value.shape()
    kept = Cat(Const(0, dropped), saturate(round_shift(value, dropped), shape.width - dropped, shape.signed))
    return kept.as_signed() if shape.signed else kept


def divided(value: Value, count: int, divisor: int) -> tuple[Value, Value]:
    """Quotient and remainder of ``value``, which is less than ``count``, by ``divisor``. Cost: nothing for a power of
    two, else two tables of ``count`` entries."""
    if divisor & divisor - 1 == 0:
        shift = divisor.bit_length() - 1
        return value[shift:], value[:shift]
    quotients, remainders = (Array(part) for part in zip(*(divmod(index, divisor) for index in range(count)),
                                                        strict=True))
    return quotients[value], remainders[value]
