"""Lock-step with a machine in Python: what is trained, what is compared, and how a run stops and continues."""

import asyncio
import threading
from collections import deque

import numpy as np
import pytest
import torch
from spinloom.config import Experiment, parse
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.model.network import Network
from spinloom.model.recorder import Recorder
from spinloom.system.progress import bar
from spinloom.train import data, lockstep, run_folder
from spinloom.train.difference import DifferenceError
from spinloom.train.host import HostTrainer
from spinloom.train.identity import Identity
from spinloom.train.lockstep import Lockstep, Plan, Position, Twins, digest
from spinloom.train.results import DataRecord
from spinloom.train.trace import Trace
from spinloom.train.wear import wear

COUNT, INPUTS = 20, 6


def small(**fields) -> Experiment:
    return parse({"input": {"count": INPUTS}, "device": {"kind": "domain_wall", "sigma": 0.2}, "epochs": 2,
                  "learning_rate_shifts": [2, 3], "update": {"threshold": 0.25},
                  "layers": [{"cols": 4, "neuron": "relu", "weight_step": -1, "z_frac": 6},
                             {"cols": 3, "z_frac": 4}]} | fields, "small")


def samples() -> data.Samples:
    random = np.random.default_rng(1)
    return data.Samples(random.integers(0, 256, (COUNT, INPUTS)).astype(np.uint8), random.integers(0, 3, COUNT))


class ModelMachine:
    """A machine that is the golden model once more. ``faulty`` is the number of a sample that it gets wrong."""

    def __init__(self, experiment: Experiment, faulty: int | None = None):
        self.network = Network(experiment)
        self.faulty, self.answered = faulty, 0
        self.answers: deque[int] = deque()
        self.operations: list[str] = []

    def submit(self, x, label, learning_rate_shift, program=True):
        self.operations.append("train")
        self.answers.append(self.network.train(torch.from_numpy(x), label, learning_rate_shift, program))

    def submit_inference(self, x):
        self.operations.append("infer")
        self.answers.append(self.network.infer(torch.from_numpy(x)))

    def submit_program(self):
        self.operations.append("program")
        self.network.program()

    async def prediction(self):
        self.answered += 1
        return self.answers.popleft() + (self.answered - 1 == self.faulty)

    async def finish(self):
        self.operations.append("finish")

    async def apply(self, layer, dw):
        self.network.apply(layer, torch.from_numpy(dw))

    async def write(self, layer, states):
        self.network.crossbars[layer].write(torch.from_numpy(states))

    async def load(self, state):
        self.network.load(state)

    async def state(self):
        return self.network.state()


class TracedModelMachine(ModelMachine):
    """It also tells its write pulses. ``wrong`` is the number of one that it gets wrong."""

    def __init__(self, experiment: Experiment, wrong: int | None = None):
        super().__init__(experiment)
        self.recorder, self.wrong, self.told = self.network.record(), wrong, 0

    def pulses(self):
        every = self.recorder.take()
        if self.wrong is not None and self.told <= self.wrong < self.told + len(every):
            every["after"][self.wrong - self.told] += 1
        self.told += len(every)
        layers = []
        for crossbar in self.network.crossbars:
            first = crossbar.first
            layer = every[(every["cell"] >= first) & (every["cell"] < first + crossbar.g.numel())]
            layer["cell"] -= first
            layers.append(layer)
        return layers


def dataset() -> data.Dataset:
    record = DataRecord(name="made up", known=None, sha256="0", train=COUNT, test=COUNT)
    return data.Dataset(samples(), samples(), record)


def lockstep_of(folder, experiment: Experiment, resume=False, total=2 * COUNT, traced=False) -> Lockstep:
    identity = Identity.of("epoch", experiment, dataset(), samples=total)
    record = run_folder.read_record(folder) if resume else run_folder.create(folder, identity, traced=traced)
    return Lockstep(Plan(experiment, samples(), total), folder, record, Position())


def train(folder, experiment: Experiment, machine: ModelMachine, stop=None, resume=False, total=2 * COUNT) -> Lockstep:
    run = lockstep_of(folder, experiment, resume, total, isinstance(machine, TracedModelMachine))
    if resume:
        run.resume()

    async def both():
        await run.start(machine)
        with bar(show=False) as shown:
            await run.train(stop or threading.Event(), shown)

    asyncio.run(both())
    return run


@pytest.mark.parametrize(("batch", "order"), [(1, "hashed"), (3, "hashed"), (1, "permuted")])
def test_both_train_as_planned(tmp_path, batch, order):
    experiment = small(batch=batch, order=order)
    machine = ModelMachine(experiment)
    run = train(tmp_path, experiment, machine)
    alone, plan = Network(experiment), run.plan
    correct = 0
    for epoch in range(2):
        order = experiment.sample_order(epoch, COUNT)
        predictions = alone.train_span(plan.xs, plan.labels, order, range(COUNT), experiment.learning_rate_shift(epoch))
        correct += int((predictions == plan.labels[order]).sum())
    assert digest(run.proven.state) == digest(alone.state()) == digest(machine.network.state())
    assert run.position == run.proven.position == Position(sample=2 * COUNT, correct=correct)
    assert run.effort.samples == 2 * COUNT
    assert run.effort.bound_cycles == alone.bound_cycles
    assert run.wear == wear([crossbar.pulses.numpy() for crossbar in alone.crossbars])


@pytest.mark.parametrize(("cut", "programs"), [(False, 2), (True, 3)])
def test_a_plan_may_cut_the_last_mini_batch(cut, programs):
    experiment = small(batch=5)
    machine = ModelMachine(experiment)
    twins = Twins(Network(experiment), machine)
    plan = Plan(experiment, samples(), 13, cut=cut)

    async def both():
        for span in plan.spans(4):
            assert len(span.chosen) <= 4
            await twins.train_span(plan.xs, plan.labels, span)
        return await twins.compare()

    asyncio.run(both())
    assert machine.operations.count("train") == 13
    assert machine.operations.count("program") == programs


def test_samples_wait_in_front_of_the_machine():
    experiment = small()
    machine, plan = ModelMachine(experiment), Plan(experiment, samples(), COUNT)
    twins = Twins(Network(experiment), machine)

    async def both():
        for span in plan.spans(1):
            await twins.train_span(plan.xs, plan.labels, span, ahead=3)
        assert len(machine.answers) == 3
        await twins.catch_up()

    asyncio.run(both())
    assert machine.operations == ["train"] * COUNT + ["finish"]
    assert not machine.answers


def test_write_pulses_are_compared_and_kept(tmp_path, monkeypatch):
    experiment, torn, stop = small(), tmp_path / "torn", threading.Event()
    train(tmp_path / "whole", experiment, TracedModelMachine(experiment)).finish()
    alone, plan = Network(experiment), Plan(experiment, samples(), 2 * COUNT)
    recorder = alone.record()
    for span in plan.spans(COUNT):
        alone.train_span(plan.xs, plan.labels, span.order, span.places, span.learning_rate_shift)
    expected = recorder.take().tolist()
    assert Trace.of(tmp_path / "whole").pulses.tolist() == expected
    assert len(expected) > 50

    stop.set()
    monkeypatch.setattr(lockstep, "SPAN", 16)
    with pytest.raises(InterruptedRunError):
        train(torn, experiment, TracedModelMachine(experiment), stop)
    assert Trace.of(torn).pulses.tolist() == [pulse for pulse in expected if pulse[0] <= 16]
    assert train(torn, experiment, TracedModelMachine(experiment), resume=True).traced == len(expected)
    assert Trace.of(torn).pulses.tolist() == expected


def test_a_write_pulse_that_differs_is_named(tmp_path):
    experiment = small()
    whole = train(tmp_path / "whole", experiment, TracedModelMachine(experiment))
    pulse = Trace.of(whole.folder).select()[30]
    place = ", ".join(f"{name} {pulse[name]}" for name in ("sample", "layer", "row", "col"))
    with pytest.raises(DifferenceError, match=rf"^write pulse, {place}: expected {pulse['before']} to "
                                              rf"{pulse['after']}, .*, actual .* to {pulse['after'] + 1}, asked for"):
        train(tmp_path / "torn", experiment, TracedModelMachine(experiment, wrong=30))


def test_a_host_ends_mini_batches_in_traces_too():
    experiment = small(batch=4, host={"optimizer": "adam"}, update={"threshold": 0.1})
    golden, trace = Network(experiment), Recorder()
    twins, host = Twins(golden, TracedModelMachine(experiment), trace=trace), HostTrainer(golden)
    plan = Plan(experiment, samples(), COUNT)

    async def both():
        await twins.write(0, np.full((INPUTS, 4), 3))
        for span in plan.spans(4):
            await twins.train_batch_by(host, plan.xs, plan.labels, span)

    asyncio.run(both())
    numbers = set(trace.take()["sample"].tolist())
    assert {0, 20} <= numbers <= {0, 4, 8, 12, 16, 20}


def test_a_prediction_that_differs_is_named(tmp_path):
    experiment = small()
    with pytest.raises(DifferenceError, match="prediction, sample 27: expected") as caught:
        train(tmp_path, experiment, ModelMachine(experiment, faulty=27))
    assert caught.value.difference.sample == 27


def test_a_run_continues_from_its_checkpoint(tmp_path, monkeypatch):
    experiment, torn, stop = small(), tmp_path / "torn", threading.Event()
    stop.set()
    monkeypatch.setattr(lockstep, "SPAN", 16)
    with pytest.raises(InterruptedRunError, match="interrupted after 16 of 40 samples; continue with --resume"):
        train(torn, experiment, ModelMachine(experiment), stop)
    with np.load(torn / "checkpoint.npz") as file:
        assert int(file["sample"]) == 16
        others = sorted(name for name in file if not name.startswith("layer"))
        assert others == ["correct", "experiment", "identity", "sample"]
        assert str(file["identity"]) == run_folder.read_record(torn).digest
    resumed = train(torn, experiment, ModelMachine(experiment), resume=True)
    whole = train(tmp_path / "whole", experiment, ModelMachine(experiment))
    assert resumed.effort.samples == 24
    assert resumed.position == whole.position
    assert digest(resumed.proven.state) == digest(whole.proven.state)
    assert resumed.wear == whole.wear
    with pytest.raises(ConfigError, match="of 40 samples, in a run of 20: there is no such position"):
        train(torn, experiment, ModelMachine(experiment), resume=True, total=20)
    other = train(tmp_path / "other", small(seed=3), ModelMachine(small(seed=3)))
    (other.folder / "checkpoint.npz").replace(torn / "checkpoint.npz")
    with pytest.raises(ConfigError, match="checkpoint.npz: is the state of another run than that of .*experiment.json"):
        train(torn, experiment, ModelMachine(experiment), resume=True)
    (torn / "checkpoint.npz").write_bytes(b"PK nothing")
    with pytest.raises(ConfigError, match="checkpoint.npz: cannot be loaded"):
        train(torn, experiment, ModelMachine(experiment), resume=True)


def test_a_stop_in_the_last_span_is_not_lost(tmp_path):
    experiment, stop = small(), threading.Event()
    stop.set()
    with pytest.raises(InterruptedRunError, match="interrupted after 20 of 20 samples; continue with --resume"):
        train(tmp_path, experiment, ModelMachine(experiment), stop, total=COUNT)
    resumed = lockstep_of(tmp_path, experiment, resume=True, total=COUNT)
    resumed.resume()
    assert resumed.ended


def test_the_last_checkpoint_becomes_the_state(tmp_path):
    run = train(tmp_path, small(), ModelMachine(small()))
    before = (tmp_path / "checkpoint.npz").read_bytes()
    for _ in range(2):  # once more does no harm
        run.finish()
        assert not (tmp_path / "checkpoint.npz").exists()
        assert (tmp_path / "state.npz").read_bytes() == before
    again = lockstep_of(tmp_path, small(), resume=True)
    again.resume()
    assert again.ended
    assert digest(again.proven.state) == digest(run.proven.state)


def test_a_host_trains_both():
    experiment = small(batch=5, host={})
    machine, golden = ModelMachine(experiment), Network(experiment)
    twins, host, plan = Twins(golden, machine), HostTrainer(golden), Plan(experiment, samples(), COUNT)
    before = digest(golden.state())

    async def both():
        for span in plan.spans(experiment.batch):
            await twins.train_batch_by(host, plan.xs, plan.labels, span)
        return digest(await twins.compare())

    assert asyncio.run(both()) != before
    assert machine.operations.count("infer") == COUNT


def test_test_samples_are_classified_by_both(tmp_path):
    experiment = small()
    run, test = lockstep_of(tmp_path, experiment, total=COUNT), samples()
    xs = data.drive(test.images, experiment.input.format)

    async def both(machine):
        await run.start(machine)
        with bar(show=False) as shown:
            return await run.evaluate(xs, test.labels, threading.Event(), shown)

    expected = 100 * float((Network(experiment).predict(xs).numpy() == test.labels).mean())
    assert asyncio.run(both(ModelMachine(experiment))) == expected
    with pytest.raises(DifferenceError, match="inference, sample 4"):
        asyncio.run(both(ModelMachine(experiment, faulty=4)))
