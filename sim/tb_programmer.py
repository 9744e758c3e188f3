"""Testbench of ``hw.programmer.StochasticProgrammer`` against ``model.programmer.StochasticProgrammer``."""

import cocotb
import torch

from ..hw.programmer import StochasticProgrammer
from ..hw.signatures import cell_layout, event_layout, position_layout, replacement_layout
from ..model.lfsr import Lfsr
from ..model.programmer import StochasticProgrammer as GoldenProgrammer
from .difference import expect
from .packing import Packing
from .streams import Bench
from .testbench import Testbench, run_in_cocotb


class ProgrammerBench(Testbench):
    """Events for random cells: residuals beyond the threshold, and program-and-verify."""

    def build(self) -> StochasticProgrammer:
        self.geometry = self.parameters.experiment.crossbars[-1]
        return StochasticProgrammer(geometry=self.geometry)

    def random_cell(self, golden: GoldenProgrammer) -> dict[str, int]:
        """A cell whose residual has reached the threshold and is not bounded."""
        geometry, random = self.geometry, self.random
        g_limit, limit, threshold = 1 << geometry.device.g_bits - 1, 1 << geometry.chi_bits - 1, geometry.threshold
        while True:
            g = random.randrange(-g_limit, g_limit)
            chi = random.choice((-1, 1)) * random.choice((threshold, limit - 1, random.randrange(threshold, limit)))
            if random.random() < 0.1:
                chi = -limit
            if int(golden.bound(torch.tensor(chi), torch.tensor(g))) == chi:
                return {"g": g, "chi": chi}

    async def exercise(self, bench: Bench):
        geometry, random, pins = self.geometry, self.random, bench.pins
        lfsr = Lfsr(random.randrange(1, 1 << 32))
        golden = GoldenProgrammer(geometry, lfsr)
        event = bench.source("event", event_layout(geometry))
        fetch, replace = (bench.sink(name, layout(geometry))
                          for name, layout in (("fetch", position_layout), ("replace", replacement_layout)))
        cells = Packing(cell_layout(geometry))
        pins.set("lfsr_state", lfsr.state)
        pins.set("lfsr_load", 1)
        await bench.run(1)
        pins.set("lfsr_load", 0)
        await bench.run(1)
        counts = dict.fromkeys(("attempt", "failure"), 0)

        def count(cycle: int):
            for name in counts:
                counts[name] += pins.get(name)

        bench.agent(count)
        attempts = failures = 0
        for number in range(self.parameters.samples):
            cell, write = self.random_cell(golden), random.random() < 0.4
            state = random.randrange(geometry.device.states)
            position = {"address": random.randrange(geometry.rows * geometry.folds),
                        "lane": random.randrange(geometry.lanes)}
            event.put({"position": position, "write": write, "state": state})
            await bench.until(lambda: len(fetch) > 0)
            expect("fetch", position, fetch.take(), sample=number)
            await bench.run(random.randrange(4))
            pins.set("cell", cells.pack(cell))
            pins.set("fetched", 1)
            await bench.run(1)
            pins.set("fetched", 0)
            pins.set("cell", 0)
            g, chi = torch.tensor([cell["g"]]), torch.tensor([cell["chi"]])
            if write:
                g, tries = golden.write(g, torch.tensor([state]))
                attempts += int(tries)
                goal = geometry.device.origin + (state << geometry.device.sub_bits)
                failures += abs(int(g) - goal) > geometry.margin
            else:
                g, chi = golden.program(g, chi)
                attempts += 1
            await bench.until(lambda: len(replace) > 0)
            expect("write" if write else "program",
                   {"position": position, "cell": {"chi": int(chi), "g": int(g)}}, replace.take(), sample=number)
            await bench.until(lambda: pins.get("idle"))
            expect("lfsr", lfsr.state, pins.get("lfsr"), sample=number)
        expect("events", {"attempt": attempts, "failure": failures}, counts)


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut):
    await run_in_cocotb(dut, ProgrammerBench)
