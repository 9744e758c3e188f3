"""The crossbar: an array of stochastic memory cells that computes, learns and is programmed."""

from typing import Any, NamedTuple

import numpy as np
import torch

from ..contract.device import SHARE_WORD_BITS
from ..contract.errors import SpinloomError
from ..contract.geometry import COUNTER_BITS, CrossbarGeometry
from ..contract.lfsr import LEAP, WIDTH, initial_states
from ..contract.wires import FACTOR_FRAC, mean_factors
from .accumulator import GradientAccumulator
from .adc import Adc, dac
from .counters import Counters
from .device import Cell, Device, SlicedCell, fixed_in_cells, initial_levels, initial_lives
from .fixed import exact_float, round_shift
from .lfsr import WORD_MASK, Lfsr
from .sliced_programmer import programmer
from .window import Windows, with_bias

Places = tuple[torch.Tensor, ...]
"""The rows and the columns of some cells: two int64 (n,)."""


class StateError(SpinloomError, ValueError):
    """An array does not fit the crossbar: of a state, of states to write, or of increments to apply."""

    exit_status = 2


class WriteReport(NamedTuple):
    """What program-and-verify took."""

    attempts: np.ndarray
    """Write pulses of each cell, int64 (rows, cols), or of each device of cells of several, (rows, cols, devices)."""
    failures: int
    """Cells left outside the margin, or devices of cells of several."""


class Crossbar:
    """``rows x cols`` cells with their residuals, a programmer, and LFSRs (arithmetic 4).

    Every operation takes and returns integers, int64 unless stated. It agrees in every bit with the crossbar of the RTL
    for the same geometry.
    """

    def __init__(self, geometry: CrossbarGeometry, seed: int, torch_device: torch.device | str = "cpu") -> None:
        """A crossbar in the initial state (arithmetic 4.1) for the master ``seed``, 0 .. 2**32-1."""
        self.geometry = geometry
        self.torch_device = torch.device(torch_device)
        self.lfsrs = {name: Lfsr(state, torch_device) for name, state in initial_states(seed, geometry).items()}
        """The LFSRs by their names in the state."""
        self.counters = Counters(geometry.counters)
        self.windows = Windows(geometry, torch_device)
        """What makes windows of the map before, and a map of the outputs."""
        self.adc = Adc(geometry, torch_device)
        self.accumulator = GradientAccumulator(geometry, self.lfsrs.get("rounding_lfsr"), torch_device)
        self._weights = geometry.device.slices.weights if geometry.device.slices else ()
        self.programmer = programmer(geometry, self.lfsrs["lfsr"], self.counters)
        self._device = Device(geometry.device)
        self._fixed = fixed_in_cells(geometry)
        self._factors = torch.from_numpy(mean_factors(geometry)).to(torch_device) if geometry.wires else None
        levels = torch.from_numpy(initial_levels(geometry, seed, self._fixed[0])).to(torch_device)
        self.g = self._summed(levels) if self._weights else levels
        """Conductances in sub-levels, int16 (rows, cols)."""
        self.g_minus = (-self.g).clamp(min=0) if geometry.device.pair else None
        """Of pairs: the conductances of the devices that count negative, likewise."""
        self.life = (torch.from_numpy(initial_lives(geometry, seed)).to(torch_device)
                     if geometry.device.life_bits else None)
        """Of cells that age: what is left of their lives, likewise."""
        self.slices = levels[..., :-1].contiguous() if self._weights else None
        """Of cells of several devices: the conductances of all but the last, int16 (rows, cols, devices - 1). The last
        is what they leave of ``g``."""
        self.pulses = torch.zeros_like(levels, dtype=torch.int32)
        """Write pulses that each cell has been given, int32 (rows, cols), or each device of cells of several, (rows,
        cols, devices). They are no part of the state: the machine does not know them."""
        self.first = 0
        """The number of the first device in the network."""
        g_magnitude = 1 << geometry.device.g_bits - 1
        self._exact = exact_float(
            g_magnitude * max(geometry.rows * geometry.x.magnitude, geometry.cols << geometry.delta_bits - 1))

    @property
    def arrays(self) -> dict[str, torch.Tensor]:
        """The arrays of the state by name, each (rows, cols): ``g``, ``g_minus`` if cells are pairs, ``life`` if they
        age, ``slices``, (rows, cols, devices - 1), if they have several devices, and ``chi``. All changes are made in
        place."""
        arrays = {"g": self.g, "g_minus": self.g_minus, "life": self.life, "slices": self.slices,
                  "chi": self.accumulator.chi}
        return {name: array for name, array in arrays.items() if array is not None}

    def move(self, arrays: dict[str, torch.Tensor]) -> None:
        """Keep the state in ``arrays`` from now on. They hold the same values as the present ones."""
        self.g, self.g_minus, self.accumulator.chi = arrays["g"], arrays.get("g_minus"), arrays["chi"]
        self.life, self.slices = arrays.get("life"), arrays.get("slices")

    def read_g(self, rows: torch.Tensor | None = None) -> torch.Tensor:
        """The conductances (n, cols) of ``rows`` (n,), of all of them unless given, as they are read: through wires."""
        g = self.g if rows is None else self.g.index_select(0, rows)
        if self._factors is None:
            return g
        factors = self._factors if rows is None else self._factors.index_select(0, rows)
        return round_shift(g * factors, FACTOR_FRAC)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The outputs ``z`` (..., cols) for the drives ``x`` (..., inputs) of windows, one after the other: those of a
        sample are (positions, inputs), those of many samples (samples, positions, inputs)."""
        drive = with_bias(self.geometry, x)
        windows = drive.reshape(-1, drive.shape[-1])
        self.counters.count(forwards=len(windows), forward_rows=int(drive.count_nonzero()))
        rows = windows.any(dim=0).nonzero().squeeze(1)
        return self._convert(drive[..., rows], self.read_g(rows), self.lfsrs.get("read_lfsr"))

    def evaluate(self, x: torch.Tensor, read_lfsr: Lfsr | None = None) -> torch.Tensor:
        """As ``forward``, but counters and LFSRs stay as they are. Read noise is drawn from ``read_lfsr``; unless
        given, as ``forward`` would draw it."""
        return self._convert(with_bias(self.geometry, x), self.read_g(), read_lfsr or self.copied("read_lfsr"))

    def column_sums(self, x: torch.Tensor) -> torch.Tensor:
        """What ``evaluate`` converts, without noise: the exact column sums (..., cols) for the drives ``x``."""
        return self._column_sums(with_bias(self.geometry, x), self.read_g())

    def copied(self, name: str) -> Lfsr | None:
        """An LFSR in the state of the one of that ``name``; None if there is none."""
        lfsr = self.lfsrs.get(name)
        return lfsr and Lfsr(lfsr.state, self.torch_device)

    def backward(self, d: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """The exact row sums ``e`` (..., inputs) of windows for their deltas ``d`` (..., cols).

        The mask ``rows`` (..., inputs) restricts the pass to some rows; the sums of the others are 0. Unless given, it
        is all rows but those in the padding. A window whose delta is 0 everywhere reads no row.
        """
        if rows is None:
            rows = self.windows.driven if d.dim() > 1 else self.windows.driven[0]
        rows = rows & d.any(dim=-1, keepdim=True)
        self.counters.count(backward_rows=int(rows.count_nonzero()))
        read = rows.reshape(-1, rows.shape[-1]).any(dim=0).nonzero().squeeze(1)
        sums = torch.zeros(rows.shape, dtype=torch.int64, device=self.torch_device)
        sums[..., read] = self._row_sums(d, self.read_g(read))
        return sums * rows

    def row_sums(self, d: torch.Tensor) -> torch.Tensor:
        """The exact sums (..., inputs) of all rows for the deltas ``d`` (..., cols). Nothing is counted."""
        return self._row_sums(d, self.read_g()[:self.geometry.inputs])

    def update(self, x: torch.Tensor, d: torch.Tensor, learning_rate_shift: int, program: bool = True) -> None:
        """Accumulate ``-x * d`` at the learning rate ``2**-learning_rate_shift``, summed over the windows of a sample:
        ``x`` (..., inputs) is their drive, ``d`` (..., cols) the delta. Only windows with an error count, those whose
        delta is not 0 everywhere; without any, nothing is done. The rows concerned are those with ``x != 0`` in one of
        them.

        Cells there that reach the threshold are programmed, unless ``program`` is False. Cells that do not keep their
        levels relax, with an error or without.
        """
        self._accumulate(x, d, learning_rate_shift, program)
        if program:
            self._tick()

    def _accumulate(self, x: torch.Tensor, d: torch.Tensor, learning_rate_shift: int, program: bool) -> None:
        """``update``, without a tick of the cells' clock."""
        drive, d = with_bias(self.geometry, x).reshape(-1, self.geometry.rows), d.reshape(-1, self.geometry.cols)
        error = d.any(dim=1)
        errors = error.tolist()
        if not any(errors):
            return
        if not all(errors):
            drive, d = drive[error], d[error]
        rows = drive.any(dim=0).nonzero().squeeze(1)
        self.counters.count(update_rows=len(rows))
        if "product_rows" in self.counters:
            self.counters.count(product_rows=int(drive.count_nonzero()))
        self.accumulator.accumulate(rows, drive[:, rows], d, learning_rate_shift)
        if program:
            self._visit(rows)

    def accumulate(self, x: torch.Tensor, d: torch.Tensor, learning_rate_shift: int) -> None:
        """``update`` for many samples, one after the other, of which nothing is programmed: ``x`` (samples, positions,
        inputs) are their drives, ``d`` (samples, positions, cols) their deltas."""
        drive = with_bias(self.geometry, x) * d.any(dim=-1, keepdim=True)
        self.counters.count(update_rows=int(drive.any(dim=1).count_nonzero()))
        if "product_rows" in self.counters:
            self.counters.count(product_rows=int(drive.count_nonzero()))
        self.accumulator.accumulate_all(drive, d, learning_rate_shift)

    def program(self) -> None:
        """Program every cell whose residual has reached the threshold."""
        self._visit(torch.arange(self.geometry.rows, device=self.torch_device))
        self._tick()

    def apply(self, dw: torch.Tensor) -> None:
        """``add``, and program what reaches the threshold."""
        self.add(dw)
        self.program()

    def add(self, dw: torch.Tensor) -> None:
        """Add the increments ``dw`` (rows, cols), in units of ``2**-chi_frac`` level and ``chi_bits`` wide, to the
        residuals. ``StateError`` on a wrong shape or an increment too wide."""
        limit = 1 << self.geometry.chi_bits - 1
        dw = self._checked("increments", dw, -limit, limit - 1)
        rows = torch.arange(self.geometry.rows, device=self.torch_device)
        self.counters.count(update_rows=len(rows))
        self.accumulator.add(rows, dw.to(torch.int32))

    def write(self, states: torch.Tensor) -> WriteReport:
        """Program-and-verify every cell, those of the bias row too, to its state in ``states`` (rows, cols). Residuals
        stay. ``StateError`` on a wrong shape, or a state that the device does not have."""
        states = self._checked("states", states, 0, self.geometry.device.states - 1).flatten()
        everywhere = torch.ones_like(self.g, dtype=torch.bool).nonzero(as_tuple=True)
        cells, before = self._cells(everywhere), self.counters["failures"]
        attempts = [self.programmer.write(cell, state) for cell, state in zip(cells, states.tolist(), strict=True)]
        self._replace(everywhere, cells)
        failures = self.counters["failures"] - before & (1 << COUNTER_BITS) - 1
        return WriteReport(np.array(attempts).reshape(self.pulses.shape), failures)

    def states(self) -> torch.Tensor:
        """The state of every cell, 0 .. states-1: int64 (rows, cols)."""
        device = self.geometry.device
        return (self.g.to(torch.int64) - device.origin + (1 << device.sub_bits - 1) >> device.sub_bits).clamp(
            0, device.states - 1)

    def levels(self) -> torch.Tensor:
        """The conductance of every device, int64 (rows, cols, devices); a pair counts as one."""
        return self.g.to(torch.int64).unsqueeze(-1) if self.slices is None else self._levels(self.g, self.slices)

    def set_levels(self, levels: torch.Tensor) -> None:
        """Let the devices have the conductances ``levels``, as of ``levels()``. Those of pairs that count negative stay
        as they are."""
        self.g.copy_(levels.squeeze(-1) if self.slices is None else self._summed(levels))
        if self.slices is not None:
            self.slices.copy_(levels[..., :-1])

    def state(self) -> dict[str, np.ndarray]:
        """The complete state, as arrays by name (arithmetic 8): ``arrays``, the LFSRs, and the counters."""
        return {
            **{name: array.cpu().numpy().copy() for name, array in self.arrays.items()},
            **{name: np.array(lfsr.state, dtype=np.uint32) for name, lfsr in self.lfsrs.items()},
            "counters": np.array(list(self.counters.values()), dtype=np.int64),
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Restore what ``state()`` returned. ``StateError`` names an array that is missing, has a wrong shape or is out
        of range; the crossbar is then unchanged."""
        shape, device = tuple(self.g.shape), self.geometry.device
        chi_limit = 1 << self.geometry.chi_bits - 1
        levels = {"g": device.g_range, "g_minus": (0, device.span), "life": (0, (1 << device.life_bits) - 1),
                  "slices": device.single.g_range,
                  "chi": (-chi_limit, chi_limit - 1)}
        state = {name: self._integers(name, state, *bounds) for name, bounds in (
            *((name, (tuple(array.shape), *levels[name])) for name, array in self.arrays.items()),
            *((name, ((), 1, (1 << WIDTH) - 1)) for name in self.lfsrs),
            ("counters", ((len(self.counters),), 0, (1 << COUNTER_BITS) - 1)),
        )}
        if device.pair:
            self._integers("g + g_minus", {"g + g_minus": state["g"] + state["g_minus"]}, shape, 0, device.span)
        if self._weights:
            last = state["g"] - (state["slices"] * self._weights[:-1]).sum(-1)
            self._integers("g - slices", {"g - slices": last}, shape, *device.single.g_range)
        for name, array in self.arrays.items():
            array.copy_(torch.from_numpy(state[name]))
        for name, lfsr in self.lfsrs.items():
            lfsr.state = int(state[name])
        self.counters.update(zip(self.counters, state["counters"].tolist(), strict=True))

    def _integers(self, name: str, state: dict, shape: tuple, lowest: int, highest: int) -> np.ndarray:
        """The array ``name`` of ``state`` as int64; ``StateError`` unless it holds integers of ``shape`` from
        ``lowest`` to ``highest``."""
        if name not in state:
            raise StateError(f"crossbar {self.geometry.index}: the state has no array {name!r}")
        array = np.asarray(state[name])
        if array.shape != shape or not np.issubdtype(array.dtype, np.integer):
            raise StateError(f"crossbar {self.geometry.index}: {name} is {array.dtype} {array.shape}; "
                             f"it must hold integers of shape {shape}")
        if array.min() < lowest or array.max() > highest:
            raise StateError(f"crossbar {self.geometry.index}: {name} holds values from {array.min()} to "
                             f"{array.max()}; they must lie in {lowest} to {highest}")
        return array.astype(np.int64)

    def _checked(self, name: str, values: torch.Tensor, lowest: int, highest: int) -> torch.Tensor:
        """``values`` as int64; ``StateError`` unless there is one for each cell, from ``lowest`` to ``highest``."""
        values = torch.as_tensor(values, dtype=torch.int64, device=self.torch_device)
        if values.shape != self.g.shape:
            raise StateError(f"{name} of shape {tuple(values.shape)}: the crossbar has {tuple(self.g.shape)} cells")
        if values.min() < lowest or values.max() > highest:
            raise StateError(f"{name} from {int(values.min())} to {int(values.max())}: "
                             f"they must lie in {lowest} to {highest}")
        return values

    def _convert(self, drive: torch.Tensor, g: torch.Tensor, read_lfsr: Lfsr | None) -> torch.Tensor:
        """The outputs for the drive of the rows ``g``."""
        return self.adc.convert(self._column_sums(drive, g), read_lfsr)

    def _column_sums(self, drive: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """The exact sums for the drive of the rows ``g``."""
        x = self.geometry.x
        drive = dac(drive, x.bits, x.signed, self.geometry.x_dropped)
        return (drive.to(self._exact) @ g.to(self._exact)).to(torch.int64)

    def _row_sums(self, d: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """The sums of the rows ``g``: (..., rows)."""
        d = dac(d, self.geometry.delta_bits, True, self.geometry.delta_dropped)
        return (d.to(self._exact) @ g.to(self._exact).T).to(torch.int64)

    def _visit(self, rows: torch.Tensor) -> None:
        """Visit the cells of the rows with the indices ``rows`` (n,), ascending, and program those that are due."""
        self.counters.count(visited_rows=len(rows))
        where = self.accumulator.visit(rows, self.g)
        if len(where[0]) == 0:
            return
        cells, chi = self._cells(where), self.accumulator.chi
        chi[where] = torch.tensor([self.programmer.program(cell, residual) for cell, residual in zip(
            cells, chi[where].tolist(), strict=True)], dtype=chi.dtype, device=self.torch_device)
        self._replace(where, cells)

    def _tick(self) -> None:
        """A tick of the clock by which cells relax (arithmetic 3.6): those of a row that is drawn do."""
        geometry, share, lfsr = self.geometry, self.geometry.relaxation, self.lfsrs["lfsr"]
        if not share:
            return
        before = lfsr.state & WORD_MASK
        row = before * geometry.rows >> LEAP
        words = lfsr.draw(geometry.cols).to(self.torch_device)
        last = torch.cat([words.new_tensor([before]), words[:-1]])
        random = (words << SHARE_WORD_BITS) + (last & (1 << SHARE_WORD_BITS) - 1)
        moves = torch.from_numpy(~self._fixed[1][row]).to(self.torch_device)
        if self.life is not None:
            moves = moves & (self.life[row] != 0)
        g = self.g[row].to(torch.int64)
        g_minus = torch.zeros_like(g) if self.g_minus is None else self.g_minus[row].to(torch.int64)
        relaxed = self._device.relaxed(g, g_minus, share, random)
        for array, after in zip((self.g, self.g_minus), relaxed, strict=True):
            if array is not None:
                array[row] = torch.where(moves, after.to(array.dtype), array[row])

    def _cells(self, where: Places) -> list[Any]:
        """The cells at the places ``where``: of one device or a pair, ``Cell``, of several, ``SlicedCell``."""
        g = self.g[where]
        place = tuple(index.cpu().numpy() for index in where)
        fixed = [array[place] for array in self._fixed]
        numbers = self.first + (place[0] * self.geometry.cols + place[1]) * self.geometry.devices
        if self.slices is not None:
            each = numbers[:, None] + np.arange(self.geometry.devices)
            return self._sliced_cells(self._levels(g, self.slices[where]), *fixed, each)
        g_minus = torch.zeros_like(g) if self.g_minus is None else self.g_minus[where]
        lives = [None] * len(numbers) if self.life is None else self.life[where].tolist()
        values = zip(*(vector.tolist() for vector in (g, g_minus, *fixed)), lives, numbers.tolist(), strict=True)
        return [Cell(g, minus, displacement, stuck, life, number=number)
                for g, minus, displacement, stuck, life, number in values]

    def _sliced_cells(self, levels: torch.Tensor, *fixed: np.ndarray) -> list[SlicedCell]:
        """Cells of several devices: the conductances of the devices, what is fixed in each, and its number, all (n,
        devices)."""
        return [SlicedCell([Cell(level, 0, displacement, stuck, number=number)
                            for level, displacement, stuck, number in zip(*cell, strict=True)], self._weights)
                for cell in zip(levels.tolist(), *(array.tolist() for array in fixed), strict=True)]

    def _levels(self, g: torch.Tensor, slices: torch.Tensor) -> torch.Tensor:
        """The conductances, int64 (..., devices), of the devices of cells of several: of cells whose own are ``g``
        (...,), and those of all devices but the last ``slices`` (..., devices - 1)."""
        slices = slices.to(torch.int64)
        last = g.to(torch.int64) - (slices * slices.new_tensor(self._weights[:-1])).sum(-1)
        return torch.cat([slices, last.unsqueeze(-1)], dim=-1)

    def _summed(self, levels: torch.Tensor) -> torch.Tensor:
        """The conductances, int16 (rows, cols), of cells whose devices have ``levels`` (rows, cols, devices)."""
        return (levels.to(torch.int64) * torch.tensor(self._weights, device=levels.device)).sum(-1).to(torch.int16)

    def _replace(self, where: Places, cells: list[Any]) -> None:
        """Put ``cells`` into the places ``where``."""
        for name, array in (("g", self.g), ("g_minus", self.g_minus), ("life", self.life)):
            if array is not None:
                array[where] = torch.tensor([getattr(cell, name) for cell in cells], dtype=array.dtype,
                                            device=self.torch_device)
        self.pulses[where] += torch.tensor([cell.pulses for cell in cells], dtype=self.pulses.dtype,
                                           device=self.torch_device)
        if self.slices is not None:
            self.slices[where] = torch.tensor([[device.g for device in cell.devices[:-1]] for cell in cells],
                                              dtype=self.g.dtype, device=self.torch_device)
