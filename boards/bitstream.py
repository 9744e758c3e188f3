"""``spinloom synth --board``: the bitstream of a network, and what it needs and reaches."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..config import Experiment
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
    speed: Speed
    bitstream: Path
    seconds: float
    """How long the build took."""

    inlined: ClassVar[tuple[str, ...]] = ("resources", "speed")


def build(experiment: Experiment, board: Board, out: str | Path | None = None,
          progress: Callable[[str], None] = lambda step: None) -> Bitstream:
    """Build the bitstream of ``experiment`` for ``board`` in the folder ``out`` (runs/NAME-BOARD unless given).

    The answer is also left there as ``report.json``. Before anything is built, ``SynthesisError`` if a tool is missing
    and ``EstimateError`` if the network is estimated not to fit.
    """
    require(board)
    check(experiment, board)
    folder = Path(out if out is not None else f"runs/{experiment.name}-{board.name}")
    started = time.monotonic()
    placed = place(experiment, board, folder / "build", progress=progress)
    bitstream = folder / f"{experiment.name}{placed.bitstream.suffix}"
    with placed.bitstream.open("rb") as file:
        replace(bitstream, lambda target: shutil.copyfileobj(file, target))
    answer = Bitstream(
        experiment=experiment.name, board=board.name, part=board.part, fits=True, resources=placed.resources,
        fmax_mhz=placed.fmax_mhz, critical_path=placed.critical_path, tool_versions=placed.tool_versions,
        capacity=board.capacity, clock_mhz=board.clock_mhz, timing_met=placed.fmax_mhz >= board.clock_mhz,
        speed=speed(experiment, board), bitstream=bitstream, seconds=round(time.monotonic() - started, 1))
    replace(folder / REPORT, lambda file: file.write(json.dumps(answer.to_json(), indent=1).encode() + b"\n"))
    return answer
