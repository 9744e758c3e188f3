"""Testbench of ``hw.crossbar.accumulator.GradientAccumulator`` against ``model.accumulator.GradientAccumulator``."""

from collections import deque
from typing import Any

import cocotb
import torch
from amaranth.lib import data

from ...hw.crossbar.accumulator import GradientAccumulator
from ...hw.crossbar.layouts import slot_layout, word_layout
from ...hw.crossbar.timing import ADDRESS, HOLD, READ, write_back
from ...model.accumulator import GradientAccumulator as GoldenAccumulator
from ...model.lfsr import Lfsr
from ...train.difference import expect
from ..benches.packing import Packing
from ..benches.streams import PinBench
from ..reconfigure import configure, reconfigured
from .testbench import Testbench, run_in_cocotb


class AccumulatorBench(Testbench[None]):
    """Random slots, one in a clock cycle where ``stall`` allows: updates, at several positions where there are any;
    words of increments, assembled and applied; visits of words, for cells that have reached the threshold; single cells
    replaced, also between the positions of an update; words read. Half of them come after all parameters have been
    replaced."""

    kinds: tuple[str, ...] = ("update", "fire", "override", "apply", "read")
    """Of slots."""

    def build(self) -> GradientAccumulator:
        self.geometry = max(self.case.experiment.crossbars, key=lambda geometry: (not geometry.plain, geometry.index))
        self.lowest = -(1 << self.geometry.chi_bits - 1)
        self.blank = _zeros(slot_layout(self.geometry))
        return GradientAccumulator(geometry=self.geometry)

    def random_slots(self, address: int, *kinds: str) -> list[dict]:
        """A slot for a word, of one of ``kinds``, with every field, after those that must come before it."""
        random, geometry = self.random, self.geometry
        fold, row = divmod(address, geometry.rows)
        kind = random.choice(kinds)
        slot = self.blank | {
            "address": address, "row": row, "fold": fold, "x": self.random_x(),
            "update": kind == "update", "fire": kind in ("fire", "apply") or kind == "update" and random.random() < 0.5,
            "apply": kind == "apply", "write": kind != "read", "override": kind == "override",
            "cell": self.random_cell(), "lane": random.randrange(geometry.lanes),
        }
        if kind == "update" and not geometry.plain:
            drives = [self.random_x() for _ in range(random.randint(1, min(5, geometry.positions)))]
            parts = [slot | {"x": x, "rows": [self.blank["rows"][0] | {"x": x}], "first": part == 0, "write": 0,
                             "fire": 0} for part, x in enumerate(drives)]
            parts[-1] |= {"write": 1, "fire": slot["fire"]}
            return parts
        if kind != "apply":
            return [slot]
        return [self.blank | {"override": 1, "assemble": 1, "lane": lane, "cell": self.random_cell()}
                for lane in range(geometry.lanes)] + [slot]

    def random_x(self) -> int:
        return self.random.randint(self.geometry.x.minimum, self.geometry.x.maximum)

    def random_delta(self) -> int:
        lowest = -1 << self.geometry.delta_bits - 1
        return self.random.choice((lowest, -lowest - 1, self.random.randrange(lowest, -lowest)))

    def random_cell(self) -> dict:
        chi = self.random.choice((self.lowest, -self.lowest - 1, self.random.randrange(self.lowest, -self.lowest)))
        return self.blank["cell"] | {"chi": chi}

    def visit(self, golden: GoldenAccumulator, word: torch.Tensor, g: torch.Tensor) -> int:
        """Visit the cells of ``word`` (lanes,). Returns a mask of those to program."""
        if golden.rounder is not None:
            word.copy_(golden.rounder.round(word[None])[0])
        word.copy_(golden.bound(word, g))
        fired = word.abs() >= golden.geometry.threshold
        if self.geometry.residual == "none":
            word[~fired] = 0
        return sum(int(lane) << place for place, lane in enumerate(fired))

    async def exercise(self, bench: PinBench) -> None:
        geometry, random, pins = self.geometry, self.random, bench.pins
        rate = random.randint(*geometry.learning_rate_shifts)
        lfsr = Lfsr(1)
        golden = GoldenAccumulator(geometry, lfsr)
        pins.set("boost", geometry.learning_rate_shifts[1] - rate)
        if golden.rounder is not None:
            lfsr.state = random.randrange(1, 1 << 32)
            pins.set("lfsr_state", lfsr.state)
            pins.set("lfsr_load", 1)
            await bench.run(1)
            pins.set("lfsr_load", 0)
            await bench.run(geometry.lanes + 2)
        await self.serve(bench, golden, rate)
        wanted = reconfigured(random, geometry)
        await configure(bench, geometry, wanted)
        other = GoldenAccumulator(wanted, lfsr)
        other.chi.copy_(golden.chi)
        await self.serve(bench, other, rate)
        if golden.rounder is not None:
            expect("lfsr", lfsr.state, pins.get("lfsr"))

    async def serve(self, bench: PinBench, golden: GoldenAccumulator, rate: int) -> None:
        """Half of all slots, for the design and for ``golden``."""
        geometry, random, pins, lanes = self.geometry, self.random, bench.pins, self.geometry.lanes
        done = write_back(geometry) + 1
        visible = done - ADDRESS
        slots, address_of = Packing(slot_layout(geometry)), Packing(word_layout(geometry))
        words = {name: Packing(getattr(self.component, name).shape()) for name in ("delta", "g", "chi")}
        due: dict[int, list] = {}  # by clock cycle, what the design must answer with then
        operands: dict[int, dict] = {}
        touched: dict[int, int] = {}
        taken: set[int] = set()  # clock cycles in which the one port of the memory writes
        queued: deque[dict] = deque()
        increments: list[int] = []
        products: list[tuple[int, torch.Tensor]] = []  # of the update under way: drive and deltas
        left, held = 10 * self.case.samples, 0  # `held`: the last clock cycle without another `override`

        while left or queued or due:
            for name, expected in due.pop(bench.cycle, []):
                actual = words["chi"].unpack(pins.get(name)) if name == "chi" else pins.get(name)
                expect(name, expected, actual, sample=left)
            for name, value in operands.pop(bench.cycle, {}).items():
                pins.set(name, words[name].pack(value))
            slot, clock = self.blank, bench.cycle + 1  # what is set now is seen in the next cycle
            address = random.randrange(geometry.rows * geometry.folds)
            if left and not queued and clock - touched.get(address, -visible) >= visible:
                queued.extend(self.random_slots(address, *self.kinds))
                left -= 1
            elif (products and clock > held and clock - touched.get(address, -visible) >= visible
                  and queued[0]["update"] and address != queued[0]["address"] and random.random() < 0.3):
                queued.extendleft(self.random_slots(address, "override"))
            ready = queued and clock not in taken and (clock > held or not queued[0]["override"])
            if ready and random.random() >= self.case.stall:
                slot = queued.popleft()
                if slot["override"]:
                    held = clock + HOLD
                if slot["write"] and geometry.ports == 1:
                    taken.add(clock + visible - 1)
            if slot is not self.blank and not slot["assemble"]:
                address = slot["address"]
                touched[address] = clock
                delta = [self.random_delta() for _ in range(lanes)]
                g = [random.randrange(-(1 << geometry.device.g_bits - 1), 1 << geometry.device.g_bits - 1)
                     for _ in range(lanes)]
                operands[clock + READ - 1] = {"delta": delta, "g": g}
                fold, row = divmod(address, geometry.rows)
                first = fold * lanes
                word = golden.chi[row, first:first + lanes]
                due.setdefault(clock + READ, []).append(("chi", word.tolist()))
                if slot["update"]:
                    d = torch.zeros(geometry.cols, dtype=torch.int64)
                    d[first:first + lanes] = torch.tensor(delta)
                    products.append((slot["x"], d))
                    if slot["write"]:
                        xs, ds = zip(*products, strict=True)
                        golden.accumulate(torch.tensor([row]), torch.tensor(xs)[:, None], torch.stack(ds), rate)
                        products.clear()
                if slot["apply"]:
                    dw = torch.zeros(1, geometry.cols, dtype=torch.int32)
                    dw[0, first:first + lanes] = torch.tensor(increments)
                    golden.add(torch.tensor([row]), dw)
                    increments.clear()
                answer = [("done", int(slot["fire"]))]
                if slot["fire"]:
                    place = {name: slot[name] for name, _ in word_layout(geometry)}
                    answer += [("word", address_of.pack(place)), ("fired", self.visit(golden, word, torch.tensor(g)))]
                if slot["override"]:
                    word[slot["lane"]] = slot["cell"]["chi"]
                due.setdefault(clock + done, []).extend(answer)
            elif slot["assemble"]:
                increments.append(slot["cell"]["chi"])
            pins.set("slot", slots.pack(slot))
            await bench.run(1)


def _zeros(shape: Any) -> Any:
    if isinstance(shape, data.StructLayout):
        return {name: _zeros(field.shape) for name, field in shape}
    return [_zeros(shape.elem_shape)] * shape.length if isinstance(shape, data.ArrayLayout) else 0


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, AccumulatorBench)
