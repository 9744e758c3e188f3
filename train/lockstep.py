"""Training in lock-step: golden model and machine get the same samples, and must agree in every bit.

``Twins`` are the two of them. ``Lockstep`` trains them on a data set: it compares every prediction, compares the
complete state at checkpoints, stops in order, and continues from its last checkpoint.
"""

import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, Self, TypeVar, cast

import numpy as np
import torch
from tqdm import tqdm

from ..config import Experiment
from ..contract.errors import ConfigError, InterruptedRunError
from ..model.compiled.trainer import CompiledTrainer
from ..model.network import Network
from ..model.recorder import Recorder
from . import data, run_folder, state_file
from .difference import expect, expect_pulses, expect_state
from .host import HostTrainer
from .results import WearResult
from .run_folder import Record
from .trace import TraceWriter
from .wear import Wear

SPAN = 250
"""Samples between two comparisons of the predictions."""
CHECKPOINT_SECONDS = 60
"""Between two comparisons of the complete state, which are checkpoints too."""

State = dict[str, np.ndarray]
"""The complete state of a network, as `model.network.Network.state` returns it."""


class Machine(Protocol):
    """A network beside the golden model, in a simulator or on a board. `sim.driver.NetworkDriver` drives one.

    Samples are queued, trained on in order, and answered in order.
    """

    def submit(self, x: np.ndarray, label: int, learning_rate_shift: int, program: bool = True) -> None:
        """Queue a training sample ``x`` (inputs,). With ``program`` False the change is only accumulated."""

    def submit_program(self) -> None:
        """Queue the end of a mini-batch."""

    def submit_inference(self, x: np.ndarray) -> None:
        """Queue a sample ``x`` (inputs,) that is only classified."""

    async def prediction(self) -> int:
        """The prediction for the oldest sample not yet answered."""

    async def finish(self) -> None:
        """Wait until everything that was queued has been carried out."""

    async def apply(self, layer: int, dw: np.ndarray) -> None:
        """Add ``dw`` (rows, cols) to the residuals of ``layer``, and program every cell that reaches the threshold."""

    async def write(self, layer: int, states: np.ndarray) -> None:
        """Program-and-verify every cell of ``layer`` to the nominal state in ``states`` (rows, cols)."""

    async def load(self, state: State) -> None:
        """Replace the complete state."""

    async def state(self) -> State:
        """The complete state."""


class TracedMachine(Machine, Protocol):
    """A machine that tells its write pulses. `sim.driver.NetworkDriver` drives one, if the network is traced."""

    def pulses(self) -> list[np.ndarray]:
        """The write pulses of each layer since the last call, `PULSE` (n,). Samples are counted from its beginning on,
        cells from the first of their layer."""


class Trainer(Protocol):
    """Trains the golden model: `model.network.Network`, or `model.compiled.trainer.CompiledTrainer` for one."""

    def train_span(self, xs: torch.Tensor, labels: np.ndarray, order: np.ndarray, span: range,
                   learning_rate_shift: int) -> np.ndarray:
        """As `model.network.Network.train_span`."""


class Span(NamedTuple):
    """Samples of one epoch that follow one another."""

    order: np.ndarray
    """All samples of the epoch, in the order in which they are taken."""
    places: range
    """Those of the span, by their places in the order."""
    learning_rate_shift: int
    epoch: int = 0

    @property
    def chosen(self) -> np.ndarray:
        """The numbers of the samples."""
        return self.order[self.places.start:self.places.stop]


class Plan:
    """The samples of a run, epoch after epoch: ``total`` of them.

    With ``cut`` the last epoch ends with the last of them, and so does the last mini-batch. Otherwise a mini-batch that
    has begun then stays open.
    """

    def __init__(self, experiment: Experiment, samples: data.Samples, total: int, *, cut: bool = False) -> None:
        self.experiment = experiment
        self.xs = data.drive(samples.images, experiment.input.format)
        """The drives: integers (samples, inputs)."""
        self.labels = samples.labels.astype(np.int64)
        self.total = total
        self._cut = cut

    def spans(self, longest: int, first: int = 0) -> Iterator[Span]:
        """The samples from number ``first`` on, in spans of at most ``longest`` samples."""
        count = len(self.labels)
        while first < self.total:
            epoch, place = divmod(first, count)
            end = min(count, self.total - epoch * count)
            order = self.experiment.sample_order(epoch, count)[:end if self._cut else count]
            for start in range(place, end, longest):
                yield Span(order, range(start, min(start + longest, end)), self.experiment.learning_rate_shift(epoch),
                           epoch)
            first = epoch * count + end


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What it took to train on some samples."""

    samples: int = 0
    correct: int = 0
    """Samples that were predicted correctly before their update."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the machine: from the first sample queued until everything was done."""
    metered: int = 0
    """By how much the machine's meter has moved in that time."""
    cycles: int = 0
    stalls: int = 0
    """Clock cycles that the machine has counted, and those in which it waited for samples; 0 if it does not count."""
    bound_cycles: int = 0
    read_cycles: int = 0
    """See `model.network.Network`."""

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


class Twins:
    """The golden model and a machine, given the same operations.

    What is queued for the machine may be carried out at any time before the next ``catch_up`` or ``compare``.
    """

    def __init__(self, golden: Network, machine: Machine, *, trainer: Trainer | None = None, sample: int = 0,
                 meter: Callable[[], int] = lambda: 0, trace: Recorder | None = None) -> None:
        """``trainer`` trains the golden model in spans: the reference, unless told otherwise. ``sample`` is the number
        of the first sample, in messages. ``meter`` reads a number that grows as the machine works, such as its clock
        cycles. With ``trace``, write pulses are compared too, and go there; the machine must then be a
        ``TracedMachine``."""
        self.golden = golden
        self.machine = machine
        self._trainer: Trainer = golden if trainer is None else trainer
        self._samples = sample
        self._meter = meter
        self._expected: deque[int] = deque()
        self._trace = None if trace is None else _TraceComparison(golden, machine, trace, sample)

    @property
    def longest(self) -> int:
        """Most samples between two comparisons of what is predicted."""
        return SPAN

    def train(self, x: np.ndarray, label: int, learning_rate_shift: int, program: bool = True) -> None:
        """Train both on a sample ``x`` (inputs,)."""
        self.machine.submit(x, label, learning_rate_shift, program)
        self._expect(self.golden.train(torch.from_numpy(x), label, learning_rate_shift, program))

    def infer(self, x: np.ndarray) -> None:
        """Let both classify a sample ``x`` (inputs,)."""
        self.machine.submit_inference(x)
        self._expect(self.golden.infer(torch.from_numpy(x)))

    def program(self) -> None:
        """End a mini-batch on both."""
        self.machine.submit_program()
        self.golden.program()

    async def train_span(self, xs: torch.Tensor, labels: np.ndarray, span: Span, ahead: int = 0) -> Effort:
        """Train both on a span of the samples ``xs`` (samples, inputs) with ``labels`` (samples,).

        Up to ``ahead`` predictions are left to be compared later, so that the machine has samples waiting for it
        meanwhile. If it is 0, the machine has done everything at the end.
        """
        bound, reads = self.golden.bound_cycles, self.golden.read_cycles
        expected = self._trainer.train_span(xs, labels, span.order, span.places, span.learning_rate_shift)
        wall, cpu, meter = time.perf_counter(), time.process_time(), self._meter()
        cycles, stalls = await self._feed(xs, labels, span, expected)
        if not ahead:
            await self.machine.finish()
        effort = Effort(
            samples=len(span.places), correct=int((expected == labels[span.chosen]).sum()),
            seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu,
            metered=self._meter() - meter, cycles=cycles, stalls=stalls, bound_cycles=self.golden.bound_cycles - bound,
            read_cycles=self.golden.read_cycles - reads)
        await self.catch_up(ahead)
        return effort

    async def _feed(self, xs: torch.Tensor, labels: np.ndarray, span: Span, expected: np.ndarray) -> tuple[int, int]:
        """Let the machine train on ``span``, for which the golden model has predicted ``expected``. Returns the clock
        cycles and stalls that it has counted."""
        batch = self.golden.experiment.batch
        for place, sample, prediction in zip(span.places, span.chosen, expected.tolist(), strict=True):
            self.machine.submit(xs[sample].numpy(), int(labels[sample]), span.learning_rate_shift, batch == 1)
            self._expect(prediction)
            if batch > 1 and ((place + 1) % batch == 0 or place + 1 == len(span.order)):
                self.machine.submit_program()
        return 0, 0

    async def infer_span(self, xs: torch.Tensor, labels: np.ndarray, places: range, expected: np.ndarray) -> None:
        """Let the machine classify the samples at ``places`` of the test set ``xs`` (samples, inputs) with ``labels``
        (samples,), for all of which the golden model has predicted ``expected`` (samples,)."""
        for x in xs[places.start:places.stop]:
            self.machine.submit_inference(x.numpy())
        for sample in places:
            expect("inference", int(expected[sample]), await self.machine.prediction(), sample=sample)

    async def train_batch_by(self, host: HostTrainer, xs: torch.Tensor, labels: np.ndarray, span: Span) -> None:
        """Let ``host`` train both on the mini-batch ``span``. The machine classifies the samples that the golden model
        has classified, and both apply the increments of the host."""
        predictions, increments = host.increments(xs[span.chosen].to(torch.int64), labels[span.chosen],
                                                  span.learning_rate_shift)
        for sample, prediction in zip(span.chosen, predictions.tolist(), strict=True):
            self.machine.submit_inference(xs[sample].numpy())
            self._expect(prediction)
        await self.catch_up()
        if self._trace:
            self._trace.count_host(len(predictions))
        for layer, dw in enumerate(increments):
            await self.apply(layer, dw.numpy())

    def _expect(self, prediction: int) -> None:
        self._expected.append(prediction)
        self._samples += 1

    async def catch_up(self, leave: int = 0) -> None:
        """Compare the predictions for all samples but the last ``leave``. If it is 0, wait until the machine has done
        everything."""
        if not leave:
            await self.machine.finish()
        while len(self._expected) > leave:
            number = self._samples - len(self._expected)
            expect("prediction", self._expected.popleft(), await self.machine.prediction(), sample=number)
        if self._trace and not leave:
            self._trace.compare()

    async def apply(self, layer: int, dw: np.ndarray) -> None:
        """Add ``dw`` (rows, cols) to the residuals of ``layer`` of both."""
        self.golden.apply(layer, torch.from_numpy(dw))
        await self.machine.apply(layer, dw)
        if self._trace:
            self._trace.compare()

    async def write(self, layer: int, states: np.ndarray) -> None:
        """Program-and-verify ``layer`` of both to ``states`` (rows, cols)."""
        self.golden.crossbars[layer].write(torch.from_numpy(states))
        await self.machine.write(layer, states)
        if self._trace:
            self._trace.compare()

    async def load(self) -> None:
        """Bring the machine into the golden model's state."""
        await self.machine.load(self.golden.state())

    async def compare(self) -> State:
        """Compare the complete states, and return them."""
        expected, actual = self.golden.state(), await self.machine.state()
        for layer in range(len(self.golden.crossbars)):
            expect_state(expected, actual, layer, f"layer{layer}_", sample=self._samples)
        return actual


class _TraceComparison:
    """Compares the write pulses of both, layer by layer, as the machine's layers work side by side. Those of the
    machine go to ``trace``, in the order of the golden model."""

    def __init__(self, golden: Network, machine: Machine, trace: Recorder, sample: int) -> None:
        """``sample`` samples have been trained before."""
        self._golden, self._machine, self._trace = golden, cast(TracedMachine, machine), trace
        self._recorder, self._before = golden.record(), sample
        self._recorder.sample = sample

    def count_host(self, samples: int) -> None:
        """A host trains on so many more samples; the machine has only classified them."""
        self._recorder.next_samples(samples)
        self._before += samples

    def compare(self) -> None:
        """Compare what there is. The machine has done everything."""
        pulses = self._recorder.take()
        for layer, (crossbar, actual) in enumerate(zip(self._golden.crossbars, self._machine.pulses(), strict=True)):
            first, count = crossbar.first, crossbar.pulses.numel()
            actual["cell"] += first
            actual["sample"] += self._before
            ours = (pulses["cell"] >= first) & (pulses["cell"] < first + count)
            expect_pulses(pulses[ours], actual, layer, first, crossbar.geometry.cols)
            pulses[ours] = actual
        self._trace.extend(pulses)


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a run has come. Subclasses add what else a run counts up; all of it is in the checkpoints."""

    sample: int = 0
    """Samples trained, over all epochs."""
    correct: int = 0
    """Of those, predicted correctly before their update."""

    def after(self, effort: Effort) -> Self:
        """The position when that has been done too."""
        return replace(self, sample=self.sample + effort.samples, correct=self.correct + effort.correct)


P = TypeVar("P", bound=Position)


@dataclass(frozen=True)
class Proven(Generic[P]):
    """What the machine is known to have been in at some moment: a state that was compared, or the one to start from."""

    state: State
    position: P
    pulses: State
    """The write pulses of the golden model's cells, as `Wear.state` returns them. The machine does not know them."""


class Lockstep(Generic[P]):
    """Trains the golden model, compiled, and a machine as planned. The checkpoints are ``checkpoint.npz`` in the run
    folder ``folder``.

    ``start`` gives it a machine, and gives it another one if that has lost its state.
    """

    def __init__(self, plan: Plan, folder: Path, record: Record, position: P) -> None:
        """``record`` is what the folder says of the run. ``position`` is that of a run that has not begun."""
        self.plan = plan
        self.folder = folder
        self.record = record
        self.golden = Network(plan.experiment)
        self.position = position
        """Of the last prediction that was compared."""
        self._wear = Wear(self.golden)
        self.proven = self._proven(self.golden.state())
        self.effort = Effort()
        """Of all training here, that which was lost with a machine included."""
        self._trainer: Trainer = CompiledTrainer(self.golden)
        self._trace = TraceWriter(folder, record, Recorder()) if record.traced else None
        self._twins: Twins

    def resume(self) -> None:
        """Go to the last checkpoint, if there is one. ``ConfigError`` if it is not of this run."""
        if run_folder.has_state(self.folder, resume=True):
            self.position = read_checkpoint(self.folder, self.record, self.golden, self.plan.total, type(self.position))
            run_folder.read_state(self.folder, self.record, self._wear, *([self._trace] if self._trace else []))
            self.proven = self._proven(self.golden.state())

    @property
    def wear(self) -> WearResult | None:
        """The write pulses of the golden model's cells. None if an earlier version began the run."""
        return self._wear.result

    @property
    def traced(self) -> int | None:
        """Write pulses in the trace. None if there is none."""
        return self._trace.written if self._trace else None

    @property
    def ended(self) -> bool:
        """Whether all samples are trained and the states were equal in the end."""
        return self.proven.position.sample == self.plan.total

    def _proven(self, state: State) -> Proven[P]:
        """The ``state`` at the present position."""
        return Proven(state, self.position, self._wear.state())

    async def start(self, machine: Machine, meter: Callable[[], int] = lambda: 0,
                    twins: Callable[..., Twins] = Twins) -> None:
        """Bring ``machine`` and golden model, the ``twins``, into the state that is proven. ``meter`` is as in
        ``Twins``."""
        self.position = self.proven.position
        self._twins = twins(self.golden, machine, trainer=self._trainer, sample=self.position.sample, meter=meter,
                            trace=self._trace and self._trace.recorder)
        if self._trace and not self.position.sample:
            self._trace.begin()
        self.golden.load(self.proven.state)
        self._wear.load(self.proven.pulses)
        await machine.load(self.proven.state)

    async def train(self, stop: threading.Event, bar: tqdm) -> None:
        """Train both to the end. ``DifferenceError`` at the first difference. ``InterruptedRunError`` once ``stop`` is
        set; all that was trained is then in the checkpoint."""
        total, saved = self.plan.total, time.monotonic()
        for span in self.plan.spans(self._twins.longest, self.position.sample):
            effort = await self._twins.train_span(self.plan.xs, self.plan.labels, span)
            self.effort += effort
            self.position = self.position.after(effort)
            bar.update(effort.samples)
            ended = self.position.sample == total
            if stop.is_set() or time.monotonic() - saved > CHECKPOINT_SECONDS or ended:
                self.proven = self._proven(await self._twins.compare())
                self.save()
                saved = time.monotonic()
            if stop.is_set():
                raise InterruptedRunError(f"interrupted after {self.position.sample} of {total} samples; "
                                          "continue with --resume")

    def save(self) -> None:
        """Write what is proven to the checkpoint."""
        state = self.proven.state | self.proven.pulses | (self._trace.state() if self._trace else {})
        write_checkpoint(self.folder, self.record, state, self.proven.position)

    def finish(self) -> None:
        """Let the last checkpoint be the state that the run leaves, ``state.npz``."""
        if (self.folder / run_folder.CHECKPOINT).exists():
            os.replace(self.folder / run_folder.CHECKPOINT, self.folder / run_folder.STATE)

    async def evaluate(self, xs: torch.Tensor, labels: np.ndarray, stop: threading.Event, bar: tqdm) -> float:
        """The accuracy, in percent, of the machine's answers to the test samples ``xs`` (samples, inputs), which are
        compared with the golden model's. ``InterruptedRunError`` once ``stop`` is set."""
        longest, expected = self._twins.longest, self.golden.predict(xs).numpy()
        for first in range(0, len(xs), longest):
            places = range(first, min(first + longest, len(xs)))
            await self._twins.infer_span(xs, labels, places, expected)
            bar.update(len(places))
            if stop.is_set():
                raise InterruptedRunError("interrupted in the evaluation; continue with --resume")
        return 100 * float((expected == labels).mean())


def digest(state: State) -> str:
    """SHA-256 of a network's complete state: of the bytes, little endian and row-major, of the arrays in the order of
    their names."""
    hashed = hashlib.sha256()
    for name in sorted(state):
        array = state[name]
        hashed.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return hashed.hexdigest()


def write_checkpoint(folder: Path, record: Record, state: State, position: Position) -> None:
    """Replace the checkpoint in ``folder`` by the state and position of the run of ``record``."""
    arrays = state | {"experiment": np.array(record.began.model_dump_json())}
    arrays |= {name: np.array(value, dtype=np.int64) for name, value in asdict(position).items()}
    state_file.write_arrays(folder / run_folder.CHECKPOINT, arrays, record.digest)


def read_checkpoint(folder: Path, record: Record, golden: Network, total: int, kind: type[P]) -> P:
    """Load the last state in ``folder`` into ``golden``; returns the position in a run of ``total`` samples, which is a
    ``kind``. ``ConfigError`` if it is not a checkpoint of the run of ``record``."""
    path = run_folder.state_path(folder)
    arrays = run_folder.read_bound(path, record)
    position = kind(**{field.name: state_file.integer(path, arrays, field.name) for field in fields(kind)})
    if not 0 <= position.correct <= position.sample <= total:
        raise ConfigError(f"{path}: cannot be loaded: {position.correct} of {position.sample} samples, in a run of "
                          f"{total}: there is no such position")
    run_folder.load_into(path, arrays, golden)
    return position
