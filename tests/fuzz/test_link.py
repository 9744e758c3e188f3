"""Boards that answer wrongly, and lines that others have a hand in: every session ends in the right answers or in one
line, in time; a request to stop ends it at once; and what was interrupted goes on to the same bits."""

import json
import shutil
from functools import partial
from random import Random

import pytest
from spinloom.boards import link as host
from spinloom.boards import run
from spinloom.cli import simulation
from spinloom.config import Experiment, load
from spinloom.train import lockstep

from ..boards.besieged import Besieged, Nonsense
from ..boards.model_board import DIGEST, SIZES_IN, ModelBoard, NetworkMachine, answers
from .campaign import Campaign
from .outcome import Outcome, outcome

LAYERS = [{"cols": 6, "lanes": 3, "bias": True, "weight_step": -2, "z_frac": 6},
          {"cols": 10, "lanes": 5, "weight_step": -1, "z_bits": 8, "z_frac": 4}]
SAMPLES, TEST = 30, 10
PATIENCE = host.Patience()
SLACK = 2.0
"""Seconds on the line that it may take to notice that time is up."""


def experiment() -> Experiment:
    return load("digits-dw5").replaced(layers=LAYERS)


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Runs ``spinloom run`` on the board behind a port, with a checkpoint every 10 samples."""
    monkeypatch.setattr(lockstep, "SPAN", 10)
    monkeypatch.setattr(lockstep, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(simulation, "load", lambda config, device=None: experiment())

    def training(port, *arguments: str) -> Outcome:
        monkeypatch.setattr(run, "SerialPort", lambda name, baud: port)
        return outcome("run", "small", "--port", "x", "--samples", SAMPLES, "--test", TEST, "--json",
                       "--out", tmp_path / "run", *arguments)
    return training


@pytest.fixture
def expected(train, tmp_path):
    """What a run on a sound line ends in."""
    result = train(sound(Random(1)))
    assert result.status == 0, result
    shutil.rmtree(tmp_path / "run")
    return json.loads(result.out)["digest"]


def sound(random: Random) -> Besieged:
    """A board on a sound line."""
    return Besieged(ModelBoard(random, slots=random.choice((1, 2, 4, 8)), machine=NetworkMachine(experiment())), random)


def one_line(result: Outcome) -> str:
    """The line in which a run has ended."""
    line, = (line for line in result.err.splitlines() if line.startswith("spinloom: "))
    assert result.err.rstrip().endswith(line), result
    return line


def check_end(result: Outcome, port: Besieged | Nonsense) -> None:
    """Fail unless a run has ended as it must: in an answer or in one line; soon after it was asked to stop."""
    if result.status == 0 or result.status == 1 and result.out:
        document = json.loads(result.out)
        assert document["bit_exact"] is (result.status == 0)
    else:
        one_line(result)
    if port.stopped is not None:
        assert port.now() < port.stopped + host.GRACE + SLACK
    else:
        assert result.status != 130


def test_gentle_attacks_do_no_harm():
    campaign = Campaign("lines with gentle attacks")
    for random in campaign:
        board = ModelBoard(random, slots=random.choice((1, 2, 4, 8, 128)))
        attacks = random.sample(Besieged.GENTLE, k=random.randrange(1, 4))
        port = Besieged(board, random, {name: random.choice((0.003, 0.03)) for name in attacks})
        link, received = host.Link(port, DIGEST, patience=host.Patience(answer=60)), ([], [])
        link.open()
        link.sinks = {0: partial(take, received[0], 1), 1: partial(take, received[1], 5)}
        beats = [(stream, random.randbytes(SIZES_IN[stream])) for stream in random.choices(range(3), k=400)]
        for stream, beat in beats:
            link.put(stream, SIZES_IN[stream], beat)
        expected = [answer for beat in beats for answer in answers(*beat)]
        while not (link.idle and sum(map(len, received)) >= len(expected)):
            link.exchange()
        assert board.delivered == beats, attacks
        for stream in range(2):
            assert received[stream] == [beat for to, beat in expected if to == stream], attacks
        campaign.accepted += 1


def take(received: list[bytes], size: int, data: bytes) -> bool:
    if len(data) % size:
        return False
    received += [data[place:place + size] for place in range(0, len(data), size)]
    return True


def test_a_besieged_run_ends_in_time_and_can_be_resumed(train, expected, tmp_path):
    campaign = Campaign("runs on lines with rough attacks")
    for random in campaign:
        port = sound(random)
        attacks = random.sample(Besieged.GENTLE + Besieged.ROUGH, k=random.randrange(4))
        begin = random.choice((0, random.expovariate(0.5)))
        lasting = (random.choice(Besieged.LASTING), begin) if random.random() < 0.5 else None
        port = Besieged(port.board, random, {name: random.choice((0.001, 0.01, 0.1)) for name in attacks}, lasting,
                        random.randrange(1500) if random.random() < 0.4 else -1)
        result = train(port)
        told = f"{attacks} {lasting} {result}"
        check_end(result, port)
        if lasting:
            assert port.now() < begin + PATIENCE.busy + 3 * PATIENCE.answer, told
        if result.status == 0:
            assert json.loads(result.out)["digest"] == expected, told
            campaign.accepted += 1
        elif result.out:
            assert {"beats", "status"} & set(attacks), told
        elif (tmp_path / "run" / "checkpoint.npz").exists():
            assert "--resume" in one_line(result), told
            resumed = train(sound(random), "--resume")
            assert (resumed.status, json.loads(resumed.out)["digest"]) == (0, expected), f"{told} {resumed}"
        shutil.rmtree(tmp_path / "run", ignore_errors=True)


def test_a_board_that_makes_no_sense_is_given_up(train, tmp_path):
    digest = NetworkMachine(experiment()).digest
    for random in Campaign("boards that make no sense"):
        kinds = tuple(random.sample(Nonsense.KINDS, k=random.randrange(1, 5)))
        port = Nonsense(random, digest, kinds, random.randrange(300) if random.random() < 0.3 else -1)
        result = train(port)
        assert result.status in (1, 130), f"{kinds} {result}"
        check_end(result, port)
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
