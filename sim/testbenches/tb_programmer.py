"""Testbench of ``hw.crossbar.programmer.StochasticProgrammer`` against ``model.programmer.StochasticProgrammer``."""

from collections import deque
from random import Random
from typing import Any, ClassVar

import cocotb
import numpy as np
import torch

from ...contract.device import SHARE_WORD_BITS, DeviceTables
from ...contract.geometry import CrossbarGeometry
from ...hw.crossbar.layouts import cell_layout, level_layout, position_layout, replacement_layout, request_layout
from ...hw.crossbar.programmer import StochasticProgrammer
from ...model.device import Cell, Device, SlicedCell, fixed_in_cells
from ...model.lfsr import Lfsr
from ...model.programmer import Programmer
from ...model.sliced_programmer import programmer
from ...train.difference import expect
from ..benches.packing import Packing
from ..benches.streams import PinBench
from ..reconfigure import configure, reconfigured
from .testbench import Testbench, run_in_cocotb

PULSES = {"attempt": "attempts", "verify_attempt": "verify_attempts", "failure": "failures", "refresh": "refreshes"}
"""Ports that count, and the counters of the golden model."""
BURST = 5
"""Most requests that wait at once."""


class ProgrammerBench(Testbench[None]):
    """Bursts of programming requests for random cells, by residuals beyond the threshold or by program-and-verify;
    where cells relax, requests to do so, too. They come in rounds; before each but the first, all parameters are
    replaced."""

    rounds: ClassVar[int] = 2

    def build(self) -> StochasticProgrammer:
        self.geometry = self.case.experiment.crossbars[-1]
        return StochasticProgrammer(geometry=self.geometry)

    async def exercise(self, bench: PinBench) -> None:
        random, pins = self.random, bench.pins
        lfsr = Lfsr(random.randrange(1, 1 << 32))
        pins.set("lfsr_state", lfsr.state)
        pins.set("lfsr_load", 1)
        await bench.run(1)
        pins.set("lfsr_load", 0)
        await bench.run(1)
        memory = _Memory(bench, self.geometry)
        geometry, samples = self.geometry, self.case.samples
        for number in range(self.rounds):
            if number:
                geometry = self.other_geometry()
                await configure(bench, self.geometry, geometry)
            requests = samples * (number + 1) // self.rounds - samples * number // self.rounds
            await self.serve(bench, memory, programmer(geometry, lfsr), requests)

    def other_geometry(self) -> CrossbarGeometry:
        """That whose parameters replace the others."""
        return reconfigured(self.random, self.geometry)

    async def serve(self, bench: PinBench, memory: "_Memory", golden: Programmer[Any], requests: int) -> None:
        """Have the design serve so many random ``requests`` as ``golden`` does."""
        random, pins, geometry = self.random, bench.pins, golden.geometry
        displacements, stuck = fixed_in_cells(geometry)
        before = dict(memory.pulses)
        served = 0
        while served < requests:
            expected = []
            for _ in range(min(random.randint(1, BURST), requests - served)):
                row, fold, lane = (random.randrange(n) for n in (geometry.rows, geometry.folds, geometry.lanes))
                col = fold * geometry.lanes + lane
                cell, chi = random_cell(random, golden.device, geometry)
                devices = cell.devices if isinstance(cell, SlicedCell) else [cell]
                for device, *fixed in zip(devices, *(np.atleast_1d(each[row, col]).tolist()
                                                     for each in (displacements, stuck)), strict=True):
                    device.displacement, device.stuck = fixed
                operation = random.choices(("program", "write", "relax"), (3, 2, 2 if geometry.relaxation else 0))[0]
                state = random.randrange(geometry.device.states)
                position = {"address": fold * geometry.rows + row, "lane": lane}
                if geometry.device.differs:
                    position |= {"row": row, "fold": fold}
                memory.requests.put({"position": position, "write": operation == "write", "state": state}
                                    | ({"relax": operation == "relax"} if geometry.relaxation else {}))
                memory.cells.append((position, _cell(geometry, cell, chi)))
                match operation:
                    case "write":
                        golden.write(cell, state)
                    case "relax":
                        relax(golden, cell)
                    case "program":
                        chi = golden.program(cell, chi)
                expected.append((operation, {"position": position, "cell": _cell(geometry, cell, chi)}))
            for operation, replacement in expected:
                await bench.until(lambda: len(memory.replace) > 0)
                expect(operation, replacement, memory.replace.take(), sample=served)
                served += 1
            await bench.until(lambda: bench.idle)
            expect("lfsr", golden.lfsr.state, pins.get("lfsr"), sample=served - 1)
        expect("pulses", {port: golden.counters[name] for port, name in PULSES.items()},
               {port: count - before[port] for port, count in memory.pulses.items()})


class _Memory:
    """The array around the programmer. It answers each fetch, some clock cycles later, with the next of ``cells``."""

    def __init__(self, bench: PinBench, geometry: CrossbarGeometry) -> None:
        self.requests = bench.source("request", request_layout(geometry))
        self.replace = bench.sink("replace", replacement_layout(geometry))
        self.cells: deque[tuple[dict, dict]] = deque()
        """Positions to be fetched, in order, and their cells."""
        self.pulses = dict.fromkeys(PULSES, 0)
        self._fetch = bench.sink("fetch", position_layout(geometry))
        self._packing = Packing(cell_layout(geometry))
        self._pins, self._random = bench.pins, bench.random
        bench.agent(self._step)

    def _step(self, cycle: int) -> None:
        for name in self.pulses:
            self.pulses[name] += self._pins.get(name)
        answers = len(self._fetch) > 0 and self._random.random() < 0.7
        if answers:
            position, cell = self.cells.popleft()
            expect("fetch", position, self._fetch.take())
            self._pins.set("cell", self._packing.pack(cell))
        self._pins.set("fetched", int(answers))


def random_device(random: Random, tables: DeviceTables) -> Cell:
    """A cell of a device, or a pair, of these ``tables``."""
    span = tables.span
    match tables.pulse:
        case "step" if tables.pair:
            plus, minus = (random.choice((0, span, random.randint(0, span))) for _ in range(2))
            return Cell(plus - minus, minus)
        case "step":
            return Cell(random.randint(-span // 2, span // 2))
        case _:
            return Cell(random.randrange(-1 << tables.g_bits - 1, 1 << tables.g_bits - 1))


def random_cell(random: Random, device: Device, geometry: CrossbarGeometry) -> tuple[Any, int]:
    """A cell, and a residual that has reached the threshold and does not push the cell beyond its last state."""
    limit, threshold = 1 << geometry.chi_bits - 1, geometry.threshold
    tables, slices = geometry.device, geometry.device.slices
    while True:
        devices = [random_device(random, tables.single) for _ in range(geometry.devices)]
        cell: Any = devices[0] if slices is None else SlicedCell(devices, slices.weights)
        if geometry.residual == "none":
            chi = threshold * random.randint(1, limit // threshold - 1)
        else:
            chi = random.choice((threshold, limit - 1, random.randrange(threshold, limit), limit))
        up = chi < limit and random.random() < 0.5
        last = tables.states - 1 if up else 0
        if tables.life_bits:
            cell.life = random.choice((0, 1, random.randrange(1 << tables.life_bits)))
        if device.state_of(cell.g) != last:
            return cell, chi if up else -chi


def relax(golden: Programmer[Any], cell: Cell) -> None:
    """Let one cell relax, as `model.crossbar.Crossbar` lets those of a row (arithmetic 3.6)."""
    before = golden.lfsr.state & (1 << SHARE_WORD_BITS) - 1
    random = torch.tensor((golden.lfsr.word() << SHARE_WORD_BITS) + before)
    if cell.moves:
        g, g_minus = golden.device.relaxed(torch.tensor(cell.g), torch.tensor(cell.g_minus),
                                           golden.geometry.relaxation, random)
        cell.g, cell.g_minus = int(g), int(g_minus)


def _cell(geometry: CrossbarGeometry, cell: Any, chi: int) -> dict[str, int]:
    """``cell`` and its residual in the fields of the design."""
    fields = {"chi": chi, "g": cell.g}
    if geometry.device.slices:
        return fields | {"slices": [device.g for device in cell.devices[:-1]]}
    return fields | {name: getattr(cell, name) for name in level_layout(geometry).members}


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, ProgrammerBench)
