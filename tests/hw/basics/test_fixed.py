"""hw.fixed against the definitions of docs/arithmetic.md section 1, on every value of small shapes."""

import pytest
from amaranth.hdl import Module, Shape, Signal
from amaranth.sim import Simulator
from spinloom.hw.basics.fixed import round_shift, saturate


def values(shape):
    return range(-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else range(1 << shape.width)


def evaluate(shape, expressions):
    """What each of ``expressions`` (callables on a value) yields, for each value of ``shape``."""
    operand, results = Signal(shape), []
    module = Module()
    outputs = []
    for expression in expressions:
        result = expression(operand)
        outputs.append(Signal(result.shape()))
        module.d.comb += outputs[-1].eq(result)

    async def bench(ctx):
        for value in values(shape):
            ctx.set(operand, value)
            results.append([ctx.get(output) for output in outputs])

    simulator = Simulator(module)
    simulator.add_testbench(bench)
    simulator.run()
    return results


SHAPES = [Shape(width, signed) for width in (1, 2, 3, 6) for signed in (False, True)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_round_shift(shape):
    shifts = range(9)
    for value, results in zip(values(shape), evaluate(shape, [lambda v, s=s: round_shift(v, s) for s in shifts]),
                              strict=True):
        assert results == [value if s == 0 else (value + (1 << s - 1)) >> s for s in shifts]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("signed", [False, True])
def test_saturate(shape, signed):
    widths = range(1, 9)
    expressions = [lambda v, b=b: saturate(v, b, signed=signed) for b in widths]
    assert [expression(Signal(shape)).shape() for expression in expressions] == [Shape(b, signed) for b in widths]
    for value, results in zip(values(shape), evaluate(shape, expressions), strict=True):
        limits = [(-(1 << b - 1), (1 << b - 1) - 1) if signed else (0, (1 << b) - 1) for b in widths]
        assert results == [min(max(value, lowest), highest) for lowest, highest in limits]


def test_round_shift_of_an_expression_keeps_every_bit():
    a, b = Signal(4), Signal(4)
    assert round_shift(a + b, 2).shape() == Shape(4, False)
    assert round_shift((a - b), 2).shape() == Shape(4, True)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="shift=-1: a rounding shift must be at least 0"):
        round_shift(Signal(4), -1)
    with pytest.raises(ValueError, match="bits=0: a value to saturate to needs at least 1 bit"):
        saturate(Signal(4), 0)
