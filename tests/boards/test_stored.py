"""Runs on a simulated board that trains from its SDRAM: exact over a bad line, through resets and flipped bits."""

import itertools
from random import Random

import numpy as np
import pytest
from spinloom.boards import run
from spinloom.boards import stored as supplies
from spinloom.boards.link import LinkError
from spinloom.config import load
from spinloom.contract import store
from spinloom.contract.errors import ConfigError
from spinloom.hw.link.linked_design import linked, linked_store
from spinloom.hw.store.memory import BlockMemory
from spinloom.hw.store.sdram_chip import ULX3S_SDRAM
from spinloom.model.compiled.trainer import CompiledTrainer
from spinloom.model.network import Network
from spinloom.sim import stored
from spinloom.sim.board import Noise, SimulatedBoard
from spinloom.train import data, lockstep
from spinloom.train import stored as twins
from spinloom.train.lockstep import Plan, digest

LAYERS = [{"cols": 6, "lanes": 3, "bias": True, "weight_step": -2, "z_frac": 6},
          {"cols": 10, "lanes": 5, "weight_step": -1, "z_bits": 8, "z_frac": 4}]
COUNT, TEST, SAMPLES = 90, 30, 150
SDRAM = {"memory": "sdram", "words": ULX3S_SDRAM.words, "samples": 1000}


def small(**fields):
    return load("digits-dw5").replaced(**{"layers": LAYERS, "order": "permuted", "store": SDRAM} | fields)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few samples, and short parts and spans of them."""
    whole = data.load(small())
    part = whole._replace(train=data.Samples(*(each[:COUNT] for each in whole.train)),
                          test=data.Samples(*(each[:TEST] for each in whole.test)))
    monkeypatch.setattr(data, "load", lambda *_: part)
    monkeypatch.setattr(stored, "PART", 256)
    monkeypatch.setattr(twins, "SPAN", 40)
    return part


@pytest.fixture(scope="module")
def powered(verilator):
    experiment = small()
    with SimulatedBoard(linked(experiment, divisor=run.SIMULATED_DIVISOR,
                               memory=stored.simulated_memory(experiment.store))) as board:
        yield board


@pytest.fixture
def board(powered):
    """A board with sound lines, to begin with."""
    powered.to_board = powered.to_host = bytes
    return powered


def trained(board, out, **options):
    return run.run(small(), port=board.port, stored=True, samples=SAMPLES, out=out, **options)


@pytest.fixture(scope="module")
def expected():
    """What the golden model ends in, by itself: the digest of its state, and how many it has predicted correctly."""
    golden = Network(small())
    train = data.load(small()).train
    plan = Plan(small(), data.Samples(*(each[:COUNT] for each in train)), SAMPLES)
    correct = 0
    for span in plan.spans(SAMPLES):
        predictions = CompiledTrainer(golden).train_span(plan.xs, plan.labels, *span[:3])
        correct += int((predictions == plan.labels[span.chosen]).sum())
    return digest(golden.state()), correct


def test_a_run_from_memory(board, expected, tmp_path):
    """Samples are uploaded once, and the answer is that of a run over the line."""
    first, again = trained(board, tmp_path / "first"), trained(board, tmp_path / "again")
    line = run.run(small(), port=board.port, samples=SAMPLES, out=tmp_path / "line")
    words = 4 * sum(len(store.pack(*samples)) for samples in data.load(small())[:2])
    assert first.memory.upload_bytes > words > 10 * again.memory.upload_bytes
    assert first.memory.repairs == 0
    assert first.memory.cycles_per_sample > 100
    assert 0 <= first.memory.stalls < 5
    assert line.memory is None
    for answer in (first, again, line):
        assert answer.bit_exact
        assert answer.digest == expected[0]
        assert answer.training_accuracy == round(100 * expected[1] / SAMPLES, 3)
        assert (answer.samples, answer.test_samples, answer.resets) == (SAMPLES, TEST, 0)
        assert answer.test_accuracy == line.test_accuracy
