"""Testbench of ``hw.accumulator.GradientAccumulator`` against ``model.accumulator.GradientAccumulator``."""

import cocotb
import torch

from ..hw.accumulator import GradientAccumulator
from ..hw.signatures import slot_layout
from ..model.accumulator import GradientAccumulator as GoldenAccumulator
from ..model.lfsr import Lfsr
from ..model.programmer import StochasticProgrammer
from .difference import expect
from .packing import Packing
from .streams import Bench
from .testbench import Testbench, run_in_cocotb

READ, FIRED, VISIBLE = 1, 4, 4
"""Clocks from a slot to its word, to what fired, and to the slot that may next address the same word."""


class AccumulatorBench(Testbench):
    """Random slots, one a clock where ``stall`` allows: updates, scans for what has reached the threshold, single
    cells replaced, and words read."""

    def build(self) -> GradientAccumulator:
        self.geometry = self.parameters.experiment.crossbars[-1]
        self.lowest = -(1 << self.geometry.chi_bits - 1)
        return GradientAccumulator(geometry=self.geometry)

    def random_slot(self, address: int) -> dict:
        """A slot with every field."""
        random, geometry = self.random, self.geometry
        slot = {name: 0 for name, _ in slot_layout(geometry)}
        kind = random.choice(("update", "fire", "override", "read"))
        chi = random.choice((self.lowest, -self.lowest - 1, random.randrange(self.lowest, -self.lowest)))
        return slot | {
            "address": address, "x": random.randint(geometry.x.minimum, geometry.x.maximum),
            "update": kind == "update", "fire": kind == "fire" or kind == "update" and random.random() < 0.5,
            "write": kind != "read", "override": kind == "override", "cell": {"g": 0, "chi": chi},
            "lane": random.randrange(geometry.lanes),
        }

    async def exercise(self, bench: Bench):
        geometry, random, pins = self.geometry, self.random, bench.pins
        lanes, rate = geometry.lanes, random.randint(*geometry.learning_rate_shifts)
        golden = GoldenAccumulator(geometry)
        bound = StochasticProgrammer(geometry, Lfsr(1)).bound
        slots, idle = Packing(slot_layout(geometry)), {name: 0 for name, _ in slot_layout(geometry)} | {
            "cell": {"g": 0, "chi": 0}}
        words = {name: Packing(shape) for name, shape in (
            ("delta", self.component.delta.shape()), ("g", self.component.g.shape()),
            ("chi", self.component.chi.shape()))}
        delta_range = 1 << geometry.delta_bits - 1
        pins.set("boost", geometry.learning_rate_shifts[1] - rate)
        due: dict[int, list] = {}  # what the design must answer with, and by when
        operands: dict[int, dict] = {}
        touched: dict[int, int] = {}

        for number in range(20 * self.parameters.samples + VISIBLE + 1):
            for name, expected in due.pop(bench.cycle, []):
                actual = words["chi"].unpack(pins.get(name)) if name == "chi" else pins.get(name)
                expect(name, expected, actual, sample=number)
            for name, value in operands.pop(bench.cycle, {}).items():
                pins.set(name, words[name].pack(value))
            slot, clock = idle, bench.cycle + 1  # what is set now is seen in the next cycle
            address = random.randrange(geometry.rows * geometry.folds)
            free = clock - touched.get(address, -VISIBLE) >= VISIBLE
            if number < 20 * self.parameters.samples and free and random.random() >= self.parameters.stall:
                slot = self.random_slot(address)
                touched[address] = clock
                delta = [random.choice((-delta_range, delta_range - 1, random.randrange(-delta_range, delta_range)))
                         for _ in range(lanes)]
                g = [random.randrange(-(1 << geometry.device.g_bits - 1), 1 << geometry.device.g_bits - 1)
                     for _ in range(lanes)]
                operands[clock] = {"delta": delta, "g": g}
                row, first = address % geometry.rows, address // geometry.rows * lanes
                word = golden.chi[row, first:first + lanes]
                due.setdefault(clock + READ, []).append(("chi", word.tolist()))
                if slot["update"]:
                    d = torch.zeros(geometry.cols, dtype=torch.int64)
                    d[first:first + lanes] = torch.tensor(delta)
                    golden.accumulate(torch.tensor([row]), torch.tensor([slot["x"]]), d, rate)
                if slot["fire"]:
                    word.copy_(bound(word, torch.tensor(g)))
                if slot["override"]:
                    word[slot["lane"]] = slot["cell"]["chi"]
                due.setdefault(clock + FIRED, []).append(("done", int(slot["fire"])))
                if slot["fire"]:
                    fired = sum(int(chi) << lane for lane, chi in enumerate(word.abs() >= geometry.threshold))
                    due[clock + FIRED] += [("address", address), ("fired", fired)]
            pins.set("slot", slots.pack(slot))
            await bench.run(1)


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut):
    await run_in_cocotb(dut, AccumulatorBench)
