"""Testbenches: a design, and what drives it and compares it with the golden model, on any simulator."""

import json
import os
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Generic, Self, TypeVar

from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from ...config import Experiment
from ...contract.results import Result
from ...random_experiment import random_experiment
from ...train.difference import DifferenceError
from ..benches.pins import AmaranthPins, CocotbPins
from ..benches.streams import PinBench

PARAMETERS = "SPINLOOM_TESTBENCH"
"""Environment variable that carries the case, as JSON, into a simulator's process."""
OUTCOME = "SPINLOOM_OUTCOME"
"""Environment variable that names the file in which that process leaves, as JSON, what ``exercise`` returned
(``returned``) or how golden model and design differ (``difference``)."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a run of a testbench depends on. The same case repeats it exactly."""

    experiment: Experiment
    seed: int = 0
    """Of stimuli and stalls."""
    stall: float = 0.3
    """Probability with which a stream's driver stalls, in each clock cycle."""
    samples: int = 20
    """Samples, or as many requests of a block."""
    traced: bool = False
    """Whether a network's write pulses are compared too."""

    @classmethod
    def random(cls, seed: int, layers: int | None = None, *, convolutions: bool = False, reads: bool = False,
               **fields: Any) -> Self:
        """A case with the random experiment number ``seed``, of ``layers``, with ``convolutions`` or several ``reads``
        in a clock cycle: see ``random_experiment``."""
        experiment = random_experiment(Random(seed), layers, convolutions=convolutions, reads=reads)
        return cls(experiment=experiment, seed=seed, **fields)

    def to_json(self) -> str:
        return json.dumps(vars(self) | {"experiment": self.experiment.model_dump(mode="json")})

    @classmethod
    def from_json(cls, text: str) -> Self:
        fields = json.loads(text)
        return cls(**fields | {"experiment": Experiment.model_validate(fields["experiment"])})


B = TypeVar("B")
R = TypeVar("R")


class CocotbTestbench(ABC, Generic[B, R]):
    """A design and its stimulus, on a bench of type ``B`` in cocotb. ``exercise`` returns an ``R``."""

    answer: ClassVar[type[Result] | None] = None
    """``R``, where ``exercise`` returns something: of plain fields, as it leaves the simulator's process as JSON."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.random = Random(case.seed)
        self.component = self.build()

    @abstractmethod
    def build(self) -> wiring.Component:
        """The design under test."""

    @abstractmethod
    async def connect(self, dut: Any) -> B:
        """Start clock and reset of the design in the cocotb top level ``dut``, and take hold of its ports."""

    @abstractmethod
    async def exercise(self, bench: B) -> R:
        """Drive the design and compare. ``DifferenceError`` at the first value that differs."""

    def read(self, document: Any) -> R:
        """What ``exercise`` returned, from its JSON."""
        return document if self.answer is None else self.answer(**document)  # type: ignore[return-value]  # it is R


class Testbench(CocotbTestbench[PinBench, R]):
    """A testbench on the pins of its design: it runs in Amaranth's simulator too."""

    async def connect(self, dut: Any) -> PinBench:
        inputs = ["__".join(map(str, path)) for path, member, _ in self.component.signature.flatten(self.component)
                  if member.flow is In]
        pins = CocotbPins(dut, inputs)
        await pins.start()
        return PinBench(pins, self.random, self.case.stall)

    def simulate(self) -> R:
        """Run in Amaranth's simulator, which builds nothing: for designs and runs that are small.

        Returns what ``exercise`` returned.
        """
        simulator = Simulator(self.component)
        simulator.add_clock(1e-8)
        returned: list[R] = []

        async def process(context: Any) -> None:
            pins = AmaranthPins(context, self.component)
            returned.append(await self.exercise(PinBench(pins, self.random, self.case.stall)))

        simulator.add_testbench(process)
        simulator.run()
        return returned[0]


async def run_in_cocotb(dut: Any, testbench: type[CocotbTestbench[Any, Any]], case: type[Case] = Case) -> None:
    """Run ``testbench`` on the cocotb top level ``dut``, as the environment tells."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    bench = testbench(case.from_json(os.environ[PARAMETERS]))
    outcome: dict[str, Any] = {}
    try:
        returned = await bench.exercise(await bench.connect(dut))
        outcome["returned"] = returned.to_json() if isinstance(returned, Result) else returned
    except DifferenceError as error:
        outcome["difference"] = vars(error.difference)
        raise
    finally:
        Path(os.environ[OUTCOME]).write_text(json.dumps(outcome), encoding="utf-8")


def _end_with_parent() -> None:
    """End this process, a simulator, when that which started it ends: standard input ends with it."""
    os.read(0, 1)
    os._exit(1)
