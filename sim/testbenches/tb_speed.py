"""Testbench that measures how fast a network trains in a simulator."""

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np

from ...hw.network import Network
from ...train import data
from ..benches.streams import PinBench
from ..speed import RtlSpeed, measure
from .testbench import Case, Testbench, run_in_cocotb


@dataclass(frozen=True, kw_only=True)
class SpeedCase(Case):
    """Also says how many samples the golden model trains on before."""

    pretrained: int = 0


class SpeedBench(Testbench[RtlSpeed]):
    """Measures on the packaged digits, or another data set that is found without being told where."""

    answer = RtlSpeed
    case: SpeedCase

    def build(self) -> Network:
        experiment = self.case.experiment
        return Network(geometries=experiment.crossbars, loss=experiment.loss)

    async def exercise(self, bench: PinBench) -> RtlSpeed:
        case, experiment = self.case, self.case.experiment
        train = data.load(experiment).train
        xs, labels = data.drive(train.images, experiment.input.format), train.labels.astype(np.int64)
        return (await measure(bench, experiment, xs, labels, [case.pretrained], case.samples))[0]


@cocotb.test
async def trains_as_the_golden_model(dut: Any) -> None:
    await run_in_cocotb(dut, SpeedBench, SpeedCase)
