"""Testbenches: a design, and what drives it and compares it with the golden model, on any simulator."""

import json
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from random import Random

from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from ...config import Experiment
from ...random_experiment import random_experiment
from ...train.difference import DifferenceError
from ..pins import AmaranthPins, CocotbPins
from ..streams import Bench

PARAMETERS = "SPINLOOM_TESTBENCH"
"""Environment variable that carries the parameters, as JSON, into a simulator's process."""
OUTCOME = "SPINLOOM_OUTCOME"
"""Environment variable that names the file in which that process leaves, as JSON, what ``exercise`` returned
(``returned``) or how golden model and design differ (``difference``)."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a run of a testbench depends on; the same parameters repeat it exactly."""

    experiment: Experiment
    seed: int = 0
    """Of stimuli and stalls."""
    stall: float = 0.3
    """Probability with which a stream's driver stalls, a cycle."""
    samples: int = 20
    """Samples, or as many requests of a block."""

    @classmethod
    def random(cls, seed: int, layers: int | None = None, **fields) -> "Case":
        """Case with the random experiment number ``seed``."""
        return cls(experiment=random_experiment(Random(seed), layers), seed=seed, **fields)

    def to_json(self) -> str:
        return json.dumps(vars(self) | {"experiment": self.experiment.model_dump(mode="json")})

    @classmethod
    def from_json(cls, text: str) -> "Case":
        fields = json.loads(text)
        return cls(**fields | {"experiment": Experiment.model_validate(fields["experiment"])})


class Testbench(ABC):
    """A design and its stimulus."""

    def __init__(self, parameters: Case) -> None:
        self.case = parameters
        self.random = Random(parameters.seed)
        self.component = self.build()

    @abstractmethod
    def build(self) -> wiring.Component:
        """The design under test."""

    @abstractmethod
    async def exercise(self, bench: Bench):
        """Drive the design and compare; ``DifferenceError`` at the first value that differs.

        May return anything that JSON can carry.
        """

    async def connect(self, dut) -> Bench:
        """Start clock and reset of the design in the cocotb top level ``dut``, and take hold of its ports."""
        inputs = ["__".join(map(str, path)) for path, member, _ in self.component.signature.flatten(self.component)
                  if member.flow is In]
        pins = CocotbPins(dut, inputs)
        await pins.start()
        return Bench(pins, self.random, self.case.stall)

    def simulate(self):
        """Run in Amaranth's simulator, which builds nothing: for designs and runs that are small.

        Returns what ``exercise`` returned.
        """
        simulator = Simulator(self.component)
        simulator.add_clock(1e-8)
        returned = []

        async def process(context) -> None:
            pins = AmaranthPins(context, self.component)
            returned.append(await self.exercise(Bench(pins, self.random, self.case.stall)))

        simulator.add_testbench(process)
        simulator.run()
        return returned[0]


async def run_in_cocotb(dut, testbench: type[Testbench], parameters: type[Case] = Case) -> None:
    """Run ``testbench`` on the cocotb top level ``dut``, as the environment tells."""
    bench = testbench(parameters.from_json(os.environ[PARAMETERS]))
    outcome = {}
    try:
        outcome["returned"] = await bench.exercise(await bench.connect(dut))
    except DifferenceError as error:
        outcome["difference"] = vars(error.difference)
        raise
    finally:
        Path(os.environ[OUTCOME]).write_text(json.dumps(outcome), encoding="utf-8")
