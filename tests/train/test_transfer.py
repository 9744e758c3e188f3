import json

import numpy as np
import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.model.compiled.trainer import CompiledTrainer
from spinloom.model.network import Network
from spinloom.train import data, evaluate, run_folder, transfer
from spinloom.train import loop as train
from spinloom.train.drift import drift
from spinloom.train.results import TransferResult


def experiment(device=None, **fields):
    return config.parse({
        "epochs": 2, "learning_rate_shifts": [4, 5], "input": {"count": 64},
        "device": device or {"kind": "domain_wall", "states": 5, "sigma": 0.2, "stuck": 0.05},
        "transfer": {"precursor": {"kind": "ideal", "states": 5}}, "write": {"margin": 0.25, "max_attempts": 8},
        "layers": [{"cols": 12, "weight_step": -3, "z_frac": 6}, {"cols": 10, "weight_step": -1}],
    } | fields, "written")


def load(folder):
    with np.load(folder / "state.npz") as file:
        return dict(file)


def test_the_states_of_the_precursor_are_written(tmp_path):
    small = experiment()
    result = transfer.run(small, out=tmp_path, samples=200, progress=False)
    source, target = Network(small.precursor), Network(small)
    source.load(load(tmp_path / "precursor"))
    target.load(load(tmp_path))
    margin = small.crossbars[0].margin
    outside = attempts = 0
    for before, after in zip(source.crossbars, target.crossbars, strict=True):
        outside += int(((before.g.int() - after.g.int()).abs() > margin).sum())  # ideal cells lie on their states
        attempts += after.counters["attempts"]
        assert after.counters["attempts"] == after.counters["verify_attempts"]
    assert result.cells_outside_margin == outside > 0  # the stuck ones
    assert result.write_pulses == attempts
    assert result.attempts_per_cell == round(attempts / result.cells, 3)
    assert result.most_write_pulses == 8
    pulses = np.concatenate([load(tmp_path)[f"layer{layer}_pulses"].ravel() for layer in range(2)])
    assert (pulses.sum(), pulses.max()) == (attempts, 8)
    assert result.cells == 64 * 12 + 12 * 10
    assert result.test_accuracy == round(train.test_accuracy(target, data.load(small)), 3)
    assert result.precursor_accuracy == round(train.test_accuracy(source, data.load(small)), 3)
    assert json.loads((tmp_path / "result.json").read_text()) == result.to_json()
    assert run_folder.read_result(tmp_path, TransferResult) == result
    assert result.to_json()["precursor_events"] == result.precursor_write_pulses > 0
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert evaluate.run(tmp_path).test_accuracy == result.test_accuracy


def test_an_interrupted_transfer_resumes_to_the_same_bits(tmp_path, monkeypatch):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    transfer.run(experiment(), out=whole, samples=100, baseline=False, progress=False)

    def interrupted(*_):
        raise InterruptedRunError(f"see {torn}/precursor")

    with monkeypatch.context() as patch:  # after the first epoch
        patch.setattr(CompiledTrainer, "predict", interrupted)
        with pytest.raises(InterruptedRunError, match=f"see {torn}$"):
            transfer.run(experiment(), out=torn, samples=100, baseline=False, progress=False)
    transfer.run(None, resume=torn, baseline=False, progress=False)
    expected, actual = load(whole), load(torn)
    assert all((expected[name] == actual[name]).all() for name in expected)


def test_a_precursor_of_other_states_is_refused():
    with pytest.raises(ConfigError, match="transfer.precursor has 3 states; the device has 5"):
        experiment(transfer={"precursor": {"kind": "ideal", "states": 3}})


def test_pairs_are_written_and_drift(tmp_path):
    small = experiment({"kind": "pcm_pair"}, write={"margin": 0.75, "max_attempts": 60},
                       transfer={}, update={"residual": "nominal"},
                       layers=[{"cols": 12, "weight_step": -5, "z_frac": 6}, {"cols": 10, "weight_step": -3}])
    result = transfer.run(small, out=tmp_path, samples=300, baseline=False, progress=False)
    assert result.attempts_per_cell > 0.1
    answer = evaluate.run(tmp_path, seconds=(1.0, 38.6, 1e9))
    assert [row.test_accuracy for row in answer.drift[:2]] == [result.test_accuracy] * 2
    network = Network(small)
    network.load(load(tmp_path))
    before = network.crossbars[0].g.double()
    drift(network, 38.6 * 10**5)  # to 10 ** -0.2 of the conductance
    assert (network.crossbars[0].g.double() - before * 10**-0.2).abs().max() <= 1  # two roundings


def test_only_what_drifts_can_be_drifted(tmp_path):
    transfer.run(experiment(), out=tmp_path, samples=20, baseline=False, progress=False)
    with pytest.raises(ConfigError, match="device.kind='domain_wall': its conductance does not drift"):
        evaluate.run(tmp_path, seconds=(10.0,))
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        evaluate.run(tmp_path / "nothing")
