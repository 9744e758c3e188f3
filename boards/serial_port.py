"""A serial device as the port of a link."""

import serial

from ..contract.errors import ConfigError
from .link import SILENCE, LinkError, Port


class SerialPort(Port):
    """The serial device ``name`` at ``baud`` bits a second. No other program can open it meanwhile.

    ``ConfigError`` if it cannot be opened, ``LinkError`` if it goes away later.
    """

    def __init__(self, name: str, baud: int) -> None:
        self.name = name
        try:
            self._serial = serial.Serial(name, baud, timeout=SILENCE, exclusive=True)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ConfigError(f"cannot open the port {name}: {reason}") from None

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except OSError as error:
            raise self._gone(error) from None

    def read(self) -> bytes:
        try:
            return self._serial.read(max(1, self._serial.in_waiting))
        except OSError as error:
            raise self._gone(error) from None

    def close(self) -> None:
        self._serial.close()

    def _gone(self, error: OSError) -> LinkError:
        return LinkError(f"the port {self.name} is gone: {error}")
