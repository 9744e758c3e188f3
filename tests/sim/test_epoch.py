"""A run in compiled RTL: exact, interrupted and resumed to the same bits, and faithful about differences."""

import json

import numpy as np
import pytest
from spinloom.config import load
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.hw.store.sdram_chip import ULX3S_SDRAM
from spinloom.model.compiled import trainer
from spinloom.model.network import Network
from spinloom.sim import epoch
from spinloom.study.energy import account
from spinloom.train import data, evaluate
from spinloom.train.trace import Trace


def small(**fields):
    layers = [{"cols": 12, "lanes": 4, "bias": True, "weight_step": -2, "z_frac": 6},
              {"cols": 10, "weight_step": -1, "z_bits": 8, "z_frac": 4}]
    return load("digits-dw5").replaced(layers=layers, **fields)


def stored(memory, **fields):
    """A network that has the digits in its memory."""
    words = {"block_ram": 32_768, "sdram": ULX3S_SDRAM.words}[memory]
    return small(order="permuted", store={"memory": memory, "words": words}, **fields)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 4])
def test_an_interrupted_epoch_resumes_to_the_same_bits(tmp_path, monkeypatch, batch):
    interrupt(tmp_path, monkeypatch, small(batch=batch), small(seed=9))


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 4])
def test_so_does_one_from_memory(tmp_path, monkeypatch, batch):
    whole = interrupt(tmp_path, monkeypatch, stored("sdram", batch=batch), stored("sdram", batch=batch, seed=9),
                      stored=True)
    assert 0 < whole.stalls < 5


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["block_ram", "sdram"])
def test_an_epoch_from_memory_ends_in_the_same_bits(tmp_path, memory):
    from_memory, without = (epoch.run(stored(memory), stored=way, out=tmp_path / str(way)) for way in (True, False))
    assert from_memory.bit_exact
    assert from_memory.digest == without.digest
    assert from_memory.samples == without.samples == 1438
    assert from_memory.training_accuracy == without.training_accuracy
    assert without.stalls is None


def test_other_samples_in_memory(tmp_path, monkeypatch):
    packed = epoch.packed
    monkeypatch.setattr(epoch, "packed", lambda what, samples, store: packed(
        what, samples._replace(images=samples.images // 2), store))
    answer = epoch.run(stored("block_ram"), stored=True, samples=60, out=tmp_path)
    assert not answer.bit_exact
    assert answer.first_difference.startswith(("correct predictions for samples 0 to 59: ", "layer 0, row "))


@pytest.mark.parametrize(("fields", "message"), [
    ({"store": None}, 'store: the machine has no memory for samples; add .*'),
    ({"order": "hashed"}, 'order="hashed": a machine that trains from its memory computes the order itself; .*'),
    ({"store": {"memory": "block_ram", "words": 26_000}},
     "store.words=26000: the training set takes 26,788; raise it, or choose a smaller data set"),
])
def test_what_has_no_place_in_memory(fields, message, tmp_path):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        epoch.run(stored("block_ram").replaced(**fields), stored=True, out=tmp_path)


def interrupt(tmp_path, monkeypatch, experiment, other, **options):
    """Train, once in one go and once with an interruption; ``other`` is another experiment. Returns the answer."""
    whole = epoch.run(experiment, out=tmp_path / "whole", samples=610, **options)
    assert whole.bit_exact
    assert whole.samples == 610
    assert whole.bound_cycles_per_sample < whole.cycles_per_sample
    assert json.loads((tmp_path / "whole" / "epoch.json").read_text()) == whole.to_json()

    stopping = epoch.deferred_stop

    class Stopped:
        def __enter__(self):
            self.context = stopping()
            event = self.context.__enter__()
            event.set()
            return event

        def __exit__(self, *error):
            return self.context.__exit__(*error)

    monkeypatch.setattr(epoch, "deferred_stop", Stopped)
    with pytest.raises(InterruptedRunError, match="after 250 of 610 samples"):
        epoch.run(experiment, out=tmp_path / "torn", samples=610, **options)
    monkeypatch.undo()
    assert account.run(tmp_path / "torn").samples == 250
    assert evaluate.run(tmp_path / "torn").test_accuracy > 0
    with pytest.raises(ConfigError, match="torn holds a run that has not ended; continue it with --resume, "):
        epoch.run(experiment, out=tmp_path / "torn", samples=610, **options)
    with pytest.raises(ConfigError, match="torn cannot be resumed, .* something else: seed: 1 recorded, 9 now"):
        epoch.run(other, out=tmp_path / "torn", samples=610, resume=True, **options)
    resumed = epoch.run(experiment, out=tmp_path / "torn", samples=610, resume=True, **options)
    assert resumed.digest == whole.digest
    assert (resumed.samples, resumed.training_accuracy) == (whole.samples, whole.training_accuracy)
    assert epoch.run(experiment, out=tmp_path / "torn", samples=610, resume=True, **options) == resumed
    with pytest.raises(ConfigError, match="torn holds a finished run; take another folder with --out, or --overwrite"):
        epoch.run(experiment, out=tmp_path / "torn", samples=610, **options)
    accuracy = evaluate.run(tmp_path / "torn").test_accuracy
    assert 0 < accuracy == evaluate.run(tmp_path / "whole").test_accuracy
    assert account.run(tmp_path / "torn").samples == 610
    with np.load(tmp_path / "whole" / "state.npz") as first, np.load(tmp_path / "torn" / "state.npz") as second:
        assert all((first[name] == second[name]).all() for name in first if name.startswith("layer"))
    return whole


def test_a_difference_is_reported(tmp_path, monkeypatch):
    train_span = trainer.CompiledTrainer.train_span

    def wrong(self, *arguments):
        predictions = train_span(self, *arguments)
        self.network.crossbars[1].g[3, 4] += 1
        return predictions

    monkeypatch.setattr(trainer.CompiledTrainer, "train_span", wrong)
    answer = epoch.run(small(), out=tmp_path, samples=20)
    assert not answer.bit_exact
    assert answer.digest is None
    assert "layer 1, row 3, col 4" in answer.first_difference


def test_write_pulses_are_equal_and_cost_no_clock_cycle(tmp_path):
    plain, traced = (epoch.run(small(), out=tmp_path / str(trace), samples=60, trace=trace) for trace in (False, True))
    assert traced.bit_exact
    assert (traced.digest, traced.cycles_per_sample) == (plain.digest, plain.cycles_per_sample)
    assert (plain.traced, traced.traced) == (None, len(Trace.of(tmp_path / "True")))
    network = Network(small())
    dataset = data.load(small()).train
    recorder, order = network.record(), network.experiment.sample_order(0, len(dataset.labels))
    network.train_span(data.drive(dataset.images, network.experiment.input.format), dataset.labels, order, range(60),
                       network.experiment.learning_rate_shift(0))
    assert Trace.of(tmp_path / "True").pulses.tolist() == recorder.take().tolist()
    with pytest.raises(ConfigError, match="a network with a memory is not traced: leave out one of --stored and "):
        epoch.run(stored("sdram"), stored=True, trace=True, out=tmp_path / "stored")


def test_there_must_be_a_run_to_resume(tmp_path):
    with pytest.raises(ConfigError, match="no run to resume"):
        epoch.run(small(), out=tmp_path, resume=True)


def test_runs_beside_the_one_that_is_missing_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    epoch.run(small(), samples=20)
    [folder] = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("digits-dw5-")
    assert folder.name.endswith("-epoch")
    with pytest.raises(ConfigError, match=f"no run to resume in runs/.*; runs of another .* in runs/{folder.name}: "):
        epoch.run(small(seed=2), samples=20, resume=True)


def test_a_folder_of_the_previous_version_is_read_and_resumed(tmp_path, capsys):
    """It has no ``experiment.json``, and its state carries the configuration alone."""
    whole = epoch.run(small(), out=tmp_path, samples=20)
    with np.load(tmp_path / "state.npz") as file:
        np.savez(tmp_path / "checkpoint.npz", **{name: array for name, array in file.items() if name != "identity"})
    for name in ("state.npz", "experiment.json", "epoch.json"):
        (tmp_path / name).unlink()
    assert account.run(tmp_path).samples == 20
    assert evaluate.run(tmp_path).test_accuracy > 0
    again = epoch.run(small(), out=tmp_path, samples=20, resume=True)
    assert (again.digest, again.identity, again.data) == (whole.digest, None, None)
    assert capsys.readouterr().err.count("was begun by an earlier version") == 3
    with pytest.raises(ConfigError, match="something else: seed: 1 recorded, 2 now"):
        epoch.run(small(seed=2), out=tmp_path, samples=20, resume=True)


@pytest.mark.parametrize("section", ["host", "transfer"])
def test_networks_trained_from_outside_are_refused(section, tmp_path):
    with pytest.raises(ConfigError, match=f"has a section {section}"):
        epoch.run(small(**{section: {}}), out=tmp_path)
