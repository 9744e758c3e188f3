"""``spinloom synth --board``: a bitstream, and what its design needs and reaches."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..design import Design
from ..system.files import replace
from .board import Board
from .estimate import check
from .place import place, require
from .results import BoardResult, CriticalPath, Resources
from .speed import Speed, speed

REPORT = "report.json"


@dataclass(frozen=True, kw_only=True)
class Bitstream(BoardResult):
    """A bitstream, and what its design needs and reaches on its board."""

    experiment: str
    """The name of the design."""
    board: str
    part: str
    fits: bool
    resources: Resources
    """What the design takes."""
    fmax_mhz: float
    """The clock that the timing analysis reached, in MHz."""
    critical_path: CriticalPath
    tool_versions: dict[str, str]
    """By package."""
    capacity: dict[str, int]
    """What the part has of each resource."""
    clock_mhz: float
    """The clock of the bitstream, in MHz."""
    timing_met: bool
    """Whether the timing analysis reached it."""
    speed: Speed | None
    """None for a bank."""
    bitstream: Path
    seconds: float
    """How long the build took."""
    lanes: tuple[int, ...] | None = None
    """Of each crossbar. None in results of earlier versions."""

    inlined: ClassVar[tuple[str, ...]] = ("resources", "speed")


def build(design: Design, board: Board, out: str | Path | None = None,
          progress: Callable[[str], None] = lambda step: None) -> Bitstream:
    """Build the bitstream of ``design`` for ``board`` in the folder ``out`` (runs/NAME-BOARD unless given).

    The answer is also left there as ``report.json``. Before anything is built, ``SynthesisError`` if a tool is missing
    and ``EstimateError`` if it is estimated not to fit.
    """
    require(board)
    check(design, board)
    folder = Path(out if out is not None else f"runs/{design.name}-{board.name}")
    started = time.monotonic()
    placed = place(design, board, folder / "build", progress=progress)
    bitstream = folder / f"{design.name}{placed.bitstream.suffix}"
    with placed.bitstream.open("rb") as file:
        replace(bitstream, lambda target: shutil.copyfileobj(file, target))
    answer = Bitstream(
        experiment=design.name, board=board.name, part=board.part, fits=True, resources=placed.resources,
        fmax_mhz=placed.fmax_mhz, critical_path=placed.critical_path, tool_versions=placed.tool_versions,
        capacity=board.capacity, clock_mhz=board.clock_mhz, timing_met=placed.fmax_mhz >= board.clock_mhz,
        speed=speed(design, board), bitstream=bitstream, seconds=round(time.monotonic() - started, 1),
        lanes=tuple(geometry.lanes for geometry in design.crossbars))
    replace(folder / REPORT, lambda file: file.write(json.dumps(answer.to_json(), indent=1).encode() + b"\n"))
    return answer
