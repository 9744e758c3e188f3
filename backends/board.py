"""Crossbars on a board, behind its serial line."""

from ..boards.link import Link, LinkBench, Patience
from ..boards.serial_port import SerialPort
from ..contract.bank import banked
from ..contract.geometry import CrossbarGeometry
from ..contract.link import BANK
from ..contract.parameters import design_digest
from ..hw.crossbar.crossbar import require_no_wires
from .driven import DrivenCrossbar, drive
from .protocol import State

BAUD = 3_000_000
"""Bits a second, unless chosen otherwise."""


class _Session:
    """A link, open until nothing refers to it any more."""

    def __init__(self, link: Link, line: SerialPort) -> None:
        self._link, self._line = link, line
        link.open()

    def __del__(self) -> None:
        self._link.close()
        self._line.close()


def board_crossbars(geometries: tuple[CrossbarGeometry, ...], states: list[State], port: str, *, baud: int = BAUD,
                    patience: Patience | None = None) -> list[DrivenCrossbar]:
    """The crossbars of the board at the serial device ``port``: one of each of ``geometries``, in its one of
    ``states``. The port is theirs until nothing refers to them any more.

    The board holds a bitstream of a bank for these geometries, or for others that parameters can turn into them. An
    operation is answered before the next one is sent. A board that is reset loses its states: ``BoardResetError``.

    Raises ``ConfigError`` if the port cannot be opened, or hardware cannot have the crossbars; ``LinkError`` if the
    board does not answer or holds another design.
    """
    for geometry in geometries:
        require_no_wires(geometry)
    digest = design_digest(tuple(map(banked, geometries)))
    line = SerialPort(port, baud)
    link = Link(line, digest, patience=patience)
    return drive(LinkBench(link, BANK), geometries, states, _Session(link, line))
