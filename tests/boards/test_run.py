"""Runs on a simulated board: exact over a bad line, through resets and interruptions; errors in one line."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import tty
from random import Random

import numpy as np
import pytest
from spinloom import cli
from spinloom.boards import link, link_document, run
from spinloom.boards.link import LinkError
from spinloom.cli import simulation
from spinloom.config import load
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.contract.link import ToBoard
from spinloom.hw.link.linked_design import linked_network
from spinloom.model.compiled.trainer import CompiledTrainer
from spinloom.sim.board import Noise, SimulatedBoard
from spinloom.study.energy import account
from spinloom.train import evaluate, lockstep

LAYERS = [{"cols": 6, "lanes": 3, "bias": True, "weight_step": -2, "z_frac": 6},
          {"cols": 10, "lanes": 5, "weight_step": -1, "z_bits": 8, "z_frac": 4}]
SAMPLES, TEST = 40, 60


def small(**fields):
    return load("digits-dw5").replaced(**{"layers": LAYERS} | fields)


@pytest.fixture(scope="module")
def powered(verilator):
    experiment = small()
    design = linked_network(experiment.crossbars, experiment.loss, divisor=run.SIMULATED_DIVISOR)
    with SimulatedBoard(design) as board:
        yield board


@pytest.fixture
def board(powered):
    """A board with sound lines, to begin with."""
    powered.to_board = powered.to_host = bytes
    return powered


@pytest.fixture(scope="module")
def whole(powered, tmp_path_factory):
    """An undisturbed run: its answer and its state."""
    folder = tmp_path_factory.mktemp("whole")
    answer = run.run(small(), port=powered.port, samples=SAMPLES, test_samples=TEST, out=folder)
    with np.load(folder / "state.npz") as file:
        state = dict(file)
    return answer, state


def test_run(whole):
    answer, state = whole
    assert answer.bit_exact
    assert (answer.samples, answer.test_samples, answer.resets) == (SAMPLES, TEST, 0)
    assert 0 <= answer.test_accuracy <= 100
    assert answer.samples_per_second_link == pytest.approx(300_000 / answer.link_bytes_per_sample, rel=0.01)
    assert int(state["sample"]) == SAMPLES
    assert account.run(answer.out).samples == SAMPLES
    assert evaluate.run(answer.out).test_accuracy > 0


def test_nothing_is_sent_again_over_a_sound_line(board, tmp_path):
    """However slowly the simulation goes, and whatever the numbers of frames look like on the line."""
    answer = run.run(small(), port=board.port, samples=1200, test_samples=1, out=tmp_path)
    assert answer.bit_exact
    assert answer.retransmissions == 0


def test_mini_batches(board, tmp_path):
    answer = run.run(small(batch=4), port=board.port, samples=30, test_samples=TEST, out=tmp_path)
    assert (answer.bit_exact, answer.samples) == (True, 30)


def test_one_bitstream_serves_many_devices(whole, board, tmp_path):
    """Another device of the kind, threshold, margin and seed; a design of other widths is refused by both ends."""
    built = small()
    device = {"offset": [-0.1, 0.1, 0.05, -0.2, -0.1], "sigma": 0.35}
    other = small(device=device, update={"threshold": 1.5}, write={"margin": 0.5}, seed=9)
    answer = run.run(other, built=built, port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path)
    assert answer.bit_exact
    assert answer.digest != whole[0].digest
    wider = small(layers=[LAYERS[0] | {"chi_bits": 18}, LAYERS[1]])
    with pytest.raises(ConfigError, match=r"layers\[0\]: the machine was generated with chi_bits=16"):
        run.run(wider, built=built, port=board.port, samples=SAMPLES, out=tmp_path)
    with pytest.raises(LinkError, match="the board holds another design"):
        run.run(wider, port=board.port, samples=SAMPLES, out=tmp_path / "wider")


def test_run_over_a_bad_line_with_resets(whole, board, tmp_path, monkeypatch):
    """Bytes lost, doubled, flipped and delayed, and the board reset while it is loaded and while it trains."""
    noise, count = Noise(Random(1), 0.001), itertools.count()

    def to_board(data: bytes) -> bytes:
        if any(next(count) in (2500, 7500) for _ in data):
            board.reset()
        return noise(data)

    board.to_board, board.to_host = to_board, Noise(Random(2), 0.001)
    monkeypatch.setattr(lockstep, "SPAN", 10)
    monkeypatch.setattr(lockstep, "CHECKPOINT_SECONDS", 0)
    answer = run.run(small(), port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path)
    assert answer.bit_exact
    assert answer.resets == 2
    assert answer.retransmissions > 0
    for name in ("digest", "test_accuracy", "training_accuracy", "samples"):
        assert getattr(answer, name) == getattr(whole[0], name)


def test_a_board_that_keeps_being_reset_is_given_up(board, tmp_path):
    def to_board(data: bytes) -> bytes:
        if len(data) > 100:
            board.reset()
        return data

    board.to_board = to_board
    with pytest.raises(LinkError, match=r"was reset.*5 times without getting any further$"):
        run.run(small(), port=board.port, samples=SAMPLES, out=tmp_path)


def test_a_board_that_is_unplugged_loses_nothing(whole, board, tmp_path, monkeypatch):
    """The port goes away in the middle of training; the run continues from its checkpoint."""
    class Plug(run.SerialPort):
        def write(self, data: bytes) -> int:
            if written(len(data)):
                other, gone = os.openpty()
                os.close(other)
                os.dup2(gone, self._serial.fd)
                os.close(gone)
            return super().write(data)

    sizes = []

    def written(size: int) -> bool:
        sizes.append(size)
        return sum(sizes) - size < 4500 <= sum(sizes)

    monkeypatch.setattr(run, "SerialPort", Plug)
    monkeypatch.setattr(lockstep, "SPAN", 10)
    monkeypatch.setattr(lockstep, "CHECKPOINT_SECONDS", 0)
    with pytest.raises(LinkError, match=r"the port .* is gone: .* is saved, continue with --resume"):
        run.run(small(), port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path)
    monkeypatch.undo()
    resumed = run.run(small(), port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path, resume=True)
    assert resumed.digest == whole[0].digest


@pytest.mark.parametrize(("grace", "text"), [(60, "interrupted after 15 of 40 samples"),
                                             (0, "interrupted; the state after 0 of 40 samples is saved, continue")])
def test_an_interrupted_run_resumes_to_the_same_bits(whole, board, tmp_path, monkeypatch, grace, text):
    """What is under way is completed where that takes no longer than people wait."""
    count = itertools.count()

    def to_board(data: bytes) -> bytes:
        if any(next(count) == 3500 for _ in data):
            os.kill(os.getpid(), signal.SIGTERM)
        return data

    board.to_board = to_board
    monkeypatch.setattr(lockstep, "SPAN", 15)
    monkeypatch.setattr(link, "GRACE", grace)
    with pytest.raises(InterruptedRunError, match=text):
        run.run(small(), port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path)
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="seed: 1 recorded, 9 now"):
        run.run(small(seed=9), port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path, resume=True)
    with pytest.raises(ConfigError, match="something else: samples: 40 recorded, 41 now"):
        run.run(small(), port=board.port, samples=SAMPLES + 1, test_samples=TEST, out=tmp_path, resume=True)
    resumed = run.run(small(), port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path, resume=True)
    assert resumed.digest == whole[0].digest
    assert resumed.training_accuracy == whole[0].training_accuracy


PRESET = """
dataset = "digits"
epochs = 20
learning_rate_shifts = [4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7]
input = { count = 64 }
device = { kind = "domain_wall", states = 5, sigma = 0.2 }
layers = [{ cols = 6, lanes = 3, bias = true, weight_step = -2, z_frac = 6 },
          { cols = 10, lanes = 5, weight_step = -1, z_bits = 8, z_frac = 4 }]
"""


def spinloom(folder, *arguments: str) -> subprocess.Popen:
    """The program as a process, the leader of a group of its own."""
    config = folder / "small.toml"
    config.write_text(PRESET)
    return subprocess.Popen([sys.executable, "-m", "spinloom", "run", config,
                             "--out", folder / "run", "--json", *arguments],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def asked_to_stop(process: subprocess.Popen, number: int) -> str:
    """The line in which a process ends that is sent a signal, which must be soon, and leaves nothing behind."""
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    line, = (line for line in err.splitlines() if line.startswith("spinloom: "))
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return line


@pytest.mark.slow
def test_signals_end_a_process_that_can_be_resumed(powered, tmp_path):
    """At random moments of a simulated run, over a good line and a bad one."""
    random, much = Random(3), ("--simulate", "--samples", "300", "--test", "1", "--faults", "0.01")
    for number in (signal.SIGINT, signal.SIGTERM):
        begun = tmp_path / "run" / "checkpoint.npz"
        process = spinloom(tmp_path, *much, *(["--resume"] if begun.exists() else []))
        before = begun.stat().st_mtime_ns if begun.exists() else 0
        while not begun.exists() or begun.stat().st_mtime_ns == before:  # it is written when training begins
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        time.sleep(random.random())
        assert "samples" in asked_to_stop(process, number)
    process = spinloom(tmp_path, "--simulate", "--samples", "300", "--test", "1", "--resume")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    expected = run.run(small(name="small"), port=powered.port, samples=300, test_samples=1, out=tmp_path / "whole")
    assert json.loads(out)["digest"] == expected.digest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_process_at_a_port_that_chatters(tmp_path, number):
    master, slave = os.openpty()
    os.set_blocking(master, False)
    tty.setraw(slave)
    process = spinloom(tmp_path, "--port", os.ttyname(slave), "--samples", "1")
    try:
        heard = b""
        while not heard:  # the session is being opened
            assert process.poll() is None, process.communicate()
            with contextlib.suppress(BlockingIOError):
                os.write(master, b"Login: ~~")
                heard = os.read(master, 100)
            time.sleep(0.01)
        assert asked_to_stop(process, number) == "spinloom: interrupted"
    finally:
        os.close(master)
        os.close(slave)
        process.kill()


def test_a_simulated_board_is_switched_off_in_any_state(powered):
    """Asleep, with answers that nobody takes, busy, and after a reset."""
    hello = link.frame(bytes([ToBoard.HELLO, 7, 0]))
    design = linked_network(small().crossbars, small().loss, divisor=run.SIMULATED_DIVISOR)
    board = SimulatedBoard(design)
    for sent, wait in ((b"", 0.2), (hello * 3000, 0.5), (hello * 3000, 0.0), (hello, 0.0)):
        board.start()
        line = os.open(board.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            os.write(line, sent)
        time.sleep(wait)
        board.reset()
        begun = time.monotonic()
        board.close()
        os.close(line)
        assert time.monotonic() - begun < 5


def test_a_difference_is_reported(board, tmp_path, monkeypatch):
    train_span = CompiledTrainer.train_span

    def wrong(self, *arguments):
        predictions = train_span(self, *arguments)
        self.network.crossbars[1].g[3, 4] += 1
        return predictions

    monkeypatch.setattr(CompiledTrainer, "train_span", wrong)
    answer = run.run(small(), port=board.port, samples=5, out=tmp_path)
    assert not answer.bit_exact
    assert "layer 1, row 3, col 4" in answer.first_difference
    assert answer.digest is None
    assert not (tmp_path / "state.npz").exists()


def test_a_board_with_another_design_is_refused(board, tmp_path):
    with pytest.raises(LinkError, match=r"another design .* build and load its bitstream"):
        run.run(small(loss="squared_hinge"), port=board.port, out=tmp_path)


def test_the_program(board, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(simulation, "load", lambda config, device=None: small())
    few = ["--samples", "4", "--test", "2", "--out", str(tmp_path)]
    status = cli.run(["run", "small", "--simulate", "--faults", "0.001", *few, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (status, document["bit_exact"], document["samples"]) == (0, True, 4)
    assert cli.run(["run", "small", "--port", board.port, *few]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    assert cli.run(["run", "small", "--port", board.port, "--overwrite", *few]) == 0
    assert "bit-exact" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "text"), [
    ([], "either --port DEVICE or --simulate"),
    (["--port", "x", "--simulate"], "either --port DEVICE or --simulate"),
    (["--port", "/dev/nowhere"], "cannot open the port /dev/nowhere: "),
    (["--port", "/dev/null"], "cannot open the port /dev/null: "),
    (["--simulate", "--samples", "0"], "samples=0"),
    (["--simulate", "--faults", "2"], "--faults=2: must be a number from 0 to 0.999"),
    (["--port", "x", "--faults", "0.5"], "faults=0.5"),
    (["--simulate", "--faults", "nan"], "faults=nan"),
    (["--simulate", "--faults", "-inf"], "faults=-inf"),
    (["--simulate", "--baud", "0"], "baud=0: must be"),
    (["--simulate", "--baud", "-3000000"], "baud=-3000000: must be"),
    (["--port", "x", "--baud", "300"], "baud=300: must be"),
    (["--port", "x", "--baud", str(10**30)], "baud=1000000000000000000000000000000: must be"),
    (["--port", "a\0b"], "must not contain a null character"),
    (["--port", "/tmp"], "cannot open the port /tmp: "),
    (["--port", ""], "--port: must not be empty"),
    (["--simulate", "--resume"], "no run to resume"),
])
def test_errors_end_in_one_line(arguments, text, tmp_path, capsys):
    assert cli.run(["run", "digits-dw5", "--out", str(tmp_path / "run"), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("spinloom: ")
    assert text in captured.err.splitlines()[-1]


def test_the_document_is_in_step():
    assert link_document.PATH.read_text(encoding="utf-8") == link_document.document(), \
        "run python -m spinloom.boards.link_document"
