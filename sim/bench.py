"""What a driver needs of whatever runs a design: a simulator, a compiled model, or a link to a board.

A design is driven by its streams alone. Payloads are Python values, as `benches.packing.Packing` takes and makes them:
integers, dictionaries for structures, lists for arrays.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar

from amaranth.hdl import ShapeLike

from ..contract.errors import SpinloomError

T = TypeVar("T")


class SimulationStuckError(SpinloomError, RuntimeError):
    """A bench waited for a condition that did not come true in time."""


class ProtocolError(SpinloomError, AssertionError):
    """A design broke the rules of a stream."""


class Source(Protocol):
    """Puts beats into one In stream of a design, in the order in which they are queued."""

    def put(self, beat: Any) -> None:
        """Queue one beat."""

    def put_all(self, beats: Iterable[Any]) -> None:
        """Queue beats in order."""

    def put_words(self, words: Iterable[int]) -> None:
        """Queue packed beats in order."""

    @property
    def idle(self) -> bool:
        """Whether every beat has been transferred."""


class Sink(Protocol):
    """Takes beats out of one Out stream of a design."""

    def __len__(self) -> int:
        """Beats received and not yet taken."""

    def take(self) -> Any:
        """The oldest beat."""

    def take_all(self) -> list[Any]:
        """All beats received, oldest first."""


class Bench(Protocol):
    """Runs a design and the drivers of its streams."""

    def source(self, name: str, shape: ShapeLike) -> Source:
        """The driver of the In stream ``name`` with payloads of ``shape``."""

    def sink(self, name: str, shape: ShapeLike) -> Sink:
        """The driver of the Out stream ``name`` with payloads of ``shape``."""

    @property
    def idle(self) -> bool:
        """Whether the design says that it is idle, at its port ``idle``."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Run until ``condition()`` holds."""


class ClockedBench(Bench, Protocol):
    """A bench that counts the clock cycles of its design."""

    @property
    def cycle(self) -> int:
        """Clock cycles passed."""


def complete(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a driver's ``coroutine`` on a bench that never suspends it, and return its result.

    A compiled simulation and a link are such benches: they run while they are waited for.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a driver waited for something else than its bench")
