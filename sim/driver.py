"""Drivers of whole designs: the primitives of a crossbar and the operations of a network, on a bench.

They run on every bench: in simulators, in compiled simulations, on boards. Names, arguments and results are those of
`model.crossbar.Crossbar` and `model.network.Network`; vectors are NumPy arrays of integers. A crossbar in RTL finds its
windows by itself: what belongs to its rows is given for the cells of the feature map, (cells,). What belongs to its
columns is (positions, cols), or (cols,) if its only position reads the whole map.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..contract.geometry import CrossbarGeometry, Loss
from ..hw.crossbar.layouts import (
    command_layout,
    conversion_layout,
    delta_layout,
    drive_layout,
    position_delta_layout,
    row_sum_layout,
    state_bits,
    traced_layout,
)
from ..hw.crossbar.operations import Operation
from ..hw.layouts import network_command_layout, result_layout
from ..hw.operations import NetworkOperation
from .bench import Bench, ProtocolError, Sink
from .formats import drive_words, increment_words, parameter_words, pulses_of, state_size, state_words, words_state

Order = Any
"""An operation. Type checkers take the members of Amaranth's enumerations for integers."""


class TrainingSample(NamedTuple):
    """What a crossbar is told of a sample that it is trained with."""

    x: np.ndarray
    """Its drive (cells,)."""
    y: np.ndarray | None
    """Derivatives of the neurons that drive the rows (cells,); None where there are none."""
    d: np.ndarray
    """Deltas, as `CrossbarDriver.update` takes them."""
    learning_rate_shift: int
    program: bool
    """Whether the cells that it visits are programmed."""


class CrossbarDriver:
    """Drives a `hw.crossbar.crossbar.Crossbar`. Every method returns when the operation has been carried out.

    ``deltas`` are those that the crossbar was made with.
    """

    def __init__(self, bench: Bench, geometry: CrossbarGeometry, deltas: int = 1) -> None:
        self.bench = bench
        self.geometry = geometry
        self._deltas = deltas
        self._command = bench.source("command", command_layout(geometry))
        self._x = bench.source("x", drive_layout(geometry))
        self.z = bench.sink("z", conversion_layout(geometry))
        self._d = bench.source("d", delta_layout(geometry, deltas) if geometry.plain
                               else position_delta_layout(geometry))
        self._outputs = (geometry.cols,) if geometry.window.plain else (geometry.positions, geometry.cols)
        self.e = bench.sink("e", row_sum_layout(geometry)) if geometry.backward else None
        self._state_in = bench.source("state_in", state_bits(geometry))
        self._state_out = bench.sink("state_out", state_bits(geometry))

    async def _finish(self) -> None:
        await self.bench.until(lambda: self._command.idle and self.bench.idle)

    def _order(self, operation: Order, learning_rate_shift: int | None = None) -> None:
        slowest = self.geometry.learning_rate_shifts[1]
        boost = 0 if learning_rate_shift is None else slowest - learning_rate_shift
        self._command.put({"operation": operation, "boost": boost})

    async def forward(self, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """``z`` (positions, cols); ``x`` and ``y``, both (cells,), are kept for the ``backward`` or ``update`` of this
        sample."""
        self.order_forward(x, y)
        return await self.take_outputs()

    def order_forward(self, x: np.ndarray, y: np.ndarray | None = None) -> None:
        """Order what ``forward`` does. ``take_outputs`` answers, in order."""
        self._order(Operation.FORWARD)
        self._x.put_words(drive_words(self.geometry, x, y))

    async def take_outputs(self) -> np.ndarray:
        """``z`` (positions, cols) of the oldest sample whose outputs have not been taken."""
        groups = self.geometry.positions * self.geometry.cols // self.geometry.adcs
        await self.bench.until(lambda: len(self.z) >= groups)
        beats = [self.z.take() for _ in range(groups)]
        if [beat["last"] for beat in beats] != [0] * (groups - 1) + [1]:
            raise AssertionError(f"z: `last` must mark the last of {groups} groups, not {beats}")
        return np.array([z for beat in beats for z in beat["z"]], dtype=np.int64).reshape(self._outputs)

    async def select(self, x: np.ndarray, y: np.ndarray | None = None) -> None:
        """Keep ``x`` and ``y`` for the ``backward`` or ``update`` of this sample, without a forward pass."""
        self._order(Operation.SELECT)
        self._x.put_words(drive_words(self.geometry, x, y))
        await self._finish()

    def _put_deltas(self, d: np.ndarray) -> None:
        if not self.geometry.plain:
            flat = d.reshape(self.geometry.positions, self.geometry.cols)
            places = np.argwhere(flat).tolist() or [[0, 0]]
            self._d.put_all({"position": position, "col": col, "delta": int(flat[position, col]),
                             "last": int([position, col] == places[-1])} for position, col in places)
            return
        groups = d.reshape(-1, self._deltas).tolist()
        sent = [group for group, deltas in enumerate(groups) if any(deltas)] or [0]
        self._d.put_all({"col": group * self._deltas, "delta": groups[group], "last": int(group == sent[-1])}
                        for group in sent)

    async def take_sums(self) -> np.ndarray | None:
        """``e`` (cells,) of the oldest sample whose row sums have not been taken; None if the crossbar passes no errors
        back."""
        return None if self.e is None else await self._take_sums(self.e)

    async def _take_sums(self, sink: Sink) -> np.ndarray:
        """``e`` (cells,). Beats without a derivative do not count: they only carry ``last``."""
        sums = np.zeros(self.geometry.window.cells, dtype=np.int64)
        last = False
        while not last:
            await self.bench.until(lambda: len(sink) > 0)
            beat = sink.take()
            if beat["derivative"]:
                sums[beat["row"]] = beat["e"]
            last = beat["last"]
        return sums

    async def backward(self, d: np.ndarray) -> np.ndarray:
        """``e`` (cells,), the exact row sums of the cells that ``forward`` or ``select`` has kept a derivative of; 0 of
        others. The crossbar must pass errors back."""
        if self.e is None:
            raise ValueError("the crossbar passes no errors back: no neurons drive its rows")
        self._order(Operation.BACKWARD)
        self._put_deltas(d)
        sums = await self._take_sums(self.e)
        await self._finish()
        return sums

    async def update(self, d: np.ndarray, learning_rate_shift: int, program: bool = True) -> np.ndarray | None:
        """Update the rows that ``forward`` or ``select`` has kept. Returns what ``backward`` does; None if the crossbar
        passes no errors back."""
        self.order_update(d, learning_rate_shift, program)
        sums = await self.take_sums()
        await self._finish()
        return sums

    def order_update(self, d: np.ndarray, learning_rate_shift: int, program: bool = True) -> None:
        """Order what ``update`` does. ``take_sums`` answers, in order."""
        self._order_update(learning_rate_shift, program)
        self._put_deltas(d)

    async def train(self, samples: Sequence[TrainingSample]) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """``forward`` and ``update`` of each of ``samples``, and what they return. All of them are ordered at once, so
        each begins as soon as the one before leaves room for it. The deltas of each come after its outputs."""
        for sample in samples:
            self.order_forward(sample.x, sample.y)
            self._order_update(sample.learning_rate_shift, sample.program)
        answers = []
        for sample in samples:
            z = await self.take_outputs()
            self._put_deltas(sample.d)
            answers.append((z, await self.take_sums()))
        await self._finish()
        return answers

    def _order_update(self, learning_rate_shift: int, program: bool) -> None:
        self._order(Operation.UPDATE if program else Operation.ACCUMULATE, learning_rate_shift)

    async def program(self) -> None:
        """Program every cell whose residual has reached the threshold."""
        self._order(Operation.PROGRAM)
        await self._finish()

    async def apply(self, dw: np.ndarray) -> None:
        """Add ``dw`` (rows, cols) to the residuals, and program every cell that reaches the threshold."""
        self._order(Operation.APPLY)
        self._state_in.put_words(increment_words(self.geometry, dw))
        await self._finish()

    async def configure(self, geometry: CrossbarGeometry) -> None:
        """Replace the run-time parameters by those of ``geometry``."""
        words = parameter_words(self.geometry, geometry)
        self._order(Operation.CONFIGURE)
        self._state_in.put_words(words)
        await self._finish()

    async def write(self, states: np.ndarray) -> None:
        """Program-and-verify every cell to the nominal state in ``states`` (rows, cols)."""
        self._order(Operation.WRITE)
        self._state_in.put_all(states.ravel().tolist())
        await self._finish()

    async def load(self, state: dict[str, np.ndarray]) -> None:
        """Replace the complete state."""
        self._order(Operation.LOAD)
        self._state_in.put_words(state_words(self.geometry, state))
        await self._finish()

    async def state(self) -> dict[str, np.ndarray]:
        """The complete state."""
        self._order(Operation.DUMP)
        await self.bench.until(lambda: len(self._state_out) == state_size(self.geometry))
        await self._finish()
        return words_state(self.geometry, self._state_out.take_all())


class NetworkDriver:
    """Drives a `hw.network.Network`. ``submit`` queues samples, ``prediction`` answers them in order.

    Every method that waits raises ``ProtocolError`` if the network answers more than it was asked for.
    """

    def __init__(self, bench: Bench, geometries: tuple[CrossbarGeometry, ...], loss: Loss,
                 traced: bool = False) -> None:
        """``traced`` is what the network was made with."""
        self.bench = bench
        self.geometries = geometries
        self.loss = loss
        width = max(map(state_bits, geometries))
        self._command = bench.source("command", network_command_layout(geometries))
        self._x = bench.source("x", drive_layout(geometries[0]))
        self._result = bench.sink("result", result_layout(geometries[-1].cols))
        self._state_in = bench.source("state_in", width)
        self._state_out = bench.sink("state_out", width)
        self._pulses = [bench.sink(f"pulses_{layer}", traced_layout(geometry))
                        for layer, geometry in enumerate(geometries)] if traced else []
        self._due = 0  # results that were asked for and have not been taken

    def _order(self, operation: Order, *, layer: int = 0, label: int = 0, boost: int = 0) -> None:
        self._command.put({"operation": operation, "layer": layer, "label": label, "boost": boost})

    async def _until(self, condition: Callable[[], bool], words: int = 0) -> None:
        """Wait until ``condition()`` holds, while at most so many words of state may come."""
        def met() -> bool:
            for name, sink, due in (("result", self._result, self._due), ("state_out", self._state_out, words)):
                if len(sink) > due:
                    raise ProtocolError(f"{name}: {len(sink) - due} beats more than the network was asked for")
            return condition()

        await self.bench.until(met)

    async def finish(self) -> None:
        """Wait until every operation has been carried out."""
        await self._until(lambda: self._command.idle and self._x.idle and self.bench.idle)

    def submit(self, x: np.ndarray, label: int, learning_rate_shift: int, program: bool = True) -> None:
        """Queue a training sample ``x`` (cells,)."""
        self._due += 1
        self._order(NetworkOperation.TRAIN if program else NetworkOperation.ACCUMULATE, label=label,
                    boost=self.geometries[0].learning_rate_shifts[1] - learning_rate_shift)
        self._x.put_words(drive_words(self.geometries[0], x))

    def submit_inference(self, x: np.ndarray) -> None:
        """Queue a sample to be classified only."""
        self._due += 1
        self._order(NetworkOperation.INFER)
        self._x.put_words(drive_words(self.geometries[0], x))

    def submit_program(self) -> None:
        """Queue the end of a mini-batch."""
        self._order(NetworkOperation.PROGRAM)

    async def prediction(self) -> int:
        """The prediction for the oldest sample not yet answered."""
        await self._until(lambda: len(self._result) > 0)
        self._due -= 1
        return self._result.take()["prediction"]

    def pulses(self) -> list[np.ndarray]:
        """The write pulses of each layer of a traced network since the last call, `PULSE` (n,). Samples are counted
        from the reset of the network on, cells from the first of their layer."""
        return [pulses_of(geometry, sink.take_all()) for geometry, sink in zip(self.geometries, self._pulses,
                                                                               strict=True)]

    async def apply(self, layer: int, dw: np.ndarray) -> None:
        """Add ``dw`` (rows, cols) to the residuals of ``layer``, and program every cell that reaches the threshold."""
        self._order(NetworkOperation.APPLY, layer=layer)
        self._state_in.put_words(increment_words(self.geometries[layer], dw))
        await self.finish()

    async def configure(self, geometries: tuple[CrossbarGeometry, ...]) -> None:
        """Replace the run-time parameters by those of ``geometries``, one a layer."""
        words = [parameter_words(*pair) for pair in zip(self.geometries, geometries, strict=True)]
        for layer, parameters in enumerate(words):
            self._order(NetworkOperation.CONFIGURE, layer=layer)
            self._state_in.put_words(parameters)
        await self.finish()

    async def write(self, layer: int, states: np.ndarray) -> None:
        """Program-and-verify every cell of ``layer`` to the nominal state in ``states`` (rows, cols)."""
        self._order(NetworkOperation.WRITE, layer=layer)
        self._state_in.put_all(states.ravel().tolist())
        await self.finish()

    async def load(self, state: dict[str, np.ndarray]) -> None:
        """Replace the complete state by arrays named as `model.network.Network.state` names them."""
        for layer, geometry in enumerate(self.geometries):
            self._order(NetworkOperation.LOAD, layer=layer)
            prefix = f"layer{layer}_"
            self._state_in.put_words(state_words(geometry, {
                name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}))
        await self.finish()

    async def _all(self, size: int) -> None:
        """Wait for ``size`` words of a state."""
        await self._until(lambda: len(self._state_out) == size, size)

    async def state(self) -> dict[str, np.ndarray]:
        """The complete state, as `model.network.Network.state` returns it."""
        result: dict[str, np.ndarray] = {}
        for layer, geometry in enumerate(self.geometries):
            self._order(NetworkOperation.DUMP, layer=layer)
            await self._answered(state_size(geometry))
            state = words_state(geometry, self._state_out.take_all())
            result |= {f"layer{layer}_{name}": array for name, array in state.items()}
        await self.finish()
        return result

    async def _answered(self, words: int) -> None:
        """Wait for so many words of state."""
        await self._until(lambda: len(self._state_out) == words, words)
