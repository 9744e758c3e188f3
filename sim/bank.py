"""The streams of a bank, taken apart: each of its crossbars as a bench of its own, for a `driver.CrossbarDriver`."""

from collections.abc import Callable, Iterable
from typing import Any

from amaranth.hdl import ShapeLike

from ..contract.geometry import CrossbarGeometry
from ..hw.bank import ANSWERS, OPERANDS, bank_ports
from .bench import Bench, Sink, Source
from .benches.packing import Packing
from .benches.words import WordSource


class BankBench:
    """The `hw.bank.Bank` of ``geometries`` on ``bench``. Drivers of its crossbars may not wait at the same time."""

    def __init__(self, bench: Bench, geometries: tuple[CrossbarGeometry, ...]) -> None:
        self.bench = bench
        shapes = {name: port.signature.members["payload"].shape
                  for name, port in bank_ports(geometries).items() if port.is_signature}
        self.command = bench.source("command", shapes["command"])
        self.operands = bench.source("operands", shapes["operands"])
        self.answers = bench.sink("answers", shapes["answers"])

    def crossbar(self, index: int) -> Bench:
        """The crossbar ``index`` of the bank."""
        return _Crossbar(self, index)


class _Crossbar(Bench):
    """A crossbar of a bank."""

    def __init__(self, bank: BankBench, index: int) -> None:
        self._bank, self._index = bank, index

    def source(self, name: str, shape: ShapeLike) -> Source:
        if name == "command":
            return _Commands(self._bank.command, self._index, shape)
        assert name in OPERANDS
        return _Operands(self._bank.operands, shape)

    def sink(self, name: str, shape: ShapeLike) -> Sink:
        assert name in ANSWERS
        return _Answers(self._bank.answers, shape)

    @property
    def idle(self) -> bool:
        return self._bank.bench.idle

    async def until(self, condition: Callable[[], bool]) -> None:
        await self._bank.bench.until(condition)


class _Operands(WordSource):
    """Puts beats of one shape into ``source``."""

    def __init__(self, source: Source, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._source = source

    def put_words(self, words: Iterable[int]) -> None:
        self._source.put_words(words)

    @property
    def idle(self) -> bool:
        return self._source.idle


class _Commands(_Operands):
    """Puts the commands of the crossbar ``index``."""

    def __init__(self, source: Source, index: int, shape: ShapeLike) -> None:
        super().__init__(source, shape)
        self._index = index

    def put(self, beat: Any) -> None:
        self._source.put(beat | {"crossbar": self._index})


class _Answers(Sink):
    """Takes the beats of ``sink``, which are integers, for those of another shape."""

    def __init__(self, sink: Sink, shape: ShapeLike) -> None:
        self._sink, self._packing = sink, Packing(shape)

    def __len__(self) -> int:
        return len(self._sink)

    def take(self) -> Any:
        return self._packing.unpack(self._sink.take())

    def take_all(self) -> list[Any]:
        return [self._packing.unpack(word) for word in self._sink.take_all()]
