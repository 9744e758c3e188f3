"""What the sources and sinks of all benches share: they carry packed beats."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from typing import Any

from amaranth.hdl import ShapeLike

from ..bench import Sink, Source
from .packing import Packing


class WordSource(Source, ABC):
    """A source that packs what is put into it."""

    def __init__(self, shape: ShapeLike) -> None:
        self.packing = Packing(shape)

    def put(self, beat: Any) -> None:
        self.put_words([self.packing.pack(beat)])

    def put_all(self, beats: Iterable[Any]) -> None:
        self.put_words([self.packing.pack(beat) for beat in beats])

    @abstractmethod
    def put_words(self, words: Iterable[int]) -> None: ...

    @property
    @abstractmethod
    def idle(self) -> bool: ...


class WordSink(Sink, ABC):
    """A sink that unpacks what is taken out of it."""

    def __init__(self, shape: ShapeLike) -> None:
        self.packing = Packing(shape)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take_words(self, count: int) -> list[int]:
        """The oldest ``count`` beats, packed."""

    def take(self) -> Any:
        return self.packing.unpack(self.take_words(1)[0])

    def take_all(self) -> list[Any]:
        return [self.packing.unpack(word) for word in self.take_words(len(self))]


class QueuedSink(WordSink):
    """A sink that holds in Python what it has received."""

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__(shape)
        self._words: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._words)

    def take_words(self, count: int) -> list[int]:
        return [self._words.popleft() for _ in range(count)]
