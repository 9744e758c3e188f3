"""Vectors of integers in compiled code, with a few lanes each: what keeps sums in registers while rows go by.

Loops over columns alone would not do for convolutions, which have few: most of the time would go into entering them.
Types are those of LLVM, which has instructions for them on every processor. ``a + b``, ``a - b``, ``a * b``, ``a >> b``
work lane by lane on vectors of one type. What makes a vector takes its type from another one, ``like``, and converts;
indices of arrays are not checked.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.extending import models, overload, register_model

intrinsic: Any = extending.intrinsic  # what it makes has one argument less, the context of typing
Vector = Any
"""What compiled code has of a vector: a value of the type ``Lanes``."""


class Lanes(types.Type):
    """A vector of ``count`` integers of the type ``dtype``."""

    def __init__(self, count: int, dtype: Any) -> None:
        self.count, self.dtype = count, dtype
        super().__init__(name=f"Lanes({count}, {dtype})")

    @property
    def llvm(self) -> ir.VectorType:
        """The type in LLVM."""
        return ir.VectorType(ir.IntType(self.dtype.bitwidth), self.count)


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, lanes.llvm)


@intrinsic
def pointers(context: Any, arrays: Any) -> Any:
    """A named tuple of contiguous ``arrays`` as one of pointers to their first elements. They are indexed likewise, by
    one number, but indices are not checked, and references to the arrays are not counted, which costs more than most of
    what is done with them."""
    found = types.NamedTuple([types.CPointer(array.dtype) for array in arrays.types], arrays.instance_class)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        unpacked = cgutils.unpack_tuple(builder, values[0], len(arrays.types))
        return context.make_tuple(builder, found, [
            context.make_array(kind)(context, builder, array).data
            for kind, array in zip(arrays.types, unpacked, strict=True)])
    return found(arrays), generate


@intrinsic(prefer_literal=True)
def zeros(context: Any, count: Any, like: Any) -> Any:
    """``count`` zeros, a constant of the program, of the type of an integer or of the elements of an array."""
    lanes = Lanes(count.literal_value, getattr(like, "dtype", types.unliteral(like)))
    return lanes(count, like), lambda context, builder, signature, values: ir.Constant(lanes.llvm, None)


@intrinsic
def spread(context: Any, value: Any, like: Any) -> Any:
    """``value`` in every lane."""
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        undefined = ir.Constant(like.llvm, ir.Undefined)
        scalar = context.cast(builder, values[0], value, like.dtype)
        first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, undefined, _places([0] * like.count))
    return like(value, like), generate


@intrinsic
def load(context: Any, array: Any, index: Any, like: Any) -> Any:
    """The elements of ``array``, a pointer, from ``index`` on."""
    stored = Lanes(like.count, array.dtype)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        pointer = _pointer(builder, values, stored)
        return _resized(builder, builder.load(pointer, align=stored.dtype.bitwidth // 8), stored, like)
    return like(array, types.intp, like), generate


@intrinsic
def store(context: Any, array: Any, index: Any, value: Any) -> Any:
    """Put ``value`` into the elements of ``array``, a pointer, from ``index`` on."""
    stored = Lanes(value.count, array.dtype)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        pointer = _pointer(builder, values, stored)
        builder.store(_resized(builder, values[2], value, stored), pointer, align=stored.dtype.bitwidth // 8)
        return context.get_dummy_value()
    return types.void(array, types.intp, value), generate


@intrinsic
def resized(context: Any, value: Any, like: Any) -> Any:
    """``value`` with wider or narrower lanes."""
    return like(value, like), lambda context, builder, signature, values: _resized(builder, values[0], value, like)


@intrinsic
def halves(context: Any, value: Any) -> Any:
    """The halves of the lanes of ``value``, the low one first: twice as many lanes, half as wide."""
    narrow = Lanes(2 * value.count, types.Integer.from_bitwidth(value.dtype.bitwidth // 2, signed=True))
    return narrow(value), lambda context, builder, signature, values: builder.bitcast(values[0], narrow.llvm)


@intrinsic
def limited(context: Any, value: Any, like: Any) -> Any:
    """``value`` in lanes of the type of ``like``. Where these are narrower, it is limited to plus or minus 2**30, so
    that a smaller value can be added."""
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        found = values[0]
        if value.dtype.bitwidth > like.dtype.bitwidth:
            for order, bound in ((">", 1 << 30), ("<", -1 << 30)):
                bounds = ir.Constant(value.llvm, [bound] * value.count)
                found = builder.select(builder.icmp_signed(order, found, bounds), bounds, found)
        return _resized(builder, found, value, like)
    return like(value, like), generate


@intrinsic
def larger(context: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """``then`` in the lanes in which ``a`` is larger than ``b``, else ``otherwise``."""
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return builder.select(builder.icmp_signed(">", values[0], values[1]), values[2], values[3])
    return then(a, b, then, otherwise), generate


@intrinsic
def pair_products(context: Any, a: Any, b: Any, like: Any) -> Any:
    """The products of ``a`` and ``b``, those of neighbouring lanes added up: half as many lanes, at least twice as
    wide. Processors do it in one instruction."""
    wide = Lanes(a.count, like.dtype)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        products = builder.mul(*(_resized(builder, value, a, wide) for value in values[:2]))
        undefined = ir.Constant(wide.llvm, ir.Undefined)
        even, odd = (builder.shuffle_vector(products, undefined, _places(range(first, a.count, 2))) for first in (0, 1))
        return builder.add(even, odd)
    return like(a, b, like), generate


@intrinsic
def total(context: Any, value: Any) -> Any:
    """The sum of the lanes."""
    return value.dtype(value), _reduction(value, "add")


@intrinsic
def largest(context: Any, value: Any) -> Any:
    """The largest lane."""
    return value.dtype(value), _reduction(value, "smax")


def _reduction(lanes: Lanes, name: str) -> Callable:
    """What generates the reduction of a vector by LLVM's operation ``name``."""
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.IntType(lanes.dtype.bitwidth), [lanes.llvm]),
            f"llvm.vector.reduce.{name}.v{lanes.count}i{lanes.dtype.bitwidth}")
        return builder.call(function, values)
    return generate


def _places(places: Any) -> ir.Constant:
    """The lanes that a shuffle takes."""
    places = [ir.Constant(ir.IntType(32), place) for place in places]
    return ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)


def _pointer(builder: ir.IRBuilder, values: Any, stored: Lanes) -> ir.Value:
    """A pointer to a vector in memory: from the pointer and the index that are the first ``values``."""
    return builder.bitcast(builder.gep(values[0], [values[1]]), stored.llvm.as_pointer())


def _resized(builder: ir.IRBuilder, value: ir.Value, before: Lanes, after: Lanes) -> ir.Value:
    if before.dtype.bitwidth == after.dtype.bitwidth:
        return value
    return (builder.sext if before.dtype.bitwidth < after.dtype.bitwidth else builder.trunc)(value, after.llvm)


def _lane_by_lane(operation: Callable, name: str) -> None:
    """Define an operator for vectors by the instruction ``name``."""
    @intrinsic
    def instruction(context: Any, a: Any, b: Any) -> Any:
        return a(a, b), lambda context, builder, signature, values: getattr(builder, name)(*values)

    def applied(a: Any, b: Any) -> Any:
        return instruction(a, b)

    @overload(operation)
    def _(a: Any, b: Any) -> Any:
        return applied if isinstance(a, Lanes) and a == b else None


_lane_by_lane(operator.add, "add")
_lane_by_lane(operator.sub, "sub")
_lane_by_lane(operator.mul, "mul")
_lane_by_lane(operator.rshift, "ashr")
