"""What the results of boards have in common."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ..contract.results import Result


@dataclass(frozen=True, kw_only=True)
class BoardResult(Result):
    """A result whose JSON leaves fields out that are None, and shows the fields of ``inlined`` results as its own."""

    inlined: ClassVar[tuple[str, ...]] = ()
    """Fields that are results and have no key of their own."""

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {}
        for name, value in super().to_json().items():
            if name in self.inlined:
                document |= value or {}
            elif value is not None:
                document[name] = value
        return document


@dataclass(frozen=True, kw_only=True)
class Resources(BoardResult):
    """What a network needs of a part."""

    luts: int
    """LUTs; on an iCE40 cells of one LUT and one flip-flop."""
    flip_flops: int | None = None
    """None where they are not estimated or, on an iCE40, not counted by themselves."""
    block_rams: int
    dsps: int
    single_port_rams: int | None = None
    """Large memories with one port; None where the part has none."""

    def counted(self) -> dict[str, int]:
        """The resources that are known, by name."""
        return self.to_json()


@dataclass(frozen=True, kw_only=True)
class CriticalPath(Result):
    """The path that limits the clock."""

    start: str
    """The register or memory from which it leads, as the design names it."""
    end: str
    """The one to which it leads."""
    ns: float
    """How long a signal takes, in nanoseconds."""
    routing_ns: float
    """How much of it are wires, in nanoseconds."""

    def to_json(self) -> dict[str, Any]:
        return {"from": self.start, "to": self.end, "ns": self.ns, "routing_ns": self.routing_ns}

    @classmethod
    def read(cls, document: dict[str, Any]) -> "CriticalPath":
        """What ``to_json`` made."""
        return cls(start=document["from"], end=document["to"], ns=document["ns"], routing_ns=document["routing_ns"])
