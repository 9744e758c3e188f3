"""Testbench of ``hw.pooling.Pooling`` against docs/arithmetic.md 5.1."""

from typing import Any

import cocotb

from ...contract.geometry import CrossbarGeometry
from ...hw.crossbar.layouts import conversion_layout, delta_layout, position_delta_layout
from ...hw.pooling import Pooling
from ...train.difference import expect
from ..benches.streams import PinBench
from .tb_neuron import conversions, random_z
from .testbench import Testbench, run_in_cocotb


def pooled(geometry: CrossbarGeometry, z: list[int]) -> tuple[list[int], list[int]]:
    """The outputs of the pooled map, and the position of the winner of each, for the outputs ``z`` of all positions."""
    cols = geometry.cols
    winners = [max(positions, key=lambda position: z[position * cols + col])  # the first of equals
               for positions in geometry.window.pool_windows for col in range(cols)]
    return [z[winner * cols + cell % cols] for cell, winner in enumerate(winners)], winners


class PoolingBench(Testbench[None]):
    """Random outputs of the first layer through its pooling, and random deltas back."""

    deltas = 1
    """Deltas of a beat."""

    def build(self) -> Pooling:
        self.geometry = self.case.experiment.crossbars[0]
        return Pooling(geometry=self.geometry, deltas=self.deltas)

    def random_deltas(self) -> list[dict[str, Any]]:
        """The beats of deltas of one sample, of a random density."""
        high = (1 << self.geometry.delta_bits - 1) - 1
        count = self.geometry.window.pooled_cells // self.deltas
        sent = sorted(self.random.sample(range(count), self.random.choice((1, self.random.randint(1, count), count))))
        return [{"col": number * self.deltas,
                 "delta": [self.random.choice((0, -high - 1, high, self.random.randint(-high, high)))
                           for _ in range(self.deltas)],
                 "last": number == sent[-1]} for number in sent]

    async def exercise(self, bench: PinBench) -> None:
        geometry = self.geometry
        z, maps = bench.source("z", conversion_layout(geometry)), bench.sink("pooled_z", conversion_layout(geometry))
        deltas = bench.source("pooled_d", delta_layout(geometry, self.deltas))
        d = bench.sink("d", position_delta_layout(geometry))
        for number in range(self.case.samples):
            # The next outputs come while the deltas before are still on their way through.
            outputs = random_z(self.random, geometry, geometry.positions * geometry.cols)
            z.put_all(conversions(geometry, outputs))
            largest, winners = pooled(geometry, outputs)
            for beat in conversions(geometry, largest):
                await bench.until(lambda: len(maps) > 0)
                expect("pooling", beat, maps.take(), sample=number, layer=geometry.index)
            if self.random.random() < 0.3:  # a sample that does not train
                continue
            beats = self.random_deltas()
            deltas.put_all(beats)
            await bench.until(lambda: deltas.idle)
            for beat in beats:
                for place, delta in enumerate(beat["delta"]):
                    cell = beat["col"] + place
                    await bench.until(lambda: len(d) > 0)
                    expect("pooling, back", {"position": winners[cell], "col": cell % geometry.cols, "delta": delta,
                                             "last": beat["last"] and place == self.deltas - 1},
                           d.take(), sample=number, layer=geometry.index, col=cell)
        await bench.run(20)
        expect("pooling, beats too many", [], maps.take_all() + d.take_all())


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, PoolingBench)
