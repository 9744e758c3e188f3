"""A plugin of pytest that runs the compiled kernel in plain Python: what Numba would compile is left as it is written,
and vectors are NumPy's arrays. It is thousands of times as slow, and a change takes no compiler.

``pytest -p spinloom.study.mutants.plain``. Here are stand-ins for what
`model.compiled.lanes` generates: the same names, and the same values wherever those of compiled code are defined.
"""

import sys
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

KERNEL = f"{__name__.partition('.')[0]}.model.compiled"
Vector = np.ndarray


def pytest_configure() -> None:
    """Let the kernel be imported as Python, once more if it has been imported already."""
    if sys.modules.get(f"{KERNEL}.lanes") is sys.modules[__name__]:
        return
    for name in [name for name in sys.modules if name == KERNEL or name.startswith(f"{KERNEL}.")]:
        del sys.modules[name]
    config: Any = numba.config
    config.DISABLE_JIT = True
    sys.modules[f"{KERNEL}.lanes"] = sys.modules[__name__]
    np.seterr(over="ignore")  # of products that are hashed, which compiled code lets overflow too

    from ...model.compiled import crossbar, gradient, tables, trainer  # noqa: PLC0415 - not before

    crossbar.layer_records = gradient.layer_records = trainer.layer_records = _readable(tables.layer_records)


def _readable(layer_records: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """``layer_records``, but the fields of a record can be read as its attributes, as in compiled code."""
    return lambda geometries: layer_records(geometries).view(np.recarray)


class Pointer:
    """An array whose elements are Python's integers, as wide as they need."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.dtype, self._elements = array, array.dtype, array.data

    def __getitem__(self, index: int) -> int:
        return self._elements[index]

    def __setitem__(self, index: int, value: int) -> None:
        self._elements[index] = int(value)


def pointers(arrays: Any) -> Any:
    return type(arrays)(*map(Pointer, arrays))


def zeros(count: int, like: Any) -> Vector:
    return np.zeros(count, like.dtype)


def spread(value: int, like: Vector) -> Vector:
    return np.full(len(like), value, np.int64).astype(like.dtype)


def load(pointer: Pointer, index: int, like: Vector) -> Vector:
    return _elements(pointer, index, len(like)).astype(like.dtype)


def store(pointer: Pointer, index: int, value: Vector) -> None:
    _elements(pointer, index, len(value))[:] = value.astype(pointer.dtype)


def _elements(pointer: Pointer, index: int, count: int) -> np.ndarray:
    """``count`` elements; ``IndexError`` unless the array has them. Compiled code does not look."""
    if not 0 <= index <= len(pointer.array) - count:
        raise IndexError(f"elements {index} to {index + count - 1} of {len(pointer.array)}")
    return pointer.array[index:index + count]


def resized(value: Vector, like: Vector) -> Vector:
    return value.astype(like.dtype)


def halves(value: Vector) -> Vector:
    return value.view(f"i{value.dtype.itemsize // 2}")


def limited(value: Vector, like: Vector) -> Vector:
    narrower = value.dtype.itemsize > like.dtype.itemsize
    return (value.clip(-1 << 30, 1 << 30) if narrower else value).astype(like.dtype)


def larger(a: Vector, b: Vector, then: Vector, otherwise: Vector) -> Vector:
    return np.where(a > b, then, otherwise)


def pair_products(a: Vector, b: Vector, like: Vector) -> Vector:
    products = a.astype(like.dtype) * b.astype(like.dtype)
    return products[0::2] + products[1::2]


def total(value: Vector) -> int:
    return value.sum(dtype=value.dtype)


def largest(value: Vector) -> int:
    return value.max()
