"""The device: what a write pulse does to a cell, and what is fixed in each cell."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..contract.device import QUANTILE_BITS, SHARE_BITS, DeviceTables, nominal
from ..contract.geometry import CrossbarGeometry
from ..contract.hashing import LIFE_STREAM, cell_hash, hash32, hash_base
from ..contract.lfsr import LEAP
from ..contract.tables import NORMAL_INDEX_BITS, noise

Integers = int | np.ndarray
"""An integer, or an array of int64."""


@dataclass
class Cell:
    """One cell, in plain integers: sub-levels."""

    g: int
    """Its conductance."""
    g_minus: int = 0
    """Of a pair: the conductance of the device that counts negative."""
    displacement: int = 0
    """By how much its landing points or steps differ from those of the tables."""
    stuck: bool = False
    """Whether it never moves."""
    life: int | None = None
    """Of a cell that ages: what is left of its life; it has failed when that is 0."""
    pulses: int = 0
    """Write pulses that it has been given."""
    number: int = 0
    """That of the device in the network."""

    @property
    def moves(self) -> bool:
        """Whether it is neither stuck nor has failed."""
        return not self.stuck and self.life != 0


@dataclass
class SlicedCell:
    """A cell of several devices, each of which is as a cell of one."""

    devices: list[Cell]
    weights: tuple[int, ...]
    """By what each counts."""

    @property
    def g(self) -> int:
        """Its conductance."""
        return sum(weight * device.g for weight, device in zip(self.weights, self.devices, strict=True))

    @property
    def pulses(self) -> list[int]:
        """Write pulses that each device has been given."""
        return [device.pulses for device in self.devices]


class Device:
    """The pulse law of a device, as its tables say (arithmetic 3.1). Arguments that may be arrays broadcast."""

    def __init__(self, tables: DeviceTables) -> None:
        self.tables = tables
        self._mean, self._sigma, self._quantiles = (
            np.array(table, dtype=np.int64) for table in (tables.mean, tables.sigma, tables.quantiles))

    def movement(self, entry: Integers, displacement: Integers, word: Integers) -> Any:
        """The landing point or the step in the place ``entry`` of the tables, as it comes out with the random ``word``
        in a cell of ``displacement``."""
        if self.tables.quantiles:
            return self._quantiles[(entry << QUANTILE_BITS) + (word >> LEAP - QUANTILE_BITS)] + displacement
        return self._mean[entry] + displacement + noise(self._sigma[entry], word)

    def land(self, state: Integers, displacement: Integers, word: Integers) -> Any:
        """The conductance at which a write pulse toward ``state`` lands, with the arguments of ``movement``."""
        limit = 1 << self.tables.g_bits - 1
        return np.minimum(np.maximum(self.movement(state, displacement, word), -limit), limit - 1)

    def fresh(self, states: np.ndarray, displacement: np.ndarray, words: np.ndarray) -> np.ndarray:
        """The conductances, int16, of new devices in ``states``."""
        levels = self.land(states, displacement, words) if self.tables.pulse == "landing" else self.nominal(states)
        return levels.astype(np.int16)

    def state_of(self, g: Integers) -> Any:
        """The state whose nominal conductance is nearest to ``g``."""
        device = self.tables
        state = g - device.origin + (1 << device.sub_bits - 1) >> device.sub_bits
        if isinstance(state, np.ndarray):
            return state.clip(0, device.states - 1)
        return min(max(state, 0), device.states - 1)

    def nominal(self, state: Any) -> Any:
        """The nominal conductance of ``state``, an integer or an array or tensor of integers."""
        return nominal(state, self.tables.states, self.tables.sub_bits)

    def pulse(self, cell: Cell, word: int, *, toward: int, up: bool, before: int = 0) -> None:
        """Give ``cell`` one write pulse: toward the state ``toward`` if the device lands at states, else up or down.
        ``before`` is the word that was drawn before ``word``."""
        if not cell.moves:
            return
        match self.tables.pulse:
            case "landing":
                cell.g = int(self.land(toward, cell.displacement, word))
            case "step":
                self._step_pair(cell, word, up) if self.tables.pair else self._step(cell, word, up)
            case "switching":
                self._switch(cell, word, up)
        if cell.life is not None and before < self.tables.wear:
            self._age(cell, cell.life - 1)

    def worn(self, cell: Cell) -> bool:
        """Whether ``cell`` is a pair whose devices have both grown so far that it has to be refreshed."""
        low, high = sorted((cell.g + cell.g_minus, cell.g_minus))
        return self.tables.pair and high > self.tables.refresh_high and low > self.tables.refresh_low

    def reset(self, cell: Cell) -> None:
        """Set both devices of a pair to 0, unless they are stuck or have failed."""
        if cell.moves:
            cell.g = cell.g_minus = 0

    def relaxed(self, g: torch.Tensor, g_minus: torch.Tensor, share: int, random: torch.Tensor,
                ) -> tuple[torch.Tensor, torch.Tensor]:
        """What cells of the conductances ``g`` and ``g_minus``, which is 0 unless they are pairs, relax to: by
        ``share`` of the distance from their rest, rounded with ``random``, `SHARE_BITS` bits (arithmetic 3.6). Tensors
        of int64."""
        def taken(distance: torch.Tensor) -> torch.Tensor:
            return distance * share + random >> SHARE_BITS

        device = self.tables
        if device.pair:
            plus = g + g_minus
            plus, minus = plus - taken(plus), g_minus - taken(g_minus)
            return plus - minus, minus
        distance = g - device.resting
        if device.pulse == "switching":
            steps = taken((abs(distance) >> device.sub_bits).clamp(max=1))
            return g - distance.sign() * (steps << device.sub_bits), g_minus
        return g - distance.sign() * taken(abs(distance)), g_minus

    def _age(self, cell: Cell, life: int) -> None:
        """Leave ``life`` to ``cell``; if that is none, it fails."""
        cell.life, failed = life, self.tables.failed
        if life == 0 and failed is not None:
            cell.g, cell.g_minus = failed, max(0, -failed) if self.tables.pair else 0

    def _step(self, cell: Cell, word: int, up: bool) -> None:
        device = self.tables
        level = cell.g + device.span // 2
        step = self.movement((level >> device.segment_shift) + (0 if up else device.segments), cell.displacement, word)
        cell.g = self._within(level + step if up else level - step) - device.span // 2

    def _step_pair(self, cell: Cell, word: int, up: bool) -> None:
        plus, minus = cell.g + cell.g_minus, cell.g_minus
        pulsed = plus if up else minus
        pulsed = self._within(pulsed + self.movement(pulsed >> self.tables.segment_shift, cell.displacement, word))
        plus, minus = (pulsed, minus) if up else (plus, pulsed)
        cell.g, cell.g_minus = plus - minus, minus

    def _within(self, level: int) -> int:
        return int(min(max(level, 0), self.tables.span))

    def _switch(self, cell: Cell, word: int, up: bool) -> None:
        device, state = self.tables, self.state_of(cell.g)
        if word < device.probability[state if up else device.states + state]:
            cell.g = self.nominal(min(max(state + (1 if up else -1), 0), device.states - 1))


def fixed_in_cells(geometry: CrossbarGeometry) -> tuple[np.ndarray, np.ndarray]:
    """The displacement of each cell, int16, and whether it is stuck, bool: both (rows, cols) (arithmetic 3.3), of cells
    of several devices (rows, cols, devices) (3.4). Where cells do not differ, these are views of a single value."""
    device, sides = geometry.device, (geometry.rows, geometry.cols)
    shape = sides if device.slices is None else (*sides, device.devices)
    if not device.differs:
        return np.broadcast_to(np.int16(0), shape), np.broadcast_to(np.False_, shape)
    hashes = np.stack([cell_hash(geometry.cell_seed, *sides, number) for number in range(device.devices)], axis=-1)
    hashes = hashes.reshape(shape).astype(np.int64)
    return noise(device.variation, hashes).astype(np.int16), hashes >> 16 < device.stuck


def initial_lives(geometry: CrossbarGeometry, seed: int) -> np.ndarray:
    """The lives of the cells of a new crossbar that ages, int16 (rows, cols) (arithmetic 3.5)."""
    hashes = cell_hash(hash_base(seed, LIFE_STREAM + geometry.index), geometry.rows, geometry.cols).astype(np.int64)
    return np.array(geometry.device.lifetimes, dtype=np.int16)[hashes >> 32 - NORMAL_INDEX_BITS]


def initial_levels(geometry: CrossbarGeometry, seed: int, displacement: np.ndarray) -> np.ndarray:
    """The conductances of the cells of a new crossbar, int16 (rows, cols) (arithmetic 4.1), of cells of several devices
    those of the devices, (rows, cols, devices)."""
    cells, (low, high) = Device(geometry.device), geometry.init_states
    shape = geometry.devices, geometry.rows, geometry.cols
    places = np.arange(np.prod(shape), dtype=np.uint64).reshape(shape)
    hashes = hash32(seed, geometry.index, places).astype(np.int64)
    states = low + ((hashes[0] >> 16) * (high - low + 1) >> 16)
    if geometry.device.slices is None:
        return cells.fresh(states, displacement, hashes[0])
    device, rest, levels = Device(geometry.device.single), cells.nominal(states), []
    for number, shift in enumerate(geometry.device.slices.shifts):
        states = device.state_of(rest >> shift)
        levels.append(device.fresh(states, displacement[..., number], hashes[number]))
        rest = rest - (levels[-1].astype(np.int64) << shift)
    return np.stack(levels, axis=-1)
