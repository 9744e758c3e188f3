"""Voltage drops along wires: the approximation against a solver of the circuit."""

import numpy as np
import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError
from spinloom.contract.wires import left, mean_factors
from spinloom.model.network import Network
from spinloom.train import evaluate
from spinloom.train import loop as train
from spinloom.train.wires import wires


def solved(conductances, ratio):
    """What the cells of an array count, exactly: the current that leaves at the last row of each column for a unit of
    voltage at the first column of each row, (rows, cols), in units of the largest conductance.

    By Kirchhoff's laws at both nodes of every cell. The array is driven at its columns instead, one at a time: the
    circuit is reciprocal. Word lines are eliminated row by row, then bit lines from the first row to the last.
    """
    rows, cols = conductances.shape
    one, g = np.eye(cols), conductances * ratio
    across, schur = [], []
    for row in range(rows):
        line = np.diag(g[row]) + 2 * one - np.eye(cols, k=1) - np.eye(cols, k=-1)
        line[-1, -1] -= 1
        across.append(np.linalg.solve(line, np.diag(g[row])))  # voltages of the word line for those of bit lines
        rest = np.diag(g[row]) @ (one - across[row]) + (2 - (row == 0)) * one
        schur.append(np.linalg.inv(rest - schur[-1] if row else rest))
    current, voltage = np.empty_like(g), one
    for row in range(rows - 1, -1, -1):
        voltage = schur[row] @ voltage
        current[row] = (across[row] @ voltage)[0]
    return current / ratio


def random_array(rows, cols, seed=0):
    """Cells of five states, those that count positive: as in the arrays of `train.wires`."""
    return np.maximum(np.random.default_rng(seed).integers(-2, 3, (rows, cols)), 0) / 2


def deviation(approximate, exact):
    """Root mean square of the deviation, in percent of that of ``exact``."""
    return 100 * np.sqrt(((approximate - exact) ** 2).sum() / (exact**2).sum())


CASES = [  # rows, columns, ratio; percent without wires, by ladders, by ladders of mean conductances
    (16, 16, 1e-4, "0.79 0.0012 0.25"), (16, 16, 1e-3, "7.8 0.11 2.3"), (64, 16, 1e-4, "5.6 0.013 0.98"),
    (64, 64, 1e-5, "0.96 0.0016 0.14"), (64, 64, 1e-4, "9.6 0.14 1.2"), (64, 64, 1e-3, "93 5.7 7.5"),
    (128, 32, 1e-4, "20 0.12 2.1"), (128, 128, 1e-5, "3.6 0.02 0.34"), (128, 128, 1e-4, "36 1.4 2.7"),
]


@pytest.mark.parametrize(("rows", "cols", "ratio", "expected"), CASES)
def test_ladders_are_near_the_circuit(rows, cols, ratio, expected):
    """The table of docs/converters.md."""
    array = random_array(rows, cols)
    exact, approximations = solved(array, ratio), (array, array * left(array, ratio),
                                                   array * factors(rows, cols, ratio))
    assert " ".join(f"{deviation(each, exact):.2g}" for each in approximations) == expected


def factors(rows, cols, ratio):
    """Those of training, of an array of so many cells with five states."""
    experiment = config.parse({"input": {"count": rows}, "device": {"kind": "ideal"},
                               "converters": {"wire_ratio": ratio}, "layers": [{"cols": cols, "z_frac": 4}]}, "wires")
    return mean_factors(experiment.crossbars[0]) * 2.0**-12


def test_networks_are_evaluated_behind_wires(tmp_path):
    result = train.run(config.load("digits-dw5").replaced(epochs=1), samples=300, out=tmp_path / "run", baseline=False,
                       progress=False)
    answer = evaluate.run(tmp_path / "run", ratios=(0.0, 1e-2))
    assert answer.run == str(tmp_path / "run")
    assert answer.wires[0].test_accuracy == answer.test_accuracy == result.test_accuracy
    assert answer.wires[1].test_accuracy < result.test_accuracy


@pytest.mark.parametrize("kind", ["domain_wall", "pcm_pair"])
def test_both_devices_of_a_cell_are_weakened(kind):
    experiment = config.parse({"input": {"count": 9}, "device": {"kind": kind}, "init_spread": 9.0,
                               "layers": [{"cols": 7, "z_frac": 4}]}, "wires")
    network = Network(experiment)
    crossbar = network.crossbars[0]
    before = {name: array.clone() for name, array in crossbar.arrays.items()}
    wires(network, 0.0)
    assert all(crossbar.arrays[name].equal(array) for name, array in before.items())
    wires(network, 0.05)
    after = crossbar.arrays["g"]
    assert (after.abs() <= before["g"].abs()).all()
    assert (after * before["g"] >= 0).all()
    assert after[0, -1].abs() < before["g"][0, -1].abs() or before["g"][0, -1] == 0
    if kind == "pcm_pair":
        assert (crossbar.arrays["g_minus"] <= before["g_minus"]).all()


@pytest.mark.parametrize("synapse", [{"slices": [4, 2, 1]}, {"turns": 3}])
def test_each_device_of_a_cell_has_wires_of_its_own(synapse):
    """Against the circuit: each device lies in two arrays, one of which counts negative; their columns are added up."""
    ratio, count = 1e-3, 32
    experiment = config.parse({"input": {"count": count}, "synapse": synapse, "init_spread": 9.0,
                               "device": {"kind": "ideal", "states": 2, "sub_bits": 6},
                               "layers": [{"cols": count, "z_frac": 4}]}, "wires")
    network = Network(experiment)
    device, crossbar = experiment.crossbars[0].device, network.crossbars[0]
    before = crossbar.levels().numpy() / -device.single.origin
    wires(network, ratio)
    counts = sum(weight * (solved(np.maximum(before[..., place], 0), ratio)
                           - solved(np.maximum(-before[..., place], 0), ratio))
                 for place, weight in enumerate(device.slices.weights)) * -device.single.origin
    ideal = (before * device.slices.weights).sum(-1) * -device.single.origin
    assert deviation(crossbar.g.numpy(), counts) < 1.5 < 35 < deviation(ideal, counts)
    trained = experiment.replaced(converters={"wire_ratio": ratio}).crossbars[0]
    assert deviation(ideal * mean_factors(trained) * 2.0**-12, counts) < 3.5


def test_wires_count_once():
    experiment = config.load("digits-dw5").replaced(converters={"wire_ratio": 1e-3})
    with pytest.raises(ConfigError, match="converters.wire_ratio=0.001: the network was trained with wires"):
        wires(Network(experiment), 1e-3)
