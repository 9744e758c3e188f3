"""Payloads of streams as Python values, packed by the layouts that the design itself uses."""

from enum import Enum
from typing import Any

from amaranth.hdl import Shape, ShapeLike
from amaranth.lib import data


class Packing:
    """Packs integers, dictionaries (structures) and lists (arrays) to the bits of ``shape``, and back.

    Does what ``data.Layout.const`` does, but computes offsets only once, as simulations pack a payload in every clock
    cycle.
    """

    def __init__(self, shape: ShapeLike) -> None:
        self.shape = Shape.cast(shape)
        self._mask = (1 << self.shape.width) - 1
        self._fields: list[tuple[str | int, int, Packing]] | None = None
        self._array = isinstance(shape, data.ArrayLayout)
        if isinstance(shape, data.Layout):
            self._fields = [(key, field.offset, Packing(field.shape)) for key, field in shape]
        else:
            low = -(1 << self.shape.width - 1) if self.shape.signed else 0
            self._range = range(low, low + self._mask + 1)

    def pack(self, value: Any) -> int:
        """The bits of ``value``, which must give every field. ``ValueError`` if one does not fit."""
        if self._fields is not None:
            if len(value) != len(self._fields):
                raise ValueError(f"{value}: the fields must be {[key for key, _, _ in self._fields]}")
            bits = 0
            for key, offset, packing in self._fields:
                bits |= packing.pack(value[key]) << offset
            return bits
        number = int(value.value if isinstance(value, Enum) else value)
        if number not in self._range:
            raise ValueError(f"{value} does not fit into {self.shape!r}")
        return number & self._mask

    def unpack(self, bits: int) -> Any:
        """What ``pack`` made ``bits`` from. Enumerations come back as integers."""
        bits &= self._mask
        if self._fields is not None:
            values = {key: packing.unpack(bits >> offset) for key, offset, packing in self._fields}
            return list(values.values()) if self._array else values
        return bits if bits < self._range.stop else bits - self._mask - 1
