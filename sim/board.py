"""A board in simulation: its complete design, compiled, behind a pseudo-terminal, which is opened like a serial
device."""

import contextlib
import ctypes
import os
import select
import threading
import tty
from collections.abc import Callable
from importlib import resources
from random import Random

import numpy as np

from ..hw.export.verilog import to_verilog
from ..hw.link.linked_design import LinkedDesign
from .sdram import cells_driver, check, has_sdram
from .simulators.library import build, declare
from .simulators.toolchain import TOP, SimulationError

_CHUNK = 4000
"""Clock cycles between two looks at the terminal."""
_SETTLE = 100
"""Clock cycles for which nothing must happen before time stands still."""
_BYTES = 1 << 16
"""Most bytes that are moved at a time."""

Fault = Callable[[bytes], bytes]
"""What becomes of bytes on a line."""


class SimulatedBoard:
    """A board with ``component`` on it. It runs in a thread of its own from ``start`` to ``close``; ``port`` is then
    the name of the serial device that leads to it. Time stands still while nothing happens.

    ``to_board`` and ``to_host`` say what becomes of the bytes on either line. Raises ``SimulatorError`` if Verilator
    cannot be used, ``SimulationError`` if the design cannot be built.
    """

    def __init__(self, component: LinkedDesign, to_board: Fault = bytes, to_host: Fault = bytes) -> None:
        driver = resources.files(__package__).joinpath("board.cpp").read_text(encoding="utf-8")
        handle, size = ctypes.c_void_p, ctypes.c_size_t
        self._library = declare(build(to_verilog(component, TOP), cells_driver(component) + driver), (
            ("board_new", handle, [ctypes.c_uint]),
            ("board_delete", None, [handle]),
            ("board_reset", None, [handle]),
            ("board_put", None, [handle, ctypes.c_char_p, size]),
            ("board_take", size, [handle, ctypes.c_char_p, size]),
            ("board_broken", ctypes.c_uint, [handle]),
            ("board_columns", ctypes.POINTER(ctypes.c_uint32), [handle]),
            ("board_cycle", ctypes.c_uint64, [handle]),
            ("board_run", ctypes.c_bool, [handle, ctypes.c_uint64, ctypes.c_uint64]),
        ))
        self.to_board, self.to_host = to_board, to_host
        self._divisor = component.divisor
        self._column_bits = len(component.cells.address) if has_sdram(component) else 0
        self._resets = 0
        self.cycle = 0
        """Clock cycles passed."""

    def start(self) -> "SimulatedBoard":
        """Power on. ``SimulationError`` if the system has no pseudo-terminal left."""
        try:
            self._master, self._slave = os.openpty()
            self.port = os.ttyname(self._slave)
            self._wake, self._waker = os.pipe()
        except OSError as error:
            raise SimulationError(f"no pseudo-terminal for the simulated board: {error.strerror}") from None
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._handle = self._library.board_new(self._divisor)
        self._done = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Power off: within the time that ``_CHUNK`` clock cycles take, whatever the board is doing. ``SdramError`` if
        it has broken a rule of its SDRAM."""
        self._done = True
        os.write(self._waker, b"\0")
        self._thread.join()
        for descriptor in (self._master, self._slave, self._wake, self._waker):
            os.close(descriptor)
        broken = self._library.board_broken(self._handle)
        self._library.board_delete(self._handle)
        check(broken, self.cycle)

    def __enter__(self) -> "SimulatedBoard":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def columns(self) -> np.ndarray:
        """The columns of its SDRAM, by address, while it has power: what is written here is in the chip."""
        return np.ctypeslib.as_array(self._library.board_columns(self._handle), (1 << self._column_bits,))

    def reset(self) -> None:
        """Press the reset button."""
        self._resets += 1
        os.write(self._waker, b"\0")

    def _run(self) -> None:
        quiet, pending, resets = False, b"", self._resets
        buffer = ctypes.create_string_buffer(_BYTES)
        while not self._done:
            # A board that is quiet waits for the host: for something from it, or until it takes what is pending.
            readable, _, _ = select.select([self._master, self._wake], [self._master] if pending else [], [],
                                           None if quiet else 0)
            if self._wake in readable:
                os.read(self._wake, _BYTES)
            if self._master in readable:
                data = self.to_board(os.read(self._master, _BYTES))
                self._library.board_put(self._handle, data, len(data))
                quiet = False
            if self._resets != resets:
                resets = self._resets
                self._library.board_reset(self._handle)
                quiet = False
            if not quiet:
                quiet = self._library.board_run(self._handle, _CHUNK, _SETTLE)
                self.cycle = self._library.board_cycle(self._handle)
                count = self._library.board_take(self._handle, buffer, _BYTES)
                pending += self.to_host(ctypes.string_at(buffer, count))
            if pending:
                with contextlib.suppress(BlockingIOError):
                    pending = pending[os.write(self._master, pending):]


class Noise:
    """A line that damages a fraction ``rate`` of its bytes, drawn from ``random``: each is dropped, doubled, held back
    for a while, or has a bit flipped."""

    def __init__(self, random: Random, rate: float) -> None:
        self._random, self._rate = random, rate
        self._held = b""

    def __call__(self, data: bytes) -> bytes:
        random, result = self._random, bytearray(self._held)
        self._held = b""
        for place, byte in enumerate(data):
            if random.random() >= self._rate:
                result.append(byte)
                continue
            fault = random.randrange(4)
            if fault == 0:
                result += bytes([byte, byte])
            elif fault == 1:
                result.append(byte ^ 1 << random.randrange(8))
            elif fault == 2:
                self._held = data[place:]
                break
        return bytes(result)
