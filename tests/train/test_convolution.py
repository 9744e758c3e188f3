"""Networks with convolutions: trained, interrupted, written, drifted, hosted, and in lock-step."""

import asyncio
import os
import signal

import numpy as np
import pytest
import torch
from spinloom import config
from spinloom.contract.errors import InterruptedRunError
from spinloom.model.network import Network
from spinloom.train import data, evaluate, transfer
from spinloom.train import loop as train
from spinloom.train.difference import DifferenceError, expect_state
from spinloom.train.lockstep import Plan, Twins

from .test_lockstep import ModelMachine

HOST = {"host": {"optimizer": "adam"}, "batch": 10, "device": {"kind": "mtj", "states": 3},
        "update": {"rounding": "stochastic", "residual": "none"}}
MACHINES = {"in situ": {}, "in mini-batches": {"batch": 7, "converters": {"read_noise": 1.0}}, "with a host": HOST}


def experiment(**fields):
    return config.parse({
        "epochs": 2, "learning_rate_shifts": [4, 5], "input": {"map": [8, 8, 1]},
        "device": {"kind": "domain_wall", "states": 5, "sigma": 0.2},
        "layers": [{"kind": "conv", "cols": 6, "kernel": 3, "pool": 2, "weight_step": -2, "z_frac": 6,
                    "rate_offset": 1}, {"cols": 10, "weight_step": -2, "z_frac": 6}],
    } | fields, "convolution")


def run(*arguments, **options):
    return train.run(*arguments, progress=False, compiled=False, **options)


def states(folder):
    with np.load(folder / "state.npz") as file:
        return {name: array.tolist() for name, array in file.items()}


def test_it_learns_the_digits(tmp_path):
    result = run(experiment(epochs=1), out=tmp_path, samples=1000)
    assert result.test_accuracy > 70
    assert result.baseline_accuracy > 40  # of 125 steps
    assert evaluate.run(tmp_path).test_accuracy == result.test_accuracy
    state = states(tmp_path)
    assert [len(state[f"layer{layer}_counters"]) for layer in range(2)] == [10, 9]
    assert [state[f"layer{layer}_counters"][0] for layer in range(2)] == [1000 * 36, 1000]


@pytest.mark.parametrize("machine", MACHINES)
def test_an_interrupted_run_resumes_to_the_same_bits(machine, tmp_path, monkeypatch):
    small, whole, torn = experiment(**MACHINES[machine]), tmp_path / "whole", tmp_path / "torn"
    run(small, out=whole, samples=40, baseline=False)
    original, count = Network.forward, 0

    def forward(network, x):
        nonlocal count
        count += 1
        if count == (2 if small.host else 23):
            os.kill(os.getpid(), signal.SIGTERM)
        return original(network, x)

    monkeypatch.setattr(train, "CHUNK_SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Network, "forward", forward)
        with pytest.raises(InterruptedRunError, match="interrupted in epoch 1"):
            run(small, out=torn, samples=40, baseline=False)
    assert 0 < states(torn)["sample"] < 40
    run(None, resume=torn, baseline=False)
    expected = states(whole)
    assert states(torn) == expected
    assert any(sum(counts[5:6]) for name, counts in expected.items() if name.endswith("counters"))


@pytest.mark.slow
def test_pairs_are_written_and_drift(tmp_path):
    small = experiment(device={"kind": "pcm_pair"}, write={"margin": 0.75, "max_attempts": 60}, transfer={},
                       update={"residual": "nominal"}, epochs=1)
    result = transfer.run(small, out=tmp_path, samples=60, baseline=False, progress=False)
    source, target = Network(small.precursor), Network(small)
    for network, folder in ((source, tmp_path / "precursor"), (target, tmp_path)):
        with np.load(folder / "state.npz") as file:
            network.load(dict(file))
    assert result.cells == sum(crossbar.g.numel() for crossbar in target.crossbars) == 9 * 6 + 54 * 10
    assert target.crossbars[0].counters["product_rows"] == target.crossbars[0].counters["forwards"] == 0
    assert source.crossbars[0].counters["product_rows"] > source.crossbars[0].counters["update_rows"] > 0
    for before, after in zip(source.crossbars, target.crossbars, strict=True):
        outside = (before.programmer.device.nominal(before.states()) - after.g).abs() > small.crossbars[0].margin
        assert int(outside.sum()) == after.counters["failures"]
    answer = evaluate.run(tmp_path, seconds=(1.0, 1e9))
    assert answer.drift[0].test_accuracy == result.test_accuracy == round(
        train.test_accuracy(target, data.load(small)), 3)


@pytest.mark.parametrize("machine", MACHINES)
def test_both_of_two_machines_are_compared_in_every_counter(machine):
    small = experiment(**MACHINES[machine], seed=3)
    dataset = data.load(small).first(20)
    plan, other, golden = Plan(small, dataset.train, 20), ModelMachine(small), Network(small)
    twins, host = Twins(golden, other), train.HostTrainer(golden) if small.host else None

    async def both():
        for span in plan.spans(10):
            if host:
                await twins.train_batch_by(host, plan.xs, plan.labels, span)
            else:
                await twins.train_span(plan.xs, plan.labels, span)
        return await twins.compare()

    state = asyncio.run(both())
    assert all(crossbar.counters["forward_rows"] for crossbar in golden.crossbars)
    assert golden.read_cycles > 0 or host
    wrong = {name: array.copy() for name, array in state.items()}
    wrong["layer0_counters"][9] += 1
    with pytest.raises(DifferenceError, match="counter product_rows, layer 0"):
        expect_state(state, wrong, 0, "layer0_")


def test_samples_of_a_large_map_are_evaluated_part_by_part(tmp_path, monkeypatch):
    small = experiment(converters={"read_noise": 2.0})
    dataset, network = data.load(small), Network(small)
    expected = train.test_accuracy(network, dataset)
    monkeypatch.setattr("spinloom.model.network.CHUNK", 36 * 9 * 7)
    assert train.test_accuracy(network, dataset) == expected
    assert torch.equal(network.crossbars[0].g, Network(small).crossbars[0].g)
