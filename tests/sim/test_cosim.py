"""Co-simulation as users run it: on the samples of a data set."""

import os
import re
from dataclasses import replace

import pytest
from spinloom.config import load
from spinloom.contract.errors import ConfigError
from spinloom.hw.export import netlist as netlists
from spinloom.sim import cosim
from spinloom.sim.simulators.toolchain import SimulatorError

DEVICES = {
    "domain_wall": {"kind": "domain_wall", "sigma": 0.2},
    "ideal": {"kind": "ideal"},
    "incremental": {"kind": "incremental"},
    "measured": {"kind": "measured", "states": 9, "up": [[0.0, 0.0, 1.0, 3.0], [0.0, 0.5]], "down": [[-0.5, 1.0, 2.0]]},
    "mtj": {"kind": "mtj", "curve": "tanh"},
    "pcm_pair": {"kind": "pcm_pair"},
}
"""One of each kind."""


def small(**fields):
    layers = [{"cols": 12, "lanes": 6, "bias": True, "weight_step": -2, "z_frac": 6},
              {"cols": 10, "weight_step": -1, "z_bits": 8, "z_frac": 4}]
    return load("digits-dw5").replaced(layers=layers, **fields)


def one_layer(device):
    layers = [{"cols": 10, "lanes": 2, "weight_step": -1, "z_bits": 8, "z_frac": 4}]
    return load("digits-dw5", device).replaced(batch=2, learning_rate_shifts=[2], layers=layers)


def test_golden_model_and_rtl_agree_on_digits(simulator):
    answer = cosim.run(small(batch=8), samples=20, simulator=simulator, stall=0.3)
    assert answer.bit_exact
    assert answer.first_difference is None
    assert (answer.samples, answer.simulator) == (20, simulator)
    assert answer.compared["predictions"] == 20
    assert answer.compared["g"] == answer.compared["chi"] == sum(each.rows * each.cols for each in small().crossbars)
    assert {"lfsr", "counters"} < answer.compared.keys()
    assert answer.bound_cycles_per_sample > 2 * 12
    assert answer.cycles_per_sample > 2 * 12


@pytest.mark.slow
@pytest.mark.parametrize("fields", [
    {"host": {"optimizer": "sgd"}, "batch": 4, "learning_rate_shifts": [0]}, {"transfer": {}}])
def test_convolutions_are_trained_by_a_host_and_written(fields, simulator):
    layers = [{"kind": "conv", "cols": 4, "lanes": 2, "kernel": 3, "padding": 1, "stride": 2, "pool": 2, "bias": True,
               "weight_step": -2, "z_frac": 6, "forward_reads": 3},
              {"cols": 10, "weight_step": -1, "z_bits": 8, "z_frac": 4, "second_reads": 2}]
    experiment = load("digits-dw5").replaced(input={"map": (8, 8, 1)}, layers=layers, **fields)
    answer = cosim.run(experiment, samples=40, simulator=simulator, stall=0.3)
    assert answer.bit_exact, answer.first_difference
    assert answer.counters["forwards"] == 40 * (4 * 4 + 1)
    assert answer.counters["verify_attempts" if experiment.transfer else "attempts"] > 0


@pytest.mark.parametrize(("fields", "message"), [
    ({"simulator": "questa"}, "unknown simulator 'questa': use icarus or verilator"),
    ({"netlist": "spartan"}, "no netlist of 'spartan'; families are ecp5, ice40, xc7, gowin"),
    ({"samples": 0}, "samples=0: must be at least 1"),
    ({"data_dir": "/nowhere"}, "nowhere"),
])
def test_what_cannot_be_run_is_refused(fields, message):
    experiment = load("mnist-dw5") if "data_dir" in fields else small()
    with pytest.raises((ConfigError, SimulatorError), match=message):
        cosim.run(experiment, **fields)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("family", netlists.FAMILIES)
def test_a_netlist_trains_the_same_bits(family, device, quick):
    """Of each kind of device in the cells of each family of FPGAs."""
    answer = cosim.run(one_layer(DEVICES[device]), samples=8, simulator=quick, netlist=family)
    assert answer.bit_exact, answer.first_difference
    assert answer.netlist == family
    assert answer.counters["attempts"] > 10
    assert sum(count for cell, count in answer.cells.items() if "LUT" in cell) > 1000


@pytest.mark.slow
def test_a_wrong_netlist_is_noticed(quick, monkeypatch):
    """As a synthesis tool that is wrong would make it: one bit of one LUT differs."""
    made = netlists.netlist

    def wrong(*arguments):
        right = made(*arguments)
        luts = list(re.finditer(r"LUT_INIT\(16'h(\w+)\)", right.verilog))
        lut = luts[len(luts) // 2]
        other = f"LUT_INIT(16'h{int(lut[1], 16) ^ 1:04x})"
        return replace(right, verilog=right.verilog[:lut.start()] + other + right.verilog[lut.end():])

    monkeypatch.setattr(netlists, "netlist", wrong)
    answer = cosim.run(one_layer(DEVICES["domain_wall"]), samples=8, simulator=quick, netlist="ice40")
    assert answer.first_difference


@pytest.mark.slow
def test_digits_dw5_for_500_samples(simulator):
    assert cosim.run(load("digits-dw5"), samples=500, simulator=simulator).bit_exact


@pytest.mark.slow
@pytest.mark.skipif("SPINLOOM_DATA" not in os.environ, reason="SPINLOOM_DATA does not name a folder with MNIST")
def test_mnist_dw5_for_50_samples():
    answer = cosim.run(load("mnist-dw5"), samples=50)
    assert answer.bit_exact
    assert answer.cycles_per_sample < 1.5 * answer.bound_cycles_per_sample
