"""A serial device as the port of a link."""

import contextlib
import errno
import os
import select
import termios
import time

import serial

from ..contract.errors import ConfigError
from .link import SILENCE, LinkError, Port

_CHUNK = 1 << 12
"""Most bytes that are read at a time, so that a line that never falls silent lets the host have its turn."""
_DRAIN = 10 * SILENCE
"""Most seconds that ``close`` waits until the line has carried what was written."""


class SerialPort(Port):
    """The serial device ``name`` at ``baud`` bits a second. No other program can open it meanwhile. No call waits for
    long, whatever the device does or does not do.

    ``ConfigError`` if it cannot be opened, ``LinkError`` if it goes away later.
    """

    def __init__(self, name: str, baud: int) -> None:
        self.name = name
        try:
            self._serial = serial.Serial(name, baud, timeout=SILENCE, exclusive=True)
        except (OSError, ValueError, OverflowError, termios.error) as error:
            raise ConfigError(f"cannot open the port {name}: {_reason(error)}") from None

    def now(self) -> float:
        """Seconds since some moment in the past."""
        return time.monotonic()

    def write(self, data: bytes) -> int:
        """Send ``data``, or as much of it as goes within ``SILENCE``. Returns how many bytes that is."""
        sent, end = 0, self.now() + SILENCE
        try:
            while sent < len(data) and select.select([], [self._serial], [], max(0.0, end - self.now()))[1]:
                with contextlib.suppress(BlockingIOError):
                    sent += os.write(self._serial.fileno(), data[sent:])
        except OSError as error:
            raise self._gone(error) from None
        return sent

    def read(self) -> bytes:
        """What has been received. Waits at most ``SILENCE`` for it, then returns nothing."""
        try:
            return self._serial.read(max(1, min(self._serial.in_waiting, _CHUNK)))
        except OSError as error:
            raise self._gone(error) from None

    def close(self) -> None:
        """Give the device back. What it does not send soon is thrown away, for which the system would wait else."""
        end = self.now() + _DRAIN
        with contextlib.suppress(OSError, termios.error):
            while self._serial.out_waiting and self.now() < end:
                time.sleep(SILENCE / 10)
            self._serial.reset_output_buffer()
        self._serial.close()

    def _gone(self, error: OSError) -> LinkError:
        return LinkError(f"the port {self.name} is gone: {error}")


def _reason(error: Exception) -> str:
    """Why a port cannot be opened. pyserial's own text names the port again, and the number of the system's error."""
    number = getattr(error, "errno", None)
    if number == errno.EWOULDBLOCK:
        return "another program has it open"
    if number is not None:
        return os.strerror(number)
    if isinstance(error.__context__, termios.error):
        return "it is no serial device"
    return str(error)
