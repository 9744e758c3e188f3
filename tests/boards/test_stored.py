"""Runs on a simulated board that trains from its SDRAM: exact over a bad line, through resets and flipped bits."""

import itertools
import os
import threading
from dataclasses import replace
from random import Random

import pytest
from spinloom.boards import run
from spinloom.boards.link import LinkError
from spinloom.boards.serial_port import SerialPort
from spinloom.boards.supply import MemorySupply
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


load_whole = data.load


def first(dataset, count, tested):
    """The first samples of both sets of ``dataset``."""
    return replace(dataset, train=data.Samples(*(each[:count] for each in dataset.train)),
                   test=data.Samples(*(each[:tested] for each in dataset.test)))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few samples, and short parts and spans of them."""
    part = first(load_whole(small()), COUNT, TEST)
    monkeypatch.setattr(data, "load", lambda *_: part)
    monkeypatch.setattr(stored, "PART", 256)
    monkeypatch.setattr(twins, "SPAN", 40)
    monkeypatch.setattr(lockstep, "CHECKPOINT_SECONDS", 0)
    return part


@pytest.fixture(scope="module")
def powered(verilator):
    with SimulatedBoard(linked(small(), divisor=run.SIMULATED_DIVISOR, memory=stored.simulated_memory)) as board:
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
    plan = Plan(small(), first(load_whole(small()), COUNT, TEST).train, SAMPLES)
    correct = 0
    for span in plan.spans(SAMPLES):
        predictions = CompiledTrainer(golden).train_span(plan.xs, plan.labels, span.order, span.places,
                                                             span.learning_rate_shift)
        correct += int((predictions == plan.labels[span.chosen]).sum())
    return digest(golden.state()), correct


def test_a_run_from_memory(board, few, expected, tmp_path):
    """Samples are uploaded once, and the answer is that of a run over the line."""
    first, again = trained(board, tmp_path / "first"), trained(board, tmp_path / "again")
    line = run.run(small(), port=board.port, samples=SAMPLES, out=tmp_path / "line")
    size = 4 * sum(len(store.pack(*samples)) for samples in (few.train, few.test))
    assert first.memory.upload_bytes > size > 10 * again.memory.upload_bytes
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


@pytest.mark.slow
def test_a_board_that_is_filled(few, expected, tmp_path):
    """Nothing goes over the line for the memory."""
    answer = run.run(small(), simulate=True, stored=True, filled=True, samples=SAMPLES, out=tmp_path)
    assert agrees(answer, expected)
    assert answer.memory.upload_bytes == 0


def agrees(answer, expected):
    """Whether a run has ended as if nothing had happened."""
    assert answer.bit_exact
    assert (answer.digest, answer.samples) == (expected[0], SAMPLES)
    assert answer.training_accuracy == round(100 * expected[1] / SAMPLES, 3)
    return True


def test_a_bad_line_and_resets(board, expected, tmp_path):
    """Bytes lost, doubled, flipped and delayed; resets while the memory is filled, and in the midst of an epoch."""
    noise, count = Noise(Random(1), 0.001), itertools.count()
    board.columns[16] ^= 1  # so something has to be sent

    def to_board(sent: bytes) -> bytes:
        if any(next(count) in (700, 5000) for _ in sent):
            board.reset()
        return noise(sent)

    board.to_board, board.to_host = to_board, Noise(Random(2), 0.001)
    answer = trained(board, tmp_path)
    assert agrees(answer, expected)
    assert answer.resets == 2
    assert answer.retransmissions > 0


def test_a_bit_that_flips_in_memory(board, few, expected, tmp_path, monkeypatch):
    """What was trained on a damaged sample does not count; only the part in which it is is sent again."""
    words, train = store.pack(*few.train), stored.StoredDriver.train
    sample = int(small().sample_order(0, COUNT)[45])
    trained(board, tmp_path / "before")
    spans = []

    async def struck(driver, epoch, count, places, **options):
        spans.append((epoch, places))
        if len(spans) == 2:
            board.columns[2 * int(words[store.HEADER_WORDS + sample]) + 3] ^= 1 << 9
        return await train(driver, epoch, count, places, **options)

    monkeypatch.setattr(stored.StoredDriver, "train", struck)
    answer = trained(board, tmp_path / "struck")
    assert agrees(answer, expected)
    assert (answer.memory.repairs, answer.resets) == (1, 0)
    assert 4 * stored.PART < answer.memory.upload_bytes < 4 * 4 * stored.PART
    assert spans == [(0, range(40)), (0, range(40, 80)), (0, range(40, 80)), (0, range(80, 90)), (1, range(40)),
                     (1, range(40, 60))]


def test_a_memory_that_forgets_is_given_up(board, tmp_path, monkeypatch):
    upload = stored.StoredDriver.upload

    async def forgetful(driver, words, *rest):
        sent = await upload(driver, words, *rest)
        board.columns[40] ^= 2
        return sent

    monkeypatch.setattr(stored.StoredDriver, "upload", forgetful)
    with pytest.raises(LinkError, match=r"was damaged, 5 times without getting any further; the state after 40 of 150"):
        trained(board, tmp_path)


def test_a_reset_in_mid_epoch(board, expected, tmp_path, monkeypatch):
    """It is reset while it trains: what the span has changed by then is gone, and trained once more."""
    train, spans = stored.StoredDriver.train, []

    async def struck(driver, epoch, count, places, **options):
        spans.append(places)
        if len(spans) == 3:
            board.reset()
        return await train(driver, epoch, count, places, **options)

    monkeypatch.setattr(stored.StoredDriver, "train", struck)
    answer = trained(board, tmp_path)
    assert agrees(answer, expected)
    assert (answer.resets, answer.memory.repairs) == (1, 0)
    assert spans[2:4] == [range(80, 90)] * 2


@pytest.mark.parametrize("number", [0, 3], ids=["upload", "feed"])
def test_half_a_command(board, expected, tmp_path, monkeypatch, number):
    """The line breaks in the midst of a frame, with which an upload or the third feed begins. Nothing of it is carried
    out, and the next session goes on."""
    operations, cut, write = 0, threading.Event(), SerialPort.write

    def counted(operation):
        async def method(driver, *arguments, **options):
            nonlocal operations
            if operations == number:
                cut.set()
            operations += 1
            return await operation(driver, *arguments, **options)
        return method

    def torn(port, sent):
        if not cut.is_set():
            return write(port, sent)
        write(port, sent[:len(sent) // 2])
        raise LinkError("the port is gone")

    board.columns[16] ^= 1  # so something has to be sent
    with monkeypatch.context() as patch:
        for name in ("upload", "train"):
            patch.setattr(stored.StoredDriver, name, counted(getattr(stored.StoredDriver, name)))
        patch.setattr(SerialPort, "write", torn)
        with pytest.raises(LinkError, match=r"^the port is gone"):
            trained(board, tmp_path)
    answer = trained(board, tmp_path, resume=number > 0)
    assert agrees(answer, expected)


def test_a_run_that_was_given_up_continues(board, expected, tmp_path, monkeypatch):
    train, spans = stored.StoredDriver.train, []

    async def cut(driver, epoch, count, places, **options):
        spans.append(places)
        if len(spans) == 3:
            raise LinkError("the port is gone")
        return await train(driver, epoch, count, places, **options)

    monkeypatch.setattr(stored.StoredDriver, "train", cut)
    with pytest.raises(LinkError, match=r"^the port is gone; the state after 80 of 150 samples is saved"):
        trained(board, tmp_path)
    answer = trained(board, tmp_path, resume=True)
    assert agrees(answer, expected)
    assert spans[3:] == [range(80, 90), range(40), range(40, 60)]


@pytest.mark.slow
@pytest.mark.skipif("SPINLOOM_DATA" not in os.environ, reason="SPINLOOM_DATA does not name a folder with MNIST")
def test_mnist(verilator, tmp_path, monkeypatch):
    """The board of a preset, with fewer lanes: line, model of the SDRAM, network. It hardly waits for memory."""
    experiment = load("ulx3s-mnist-fast").replaced(layers={0: {"lanes": 32}})
    part = first(load_whole(experiment), 200, 20)
    monkeypatch.setattr(data, "load", lambda *_: part)
    monkeypatch.setattr(stored, "PART", 1 << 14)
    monkeypatch.setattr(twins, "SPAN", 100)
    answer = run.run(experiment, simulate=True, stored=True, samples=300, out=tmp_path)
    assert answer.bit_exact
    assert answer.memory.stalls < 2


def test_the_test_set_may_take_the_place_of_the_training_set(few):
    train = store.pack(*few.train)
    tight = {"memory": "block_ram", "words": len(train), "samples": COUNT}
    supply = MemorySupply(small(store=tight), few.train, few.test)
    assert supply.twins.keywords == {"test_base": 0}
    supply = MemorySupply(small(), few.train, few.test)
    assert supply.twins.keywords == {"test_base": len(train)}


@pytest.mark.parametrize(("fields", "message"), [
    ({"store": None}, 'store: the machine has no memory for samples; add [store] with memory = "block_ram", "sdram" '
                      'or "axi", and words'),
    ({"order": "hashed"}, 'order="hashed": a machine that trains from its memory computes the order itself; '
                          'set order = "permuted"'),
    ({"store": SDRAM | {"samples": 89}}, "store.samples=89: the training set has 90; raise it"),
    ({"store": {"memory": "block_ram", "words": 100}}, "store.words=100: the training set takes 1,646; raise it, or "
                                                          "choose a smaller data set"),
])
def test_what_cannot_be_stored(fields, message, tmp_path):
    with pytest.raises(ConfigError) as error:
        run.run(small(**fields), simulate=True, stored=True, out=tmp_path)
    assert str(error.value) == message


@pytest.mark.parametrize(("fields", "options"), [
    ({}, {"port": "/dev/null", "stored": True}), ({}, {"simulate": True}),
    ({"store": {"memory": "block_ram", "words": 10_000}}, {"simulate": True, "stored": True}),
])
def test_only_a_simulated_sdram_is_filled(fields, options, tmp_path):
    with pytest.raises(ConfigError, match=r"^filled: only the SDRAM of a simulated board is; give --filled with "):
        run.run(small(**fields), filled=True, out=tmp_path, **options)


def test_memories_of_other_sizes(tmp_path):
    with pytest.raises(ConfigError, match=r"^store: the machine was generated with another memory for samples$"):
        run.run(small(), built=small(store=SDRAM | {"samples": 500}), simulate=True, stored=True, out=tmp_path)
    with pytest.raises(ConfigError, match=r"^store\.words=8388608: there is a memory of 1024 words$"):
        linked_store(small(), BlockMemory(depth=1000), divisor=4)
    with pytest.raises(ConfigError, match=r"^store\.words=1000: chips of SDRAM have 8388608 or 2097152$"):
        stored.simulated_memory(small(store=SDRAM | {"words": 1000}).store)
