"""Drivers of whole designs: the primitives of a crossbar and the operations of a network, on simulated RTL.

They speak to the design through a ``Bench`` and so run in every simulator. Names, arguments and
results are those of `model.crossbar.Crossbar` and `model.network.Network`; vectors are NumPy arrays.
"""

import numpy as np
from amaranth.hdl import Shape

from ..contract.geometry import COUNTERS, CrossbarGeometry, Loss
from ..contract.parameters import replacements
from ..hw.crossbar.layouts import (
    cell_layout,
    command_layout,
    conversion_layout,
    delta_layout,
    drive_layout,
    row_sum_layout,
    state_bits,
)
from ..hw.crossbar.operations import Operation
from ..hw.layouts import network_command_layout, result_layout
from ..hw.operations import NetworkOperation
from .streams import Bench

_STORED = {"g": np.int16, "g_minus": np.int16, "chi": np.int32}
"""Types of the arrays of a state that hold a value a cell."""


def state_words(geometry: CrossbarGeometry, state: dict[str, np.ndarray]) -> list[int]:
    """The words that ``LOAD`` takes, for a crossbar's state as `model.crossbar.Crossbar.state` returns it."""
    words = sum((state[name].astype(np.int64) & (1 << field.width) - 1) << field.offset
                for name, field in cell_layout(geometry))
    return [*words.ravel().tolist(), *(int(state[name]) for name in geometry.lfsrs),
            *state["counters"].tolist()]


def words_state(geometry: CrossbarGeometry, words: list[int]) -> dict[str, np.ndarray]:
    """The inverse of ``state_words``, for the words that ``DUMP`` answers with."""
    cells = np.array(words[:geometry.rows * geometry.cols], dtype=np.int64).reshape(geometry.rows, geometry.cols)
    rest = iter(words[cells.size:])
    state = {}
    for name, field in cell_layout(geometry):
        raw = cells >> field.offset & (1 << field.width) - 1
        sign = Shape.cast(field.shape).signed << field.width - 1
        state[name] = (raw - ((raw & sign) << 1)).astype(_STORED[name])
    state |= {name: np.array(next(rest), dtype=np.uint32) for name in geometry.lfsrs}
    return state | {"counters": np.array(list(rest), dtype=np.int64)}


def state_size(geometry: CrossbarGeometry) -> int:
    """Words of a crossbar's state."""
    return geometry.rows * geometry.cols + len(geometry.lfsrs) + len(COUNTERS)


def increment_words(geometry: CrossbarGeometry, dw: np.ndarray) -> list[int]:
    """The words that ``APPLY`` takes for the increments ``dw`` (rows, cols)."""
    return (dw.astype(np.int64).ravel() & (1 << geometry.chi_bits) - 1).tolist()


def parameter_words(generated: CrossbarGeometry, wanted: CrossbarGeometry) -> list[int]:
    """The words that ``CONFIGURE`` takes; ``ConfigError`` as ``contract.parameters.replacements``."""
    return [parameter.value for parameter in replacements(generated, wanted)]


def drive_beats(geometry: CrossbarGeometry, x: np.ndarray, y: np.ndarray | None = None) -> list[dict[str, int]]:
    """The beats that drive a crossbar with ``x`` (inputs,) and, behind neurons, their derivatives ``y``."""
    active = x != 0 if y is None else (x != 0) | (y != 0)
    rows = np.flatnonzero(active).tolist() or [0]
    beats = [{"row": row, "x": int(x[row]), "last": int(row == rows[-1])} for row in rows]
    if geometry.derivative_bits:
        for beat in beats:
            beat["derivative"] = int(y[beat["row"]]) if y is not None else 0
    return beats


def drive_words(geometry: CrossbarGeometry, x: np.ndarray) -> list[int]:
    """``drive_beats`` of ``x`` (inputs,), packed, for a crossbar that data drives."""
    layout = drive_layout(geometry)
    rows = np.flatnonzero(x) if x.any() else np.zeros(1, dtype=np.int64)
    words = (rows << layout["row"].offset
             | (x[rows].astype(np.int64) & (1 << geometry.x.bits) - 1) << layout["x"].offset)
    words[-1] |= 1 << layout["last"].offset
    return words.tolist()


class CrossbarDriver:
    """Drives a `hw.crossbar.Crossbar`; every method returns when the operation has been carried out."""

    def __init__(self, bench: Bench, geometry: CrossbarGeometry, backward: bool, errors: int = 1) -> None:
        self.bench = bench
        self.geometry = geometry
        self._errors = errors
        self._command = bench.source("command", command_layout(geometry))
        self._x = bench.source("x", drive_layout(geometry))
        self._z = bench.sink("z", conversion_layout(geometry))
        self._d = bench.source("d", delta_layout(geometry, errors))
        self._e = bench.sink("e", row_sum_layout(geometry)) if backward else None
        self._state_in = bench.source("state_in", state_bits(geometry))
        self._state_out = bench.sink("state_out", state_bits(geometry))

    async def _finish(self) -> None:
        await self.bench.until(lambda: self._command.idle and self.bench.pins.get("idle"))

    def _order(self, operation: Operation, learning_rate_shift: int | None = None) -> None:
        slowest = self.geometry.learning_rate_shifts[1]
        boost = 0 if learning_rate_shift is None else slowest - learning_rate_shift
        self._command.put({"operation": operation, "boost": boost})

    async def forward(self, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """``z`` (cols,); ``x`` and ``y`` are kept for ``update``."""
        self._order(Operation.FORWARD)
        self._x.put_all(drive_beats(self.geometry, x, y))
        groups = self.geometry.cols // self.geometry.adcs
        await self.bench.until(lambda: len(self._z) == groups)
        beats = self._z.take_all()
        if [beat["last"] for beat in beats] != [0] * (groups - 1) + [1]:
            raise AssertionError(f"z: `last` must mark the last of {groups} groups, not {beats}")
        return np.array([z for beat in beats for z in beat["z"]], dtype=np.int64)

    async def select(self, x: np.ndarray, y: np.ndarray | None = None) -> None:
        """Keep ``x`` and ``y`` for ``update``, without a forward pass."""
        self._order(Operation.SELECT)
        self._x.put_all(drive_beats(self.geometry, x, y))
        await self._finish()

    def _put_errors(self, d: np.ndarray) -> None:
        groups = d.reshape(-1, self._errors).tolist()
        sent = [group for group, errors in enumerate(groups) if any(errors)] or [0]
        self._d.put_all({"col": group * self._errors, "delta": groups[group], "last": int(group == sent[-1])}
                        for group in sent)

    async def _take_errors(self, gated: bool) -> np.ndarray:
        """``e`` (inputs,); if ``gated``, only of rows with a derivative: a beat without one may just carry ``last``."""
        sums = np.zeros(self.geometry.inputs, dtype=np.int64)
        last = False
        while not last:
            await self.bench.until(lambda: len(self._e) > 0)
            beat = self._e.take()
            if not gated or beat.get("derivative"):
                sums[beat["row"]] = beat["e"]
            last = beat["last"]
        return sums

    async def backward(self, d: np.ndarray) -> np.ndarray:
        """``e`` (inputs,), the exact row sums."""
        self._order(Operation.BACKWARD)
        await self.bench.until(lambda: self._command.idle)  # earlier errors belong to the forward pass before
        self._put_errors(d)
        sums = await self._take_errors(gated=False)
        await self._finish()
        return sums

    async def update(self, d: np.ndarray, learning_rate_shift: int, program: bool = True) -> np.ndarray | None:
        """Update the rows kept; ``e`` of those with a derivative, where there is a backward pass."""
        self._order(Operation.UPDATE if program else Operation.ACCUMULATE, learning_rate_shift)
        self._put_errors(d)
        sums = await self._take_errors(gated=True) if self._e is not None else None
        await self._finish()
        return sums

    async def program(self) -> None:
        """Program every cell whose residual has reached the threshold."""
        self._order(Operation.PROGRAM)
        await self._finish()

    async def apply(self, dw: np.ndarray) -> None:
        """Add ``dw`` (rows, cols) to the residuals, and program every cell that reaches the threshold."""
        self._order(Operation.APPLY)
        self._state_in.put_all(increment_words(self.geometry, dw))
        await self._finish()

    async def configure(self, geometry: CrossbarGeometry) -> None:
        """Replace the run-time parameters by those of ``geometry``."""
        words = parameter_words(self.geometry, geometry)
        self._order(Operation.CONFIGURE)
        self._state_in.put_all(words)
        await self._finish()

    async def write(self, states: np.ndarray) -> None:
        """Program-and-verify every cell to the nominal state in ``states`` (rows, cols)."""
        self._order(Operation.WRITE)
        self._state_in.put_all(states.ravel().tolist())
        await self._finish()

    async def load(self, state: dict[str, np.ndarray]) -> None:
        """Replace the complete state."""
        self._order(Operation.LOAD)
        self._state_in.put_all(state_words(self.geometry, state))
        await self._finish()

    async def state(self) -> dict[str, np.ndarray]:
        """The complete state."""
        self._order(Operation.DUMP)
        await self.bench.until(lambda: len(self._state_out) == state_size(self.geometry))
        await self._finish()
        return words_state(self.geometry, self._state_out.take_all())


class NetworkDriver:
    """Drives a `hw.network.Network`. Samples are queued by ``submit`` and answered in order by ``prediction``."""

    def __init__(self, bench: Bench, geometries: tuple[CrossbarGeometry, ...], loss: Loss) -> None:
        self.bench = bench
        self.geometries = geometries
        self.loss = loss
        width = max(map(state_bits, geometries))
        self._command = bench.source("command", network_command_layout(geometries))
        self._x = bench.source("x", drive_layout(geometries[0]))
        self._result = bench.sink("result", result_layout(geometries[-1].cols))
        self._state_in = bench.source("state_in", width)
        self._state_out = bench.sink("state_out", width)

    def _order(self, operation: NetworkOperation, *, layer: int = 0, label: int = 0, boost: int = 0) -> None:
        self._command.put({"operation": operation, "layer": layer, "label": label, "boost": boost})

    async def finish(self) -> None:
        """Wait until every operation has been carried out."""
        await self.bench.until(lambda: self._command.idle and self._x.idle and self.bench.pins.get("idle"))

    def submit(self, x: np.ndarray, label: int, learning_rate_shift: int, program: bool = True) -> None:
        """Queue a training sample ``x`` (inputs,)."""
        self._order(NetworkOperation.TRAIN if program else NetworkOperation.ACCUMULATE, label=label,
                    boost=self.geometries[0].learning_rate_shifts[1] - learning_rate_shift)
        self._x.put_words(drive_words(self.geometries[0], x))

    def submit_inference(self, x: np.ndarray) -> None:
        """Queue a sample to be classified only."""
        self._order(NetworkOperation.INFER)
        self._x.put_words(drive_words(self.geometries[0], x))

    def submit_program(self) -> None:
        """Queue the end of a mini-batch."""
        self._order(NetworkOperation.PROGRAM)

    async def prediction(self) -> int:
        """The prediction for the oldest sample not yet answered."""
        await self.bench.until(lambda: len(self._result) > 0)
        return self._result.take()["prediction"]

    async def apply(self, layer: int, dw: np.ndarray) -> None:
        """Add ``dw`` (rows, cols) to the residuals of ``layer``, and program every cell that reaches the threshold."""
        self._order(NetworkOperation.APPLY, layer=layer)
        self._state_in.put_all(increment_words(self.geometries[layer], dw))
        await self.finish()

    async def configure(self, geometries: tuple[CrossbarGeometry, ...]) -> None:
        """Replace the run-time parameters by those of ``geometries``, one a layer."""
        words = [parameter_words(*pair) for pair in zip(self.geometries, geometries, strict=True)]
        for layer, parameters in enumerate(words):
            self._order(NetworkOperation.CONFIGURE, layer=layer)
            self._state_in.put_all(parameters)
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
            self._state_in.put_all(state_words(geometry, {
                name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}))
        await self.finish()

    async def state(self) -> dict[str, np.ndarray]:
        """The complete state, as `model.network.Network.state` returns it."""
        result = {}
        for layer, geometry in enumerate(self.geometries):
            self._order(NetworkOperation.DUMP, layer=layer)
            size = state_size(geometry)
            await self.bench.until(lambda size=size: len(self._state_out) == size)
            state = words_state(geometry, self._state_out.take_all())
            result |= {f"layer{layer}_{name}": array for name, array in state.items()}
        await self.finish()
        return result
