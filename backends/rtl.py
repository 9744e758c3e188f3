"""A crossbar in RTL, compiled and run in this process."""

import numpy as np

from ..contract.geometry import CrossbarGeometry
from ..hw.crossbar.crossbar import Crossbar as Design
from ..model.crossbar import Crossbar
from ..sim.bench import complete
from ..sim.benches.compiled import CompiledBench
from ..sim.driver import CrossbarDriver
from .protocol import BackendError, CheckedCrossbar, State


class RtlCrossbar(CheckedCrossbar):
    """A `hw.crossbar.crossbar.Crossbar`, compiled by Verilator, in the initial state for the master ``seed``.

    Making one takes Verilator half a minute or more the first time for a geometry; the build is kept. The clock cycles
    of an operation pass in one call, without Python. ``backward`` is False for a crossbar that is never asked for row
    sums, such as that of a first layer: it is smaller.

    Raises ``BackendError`` for a crossbar that is applied at several positions, ``SimulatorError`` if Verilator cannot
    be used, ``SimulationError`` if the design cannot be built.
    """

    def __init__(self, geometry: CrossbarGeometry, seed: int, *, backward: bool = True) -> None:
        super().__init__(geometry)
        if geometry.positions > 1:
            raise BackendError(f"a crossbar that is applied at {geometry.positions} positions cannot be simulated "
                               "alone: its RTL makes the windows itself")
        self._has_backward = backward
        self._bench = CompiledBench(Design(geometry=geometry, backward=backward, deltas=geometry.adcs))
        self._driver = CrossbarDriver(self._bench, geometry, backward, geometry.adcs)
        complete(self._driver.load(Crossbar(geometry, seed).state()))

    def close(self) -> None:
        """Free the simulation. The crossbar cannot be used any more."""
        self._bench.close()

    @property
    def counters(self) -> dict[str, int]:
        """As the protocol says. Reads the whole state out of the crossbar."""
        return dict(zip(self.geometry.counters, self.state()["counters"].tolist(), strict=True))

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return complete(self._driver.forward(x[0]))[np.newaxis]

    def _backward(self, d: np.ndarray) -> np.ndarray:
        if not self._has_backward:
            raise BackendError("this crossbar was made without a backward pass: make it with backward=True")
        return complete(self._driver.backward(d[0]))[np.newaxis]

    def _update(self, x: np.ndarray, d: np.ndarray, learning_rate_shift: int, program: bool) -> None:
        complete(self._driver.select(x[0]))
        complete(self._driver.update(d[0], learning_rate_shift, program))

    def program(self) -> None:
        complete(self._driver.program())

    def _apply(self, dw: np.ndarray) -> None:
        complete(self._driver.apply(dw))

    def _write(self, states: np.ndarray) -> None:
        complete(self._driver.write(states))

    def state(self) -> State:
        return complete(self._driver.state())

    def load(self, state: State) -> None:
        checked = Crossbar(self.geometry, 0)
        checked.load(state)
        complete(self._driver.load(checked.state()))
