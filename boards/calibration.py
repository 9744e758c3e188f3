"""The designs that were built, and the weights of the estimate that were fitted to them: ``calibration.json``."""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from ..system.files import replace
from .results import BoardResult, CriticalPath, Resources

FILE = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True, kw_only=True)
class Design(BoardResult):
    """A design as it was built for a board."""

    design: str
    """A key of `calibrate.DESIGNS`."""
    board: str
    placed: bool
    """Whether it was placed and routed, not only packed."""
    resources: Resources
    fmax_mhz: float | None = None
    """The clock that it reached, in MHz, if it was placed."""
    critical_path: CriticalPath | None = None
    tool_versions: dict[str, str] | None = None
    """Of the tools that placed it, by package."""

    inlined: ClassVar[tuple[str, ...]] = ("resources",)

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Design":
        """What ``to_json`` made."""
        path = document.get("critical_path")
        return cls(
            design=document["design"], board=document["board"], placed=document["placed"],
            resources=Resources(luts=document["luts"], block_rams=document["block_rams"], dsps=document["dsps"]),
            fmax_mhz=document.get("fmax_mhz"), critical_path=CriticalPath.read(path) if path else None,
            tool_versions=document.get("tool_versions"))


@dataclass(frozen=True, kw_only=True)
class Calibration(BoardResult):
    """What the estimate knows of designs that were built."""

    weights: dict[str, dict[str, float]] = field(default_factory=dict)
    """For each family, LUTs for one of each figure of `estimate.structure`."""
    designs: tuple[Design, ...] = ()


def read(file: Path = FILE) -> Calibration:
    """The contents of ``file``; nothing if there is none."""
    if not file.is_file():
        return Calibration()
    document = json.loads(file.read_text(encoding="utf-8"))
    return Calibration(weights=document["weights"], designs=tuple(map(Design.read, document["designs"])))


def write(calibration: Calibration, file: Path = FILE) -> None:
    """Put ``calibration`` into ``file``."""
    text = json.dumps(calibration.to_json(), indent=1)
    replace(file, lambda target: target.write(text.encode() + b"\n"))


@cache
def current() -> Calibration:
    """The contents of the package's file, read once."""
    return read()
