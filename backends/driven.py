"""A crossbar in hardware, simulated or real, through a driver."""

from typing import Self

import numpy as np
import torch

from ..contract.bank import banked
from ..contract.geometry import CrossbarGeometry
from ..contract.window import Window
from ..model.crossbar import Crossbar
from ..sim.bank import BankBench
from ..sim.bench import Bench, complete
from ..sim.driver import CrossbarDriver
from .protocol import BackendError, CheckedCrossbar, State


def drive(bench: Bench, geometries: tuple[CrossbarGeometry, ...], states: list[State], owner: object,
          ) -> list["DrivenCrossbar"]:
    """The crossbars of a `hw.bank.Bank` on ``bench``, which ``owner`` keeps: each is given the parameters of its one of
    ``geometries``, and its one of ``states``."""
    inside = tuple(map(banked, geometries))
    streams, crossbars = BankBench(bench, inside), []
    for index, (geometry, inner, state) in enumerate(zip(geometries, inside, states, strict=True)):
        driver = CrossbarDriver(streams.crossbar(index), inner, inner.adcs)
        complete(driver.configure(inner))  # another program may have replaced parameters
        crossbars.append(DrivenCrossbar(geometry, driver, owner))
        crossbars[-1].load(state)
    return crossbars


class DrivenCrossbar(CheckedCrossbar):
    """The crossbar of ``driver``, which passes errors back, on a bench that never suspends.

    Hardware counts whatever it does. Where nothing is to be counted, the state is read before, and restored when it
    matters next.
    """

    def __init__(self, geometry: CrossbarGeometry, driver: CrossbarDriver, owner: object) -> None:
        """``owner`` keeps the bench: it lives as long as the crossbar."""
        super().__init__(geometry, torch.device("cpu"))
        self._driver, self._owner = driver, owner
        self._before: State | None = None  # the state, if the hardware has gone on from it

    @property
    def counters(self) -> dict[str, int]:
        """As the protocol says. Reads the whole state out of the crossbar."""
        return dict(zip(self.geometry.counters, self.state()["counters"].tolist(), strict=True))

    def at(self, window: Window) -> Self:
        if window != self.geometry.window:
            raise BackendError(f"a crossbar in hardware is applied to maps of {self.geometry.window.map} alone, not "
                               f"{window.map}: take it back to the golden model, and from there to hardware again")
        return self

    def __reduce__(self) -> str | tuple:
        raise BackendError("a crossbar in hardware can be neither copied nor pickled: take it back to the golden model "
                           "first, or use its state")

    def _forward(self, maps: torch.Tensor) -> torch.Tensor:
        self._return()
        return self._outputs(maps)

    def _evaluate(self, maps: torch.Tensor) -> torch.Tensor:
        if self.geometry.read_noise:
            self._return()
        self._leave()
        return self._outputs(maps)

    def _backward(self, d: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        self._return()
        return self._sums(d, asked)

    def _row_sums(self, d: torch.Tensor) -> torch.Tensor:
        self._leave()
        return self._sums(d, torch.ones(len(d), self.geometry.window.cells, dtype=torch.uint8))

    def _update(self, maps: torch.Tensor, d: torch.Tensor, learning_rate_shift: int, program: bool) -> None:
        self._return()
        for x, deltas in zip(maps.numpy(), d.numpy(), strict=True):
            complete(self._driver.select(x))
            complete(self._driver.update(deltas, learning_rate_shift, program))

    def program(self) -> None:
        self._return()
        complete(self._driver.program())

    def _apply(self, dw: torch.Tensor) -> None:
        self._return()
        complete(self._driver.apply(dw.numpy()))

    def _write(self, states: torch.Tensor) -> None:
        self._return()
        complete(self._driver.write(states.numpy()))

    def state(self) -> State:
        if self._before is None:
            return complete(self._driver.state())
        return {name: array.copy() for name, array in self._before.items()}

    def load(self, state: State) -> None:
        checked = Crossbar(self.geometry, 0)
        checked.load(state)
        self._before = None
        complete(self._driver.load(checked.state()))

    def _leave(self) -> None:
        """What follows shall not count."""
        self._before = self.state()

    def _return(self) -> None:
        """What follows counts."""
        if self._before is not None:
            before, self._before = self._before, None
            complete(self._driver.load(before))

    def _outputs(self, maps: torch.Tensor) -> torch.Tensor:
        z = np.empty((len(maps), self.geometry.positions, self.geometry.cols), dtype=np.int64)
        for outputs, x in zip(z, maps.numpy(), strict=True):
            outputs[:] = complete(self._driver.forward(x))
        return torch.from_numpy(z)

    def _sums(self, d: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        e = np.empty((len(d), self.geometry.window.cells), dtype=np.int64)
        nothing = np.zeros(self.geometry.window.cells, dtype=np.int64)
        for sums, deltas, cells in zip(e, d.numpy(), asked.numpy(), strict=True):
            complete(self._driver.select(nothing, cells))
            sums[:] = complete(self._driver.backward(deltas))
        return torch.from_numpy(e)
