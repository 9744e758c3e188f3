"""All boards."""

from ..contract.errors import ConfigError
from . import icebreaker, tang_nano_20k, ulx3s
from .board import Board

BOARDS = {module.BOARD.name: module.BOARD for module in (ulx3s, icebreaker, tang_nano_20k)}


def find(name: str) -> Board:
    """The board of that name; ``ConfigError`` if there is none."""
    if name not in BOARDS:
        raise ConfigError(f"no board {name!r}; boards are {', '.join(BOARDS)}")
    return BOARDS[name]
