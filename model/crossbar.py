"""The crossbar: an array of stochastic memory cells that computes, learns and is programmed."""

from typing import NamedTuple

import numpy as np
import torch

from ..contract import lfsr as lfsr_contract
from ..contract.geometry import COUNTER_BITS, COUNTERS, CrossbarGeometry
from ..contract.hashing import hash32
from .accumulator import GradientAccumulator
from .fixed import exact_float, round_shift, saturate
from .lfsr import Lfsr
from .programmer import StochasticProgrammer


class StateError(ValueError):
    """A state, or states to write, that do not fit the crossbar."""


class WriteReport(NamedTuple):
    """What program-and-verify cost."""

    attempts: np.ndarray
    """Write pulses of each cell: int64 (rows, cols)."""
    failures: int
    """Cells left outside the margin."""


class Crossbar:
    """``rows x cols`` cells with their residuals, one programmer and its LFSR (arithmetic 4).

    Every primitive takes and returns integers, int64 unless stated, and agrees in every bit with
    the RTL's crossbar of the same geometry.
    """

    def __init__(self, geometry: CrossbarGeometry, seed: int, device: torch.device | str = "cpu"):
        """A crossbar in the initial state of 4.1 for the master ``seed`` (0 .. 2**32-1)."""
        self.geometry = geometry
        self.device = torch.device(device)
        self.lfsr = Lfsr(lfsr_contract.initial_state(seed, geometry.index), device)
        self.accumulator = GradientAccumulator(geometry, device)
        self.programmer = StochasticProgrammer(geometry, self.lfsr, device)
        self.counters = dict.fromkeys(COUNTERS, 0)
        g_magnitude = 1 << geometry.device.g_bits - 1
        bound = g_magnitude * max(geometry.rows * geometry.x.magnitude, geometry.cols << geometry.delta_bits - 1)
        self.g = self._initial_g(seed).to(exact_float(bound))
        """Conductance levels, (rows, cols): integers in a float format that keeps every sum exact."""

    def _initial_g(self, seed: int) -> torch.Tensor:
        geometry = self.geometry
        low, high = geometry.init_states
        cells = np.arange(geometry.rows * geometry.cols, dtype=np.uint64).reshape(geometry.rows, geometry.cols)
        hashes = torch.from_numpy(hash32(seed, geometry.index, cells).astype(np.int64)).to(self.device)
        return self.programmer.land(low + ((hashes >> 16) * (high - low + 1) >> 16), hashes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The ADCs' output ``z`` (cols,) for the drive ``x`` (inputs,), or (n, cols) for (n, inputs)."""
        drive = self._drive(x)
        if x.dim() > 1:
            self._count(forwards=len(x), forward_rows=int(drive.count_nonzero()))
            return self._convert(drive.to(self.g.dtype) @ self.g)
        rows = drive.nonzero().squeeze(1)
        self._count(forwards=1, forward_rows=len(rows))
        return self._convert(drive[rows].to(self.g.dtype) @ self.g.index_select(0, rows))

    def evaluate(self, x: torch.Tensor) -> torch.Tensor:
        """``forward`` without counting."""
        return self._convert(self._drive(x).to(self.g.dtype) @ self.g)

    def backward(self, d: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """The exact row sums ``e`` (inputs,) for the errors ``d`` (cols,). ``rows``, a mask (inputs,), restricts the
        pass, which then reads nothing if all errors are 0; the sums of other rows are 0."""
        g = self.g[:self.geometry.inputs]
        errors = d.to(g.dtype)
        if rows is None:
            self._count(backward_rows=len(g))
            return (g @ errors).to(torch.int64)
        read = (rows & d.any()).nonzero().squeeze(1)
        self._count(backward_rows=len(read))
        sums = torch.zeros(len(g), dtype=torch.int64, device=self.device)
        sums[read] = (g.index_select(0, read) @ errors).to(torch.int64)
        return sums

    def update(self, x: torch.Tensor, d: torch.Tensor, learning_rate_shift: int, program: bool = True):
        """Accumulate ``-x * d`` (``x`` (inputs,), ``d`` (cols,)) at the learning rate
        ``2**-learning_rate_shift`` into the rows with ``x != 0``, and program what reaches the
        threshold there, unless ``program`` is False. Errors that are all 0 ask for nothing."""
        if not d.any():
            return
        drive = self._drive(x)
        rows = drive.nonzero().squeeze(1)
        self._count(update_rows=len(rows))
        chi = self.accumulator.accumulate(rows, drive[rows], d, learning_rate_shift)
        if program:
            self._visit(chi, rows)

    def program(self):
        """Program every cell whose residual has reached the threshold."""
        self._visit(self.accumulator.chi, torch.arange(self.geometry.rows, device=self.device))

    def write(self, states: torch.Tensor) -> WriteReport:
        """Program-and-verify every cell to the nominal state in ``states`` (rows, cols), the bias
        row included; residuals stay. ``StateError`` on a wrong shape or a state the device lacks."""
        device = self.geometry.device
        states = torch.as_tensor(states, dtype=torch.int64, device=self.device)
        if states.shape != self.g.shape:
            raise StateError(f"states of shape {tuple(states.shape)}: the crossbar has {tuple(self.g.shape)} cells")
        if states.min() < 0 or states.max() >= device.states:
            raise StateError(f"states {int(states.min())} to {int(states.max())}: "
                             f"the device has 0 to {device.states - 1}")
        g, attempts = self.programmer.write(self.g.to(torch.int64).flatten(), states.flatten())
        goal = device.origin + (states.flatten() << device.sub_bits)
        failures = int(((g - goal).abs() > self.geometry.margin).sum())
        self.g = g.reshape(self.g.shape).to(self.g.dtype)
        self._count(attempts=int(attempts.sum()), failures=failures)
        return WriteReport(attempts.reshape(self.g.shape).cpu().numpy(), failures)

    def state(self) -> dict[str, np.ndarray]:
        """The complete state, as arrays ``g``, ``chi``, ``lfsr``, ``counters`` (arithmetic 8)."""
        return {
            "g": self.g.cpu().numpy().astype(np.int16),
            "chi": self.accumulator.chi.cpu().numpy().copy(),
            "lfsr": np.array(self.lfsr.state, dtype=np.uint32),
            "counters": np.array([self.counters[name] for name in COUNTERS], dtype=np.int64),
        }

    def load(self, state: dict[str, np.ndarray]):
        """Restore what ``state()`` returned. ``StateError`` names an array that is missing, of the
        wrong shape, or out of range; the crossbar is then unchanged."""
        shape = tuple(self.g.shape)
        g_limit, chi_limit = 1 << self.geometry.device.g_bits - 1, 1 << self.geometry.chi_bits - 1
        for name, expected, lowest, highest in (
            ("g", shape, -g_limit, g_limit - 1),
            ("chi", shape, -chi_limit, chi_limit - 1),
            ("lfsr", (), 1, (1 << lfsr_contract.WIDTH) - 1),
            ("counters", (len(COUNTERS),), 0, (1 << COUNTER_BITS) - 1),
        ):
            if name not in state:
                raise StateError(f"crossbar {self.geometry.index}: the state has no array {name!r}")
            array = np.asarray(state[name])
            if array.shape != expected or not np.issubdtype(array.dtype, np.integer):
                raise StateError(f"crossbar {self.geometry.index}: {name} is {array.dtype} {array.shape}; "
                                 f"it must hold integers of shape {expected}")
            if array.min() < lowest or array.max() > highest:
                raise StateError(f"crossbar {self.geometry.index}: {name} holds values from {array.min()} to "
                                 f"{array.max()}; they must lie in {lowest} to {highest}")
        self.g = torch.tensor(np.asarray(state["g"], dtype=np.int64), dtype=self.g.dtype, device=self.device)
        self.accumulator.chi = torch.tensor(np.asarray(state["chi"], dtype=np.int32), device=self.device)
        self.lfsr.state = int(state["lfsr"])
        self.counters = dict(zip(COUNTERS, np.asarray(state["counters"]).tolist(), strict=True))

    def _drive(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` with the bias row's input appended."""
        return torch.nn.functional.pad(x, (0, 1), value=self.geometry.bias_value) if self.geometry.bias else x

    def _convert(self, sums: torch.Tensor) -> torch.Tensor:
        return saturate(round_shift(sums.to(torch.int64), self.geometry.adc_shift), self.geometry.z_bits)

    def _visit(self, chi: torch.Tensor, rows: torch.Tensor):
        """Bound the residuals, ``chi`` (n, cols) of the rows of index ``rows`` (n,), and program the cells that
        have still reached the threshold, in row-major order."""
        reached = (chi.abs() >= self.geometry.threshold).nonzero()
        if len(reached) == 0:
            return
        cells = rows[reached[:, 0]], reached[:, 1]
        g, residual = self.g[cells].to(torch.int64), self.accumulator.chi[cells].to(torch.int64)
        bounded = self.programmer.bound(residual, g)
        moving = bounded == residual
        programmed = self.programmer.program(g[moving], residual[moving])
        g[moving], bounded[moving] = programmed
        self.g[cells] = g.to(self.g.dtype)
        self._count(attempts=len(programmed.g))
        self.accumulator.chi[cells] = bounded.to(torch.int32)

    def _count(self, **events: int):
        for name, number in events.items():
            self.counters[name] = self.counters[name] + number & (1 << COUNTER_BITS) - 1
