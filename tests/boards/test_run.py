"""Runs on a simulated board: exact over a bad line, through resets and interruptions; errors in one line."""

import itertools
import json
import os
from random import Random

import numpy as np
import pytest
from spinloom import cli
from spinloom.boards import link_document, run
from spinloom.boards.link import LinkError
from spinloom.cli import simulation
from spinloom.config import load
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.hw.link.linked_network import LinkedNetwork
from spinloom.model.compiled.trainer import CompiledTrainer
from spinloom.sim.board import Noise, SimulatedBoard
from spinloom.sim.simulators import toolchain
from spinloom.study import energy
from spinloom.train import evaluate, lockstep

LAYERS = [{"cols": 6, "lanes": 3, "bias": True, "weight_step": -2, "z_frac": 6},
          {"cols": 10, "lanes": 5, "weight_step": -1, "z_bits": 8, "z_frac": 4}]
SAMPLES, TEST = 40, 60


def small(**fields):
    return load("digits-dw5").replaced(**{"layers": LAYERS} | fields)


@pytest.fixture(scope="module")
def powered():
    try:
        toolchain.require("verilator")
    except toolchain.SimulatorError as error:
        pytest.skip(str(error))
    experiment = small()
    design = LinkedNetwork(geometries=experiment.crossbars, loss=experiment.loss, divisor=run.SIMULATED_DIVISOR)
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
    assert energy.run(answer.out)["samples"] == SAMPLES
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
        def write(self, data: bytes):
            if written(len(data)):
                other, gone = os.openpty()
                os.close(other)
                os.dup2(gone, self._serial.fd)
                os.close(gone)
            super().write(data)

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


def test_an_interrupted_run_resumes_to_the_same_bits(whole, board, tmp_path, monkeypatch):
    monkeypatch.setattr(lockstep, "SPAN", 15)

    class Stopped:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def is_set(self):
            return True

    monkeypatch.setattr(run, "deferred_stop", Stopped)
    with pytest.raises(InterruptedRunError, match="after 15 of 40 samples"):
        run.run(small(), port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path)
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="seed: 1 recorded, 9 now"):
        run.run(small(seed=9), port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path, resume=True)
    with pytest.raises(ConfigError, match="something else: samples: 40 recorded, 41 now; test: 60 recorded, none now"):
        run.run(small(), port=board.port, samples=SAMPLES + 1, out=tmp_path, resume=True)
    resumed = run.run(small(), port=board.port, samples=SAMPLES, test_samples=TEST, out=tmp_path, resume=True)
    assert resumed.digest == whole[0].digest
    assert resumed.training_accuracy == whole[0].training_accuracy


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
    (["--simulate", "--faults", "2"], "faults=2.0"),
    (["--port", "x", "--faults", "0.5"], "faults=0.5"),
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
