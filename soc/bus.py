"""Ways to the registers and the memory of a system on chip."""

import mmap
import os
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from ..contract.errors import SpinloomError
from ..hw.axi.registers import ADDRESS_BITS

UDMABUF = Path("/sys/class/u-dma-buf")
"""Where the Linux driver u-dma-buf tells of its buffers."""


class BusError(SpinloomError, RuntimeError):
    """Registers or memory cannot be reached, or do not answer as they should."""


class Bus(Protocol):
    """Words of 32 bits at addresses in bytes, which are multiples of 4.

    `MappedBus` is one. So are, as they come, ``pynq.MMIO``, and LiteX's ``RemoteClient`` with addresses from its 0 on.
    """

    def read(self, address: int, /) -> int:
        """The word at ``address``."""

    def write(self, address: int, value: int, /) -> None:
        """Write the word ``value`` to ``address``."""


class Buffer(Protocol):
    """Words of memory that processor and network share, uint32. `MappedBuffer` is one, and so is, as it comes, what
    ``pynq.allocate((words,), "u4")`` makes."""

    def __len__(self) -> int:
        """How many there are."""

    def __setitem__(self, places: slice, words: np.ndarray, /) -> None:
        """Write words."""

    @property
    def physical_address(self) -> int:
        """Where the network finds it, in bytes."""


class MappedBus:
    """``size`` bytes of the device ``path`` from ``offset`` on, a multiple of the size of a page, as a `Bus` whose
    addresses begin at 0. `memory` and `uio` make one. It is a context manager, which closes it.

    ``BusError`` if it cannot be opened or mapped.
    """

    def __init__(self, path: str | Path, offset: int = 0, size: int = 1 << ADDRESS_BITS) -> None:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_SYNC)
            try:
                self._map = mmap.mmap(descriptor, size, offset=offset)
            finally:
                os.close(descriptor)
        except (OSError, ValueError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise BusError(f"cannot map {size} bytes of {path} from {offset:#x} on: {reason}; check the device, that "
                           "you may use it, and the address") from None
        self.words: np.ndarray | None = np.frombuffer(self._map, dtype=np.uint32)
        """What is there. NumPy moves each word by a single access. None when it is closed."""

    @classmethod
    def memory(cls, address: int) -> Self:
        """The registers at the physical ``address``, by /dev/mem."""
        return cls("/dev/mem", address)

    @classmethod
    def uio(cls, number: int) -> Self:
        """The registers of the device /dev/uio``number``, its first map."""
        return cls(f"/dev/uio{number}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing can be read or written any more."""
        if self.words is not None:
            self.words = None
            self._map.close()

    def read(self, address: int, /) -> int:
        return int(self._words()[self._place(address)])

    def write(self, address: int, value: int, /) -> None:
        self._words()[self._place(address)] = value

    def _words(self) -> np.ndarray:
        if self.words is None:
            raise BusError("the bus is closed")
        return self.words

    def _place(self, address: int) -> int:
        if address % 4 or not 0 <= address < 4 * len(self._words()):
            raise ValueError(f"address={address:#x}: must be a multiple of 4 below {4 * len(self._words()):#x}")
        return address // 4


class MappedBuffer(MappedBus):
    """The buffer ``name`` of the Linux driver u-dma-buf, whole: a `Buffer`.

    ``BusError`` if there is none, or it cannot be mapped.
    """

    def __init__(self, name: str, *, devices: Path = Path("/dev"), told: Path = UDMABUF) -> None:
        try:
            size = int((told / name / "size").read_text(encoding="ascii"))
            self._address = int((told / name / "phys_addr").read_text(encoding="ascii"), 16)
        except (OSError, ValueError) as error:
            raise BusError(f"no buffer {name} of u-dma-buf: {error}") from None
        super().__init__(devices / name, size=size)

    @property
    def physical_address(self) -> int:
        return self._address

    def __len__(self) -> int:
        return len(self._words())

    def __setitem__(self, places: slice, words: np.ndarray, /) -> None:
        self._words()[places] = words
