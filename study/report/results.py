"""Results as a report reads them: what the answers of several commands have in common."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...contract.results import Result


@dataclass(frozen=True, kw_only=True)
class Agreement(Result):
    """What a comparison of golden model and hardware has found: of ``cosim``, ``epoch`` or ``run``."""

    bit_exact: bool
    samples: int
    """Trained on both."""
    first_difference: str | None = None
    simulator: str | None = None
    test_accuracy: float | None = None
    """Percent, of a board."""
    cycles_per_sample: float | None = None
    bound_cycles_per_sample: float | None = None
    """Clock cycles that the memories alone would need."""
    baud: int | None = None
    """Of a board: bits a second on its line."""
    samples_per_second: float | None = None
    """Of a board."""
    name: str = ""
    """The file, without suffix; for the result of a run, its folder."""

    @property
    def of(self) -> str:
        """What was compared."""
        return "board" if self.baud is not None else f"RTL, {self.simulator}" if self.simulator else "RTL, compiled"

    @classmethod
    def read(cls, document: dict[str, Any], path: Path) -> "Agreement":
        """That in ``document``, which is the file ``path``. ``ConfigError`` if it is none."""
        name = path.parent if path.name in ("result.json", "epoch.json") else path.with_suffix("")
        return replace(cls.from_json(document, str(path)), name=str(name))


@dataclass(frozen=True, kw_only=True)
class Size(Result):
    """What a design takes of an FPGA: of ``synth``, with or without a board, or of ``estimate``."""

    experiment: str
    board: str | None = None
    target: str | None = None
    """The family, where there is no board."""
    luts: int
    flip_flops: int | None = None
    block_rams: int
    dsps: int
    fmax_mhz: float | None = None
    """The clock that the timing analysis reached, in MHz."""
    samples_per_second: int | None = None
    lanes: tuple[int, ...] | None = None
    """Of each crossbar."""
    shapes: tuple[dict[str, Any], ...] = ()
    """Of an estimate: of each crossbar."""
    file: str = ""

    @property
    def of(self) -> str:
        """How the figures were found, and for what."""
        how = "estimated" if self.shapes else "placed and routed" if self.fmax_mhz is not None else "synthesised"
        return f"{how}, {self.board or self.target}"

    @property
    def all_lanes(self) -> int | None:
        """Of all crossbars together."""
        lanes = self.lanes or [count for shape in self.shapes if isinstance(count := shape.get("lanes"), int)]
        return sum(lanes) if lanes else None

    @classmethod
    def read(cls, document: dict[str, Any], file: str) -> "Size":
        """That in ``document``, which comes from ``file``. ``ConfigError`` if it is none."""
        return replace(cls.from_json(document, file), file=file)


@dataclass(frozen=True, kw_only=True)
class Fit(Result):
    """A device learned from measurements: of ``device fit``."""

    kind: str
    certainty: str
    pulses: int
    level: float
    unit: str
    table: list[dict[str, Any]]
    device: dict[str, Any]
    """Its fields."""
