"""``spinloom synth --board``: the bitstream of a network, and what it needs and reaches."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ..config import Experiment
from ..system.files import replace
from .board import Board
from .estimate import check
from .place import place, require
from .speed import speed

REPORT = "report.json"


def build(experiment: Experiment, board: Board, out: str | Path | None = None,
          progress: Callable[[str], None] = lambda step: None) -> dict:
    """Build the bitstream of ``experiment`` for ``board`` in the folder ``out`` (runs/NAME-BOARD unless given).

    The answer, also left there as ``report.json``, holds what `place.place` tells, and `speed.speed`;
    ``clock_mhz``, the clock of the bitstream, and ``timing_met``, whether the timing analysis reached it; ``capacity``,
    ``fits``, ``experiment``, ``board``, ``part`` and ``seconds``. Whether the tools are there and whether the network
    will fit is asked first: ``SynthesisError``, ``EstimateError``.
    """
    require(board)
    check(experiment, board)
    folder = Path(out if out is not None else f"runs/{experiment.name}-{board.name}")
    started = time.monotonic()
    placed = place(experiment, board, folder / "build", progress=progress)
    made = Path(placed.pop("bitstream"))
    bitstream = folder / f"{experiment.name}{made.suffix}"
    with made.open("rb") as file:
        replace(bitstream, lambda target: shutil.copyfileobj(file, target))
    answer = {
        "experiment": experiment.name, "board": board.name, "part": board.part, "fits": True,
        **placed,
        "capacity": board.capacity,
        "clock_mhz": board.clock_mhz,
        "timing_met": placed["fmax_mhz"] >= board.clock_mhz,
        **speed(experiment, board),
        "bitstream": str(bitstream),
        "seconds": round(time.monotonic() - started, 1),
    }
    replace(folder / REPORT, lambda file: file.write(json.dumps(answer, indent=1).encode() + b"\n"))
    return answer
