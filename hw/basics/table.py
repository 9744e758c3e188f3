"""Tables of constants."""

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Shape, Signal, Value, ValueLike
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.utils import bits_for


def table(m: Module, name: str, entries: Sequence[Mapping[str, Any]], layout: data.StructLayout, index: ValueLike,
          enable: ValueLike = 1) -> data.View:
    """The entry at ``index``, one clock cycle later; it stays while ``enable`` is low. Fields are taken modulo their
    width. ``name`` is that of the submodule.

    Cost: a memory that is only read, in block RAM or, where it is small, in LUTs.
    """
    words = [layout.from_bits(_packed(entry, layout)) for entry in entries]
    m.submodules[name] = memory = Memory(shape=layout, depth=max(2, len(words)), init=words)
    read = memory.read_port()
    m.d.comb += [read.addr.eq(index), read.en.eq(enable)]
    return read.data


def _packed(value: Any, shape: Any) -> int:
    """The bits of ``value``."""
    if not isinstance(shape, data.StructLayout | data.ArrayLayout):
        return int(value) & (1 << Shape.cast(shape).width) - 1
    return sum(_packed(value[name], field.shape) << field.offset for name, field in shape)


def chosen(m: Module, name: str, one: Value, constants: Sequence[int]) -> Signal:
    """The one of ``constants``, which are not negative, whose bit of ``one`` is set; at most one is. 0 if none is.

    Cost: for each bit of the result, an OR of those bits of ``one`` whose constant has it.
    """
    result = Signal(max(1, *map(bits_for, constants)), name=name)
    m.d.comb += result.eq(Cat(Cat(one[place] for place, value in enumerate(constants) if value >> bit & 1).any()
                              for bit in range(len(result))))
    return result
