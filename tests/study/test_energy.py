"""Energy of runs: events follow from counters and geometry, joules from events and costs."""

import numpy as np
import pytest
import torch
from spinloom.config import load, parse
from spinloom.contract.errors import ConfigError
from spinloom.contract.geometry import COUNTERS
from spinloom.devices.kinds import KINDS
from spinloom.model.network import Network
from spinloom.study import energy
from spinloom.train import data, run_folder
from spinloom.train.identity import Identity

COUNTS = dict(zip(COUNTERS, (7, 50, 20, 40, 30, 11, 4, 1, 2), strict=True))


def experiment(device, **fields):
    return parse({"input": {"count": 6}, "device": device, "layers": [{"cols": 5, "bias": True}, {"cols": 3}]} | fields,
                 "small")


def begun(folder, described):
    """What the folder says of a run of ``described``; the data set is any."""
    return run_folder.create(folder, Identity.of("train", described, data.load(load("digits-dw5"))))


def left_behind(folder, described, counters):
    record = begun(folder, described)
    run_folder.write_state(folder, {f"layer{index}_counters": np.array(list(counts.values()))
                                    for index, counts in enumerate(counters)}, run_folder.Position(1), record)
    return folder


def test_events_of_the_two_layers():
    first, second = (energy.events(described, crossbar, COUNTS)
                     for described in [experiment({"kind": "domain_wall"})] for crossbar in described.crossbars)
    assert first == {"drives": 50, "cell reads": 5 * 70, "conversions": 5 * 7 + 20, "accumulations": 200,
                     "accumulator accesses": 400, "comparisons": 150, "write pulses": 7, "verify pulses": 4,
                     "resets": 4, "read-backs": 11}
    assert (second["drives"], second["cell reads"]) == (50 + 3 * 7, 3 * 70)


def test_a_residual_that_is_not_verified_is_not_read_back():
    described = experiment({"kind": "domain_wall"}, update={"residual": "nominal"})
    assert energy.events(described, described.crossbars[0], COUNTS)["read-backs"] == 4


def test_a_mini_batch_reads_the_residuals_once_more():
    described = experiment({"kind": "domain_wall"}, batch=4)
    assert energy.events(described, described.crossbars[0], COUNTS)["accumulator accesses"] == 400 + 150


def test_stochastic_rounding_has_trials_and_no_accumulator():
    described = experiment({"kind": "mtj"}, update={"rounding": "stochastic", "residual": "none"})
    numbers = energy.events(described, described.crossbars[0], COUNTS)
    assert (numbers["switching trials"], numbers["accumulator accesses"]) == (150, 0)
    assert "comparisons" not in numbers


def convolutions(**fields):
    """A convolution at 6 positions of 12 rows, with a bias, and a dense layer."""
    return experiment({"kind": "domain_wall"}, input={"map": [4, 3, 3]}, layers=[
        {"kind": "conv", "cols": 5, "kernel": 2, "bias": True}, {"cols": 3}], **fields)


def test_positions_are_events_and_samples_are_visited():
    described = convolutions()
    counts = COUNTS | {"forwards": 42, "update_rows": 40, "product_rows": 170}
    numbers = energy.events(described, described.crossbars[0], counts)
    assert described.crossbars[0].positions == 6
    assert (numbers["conversions"], numbers["accumulations"]) == (5 * 42 + 20, 5 * 170)
    assert (numbers["accumulator accesses"], numbers["comparisons"]) == (2 * 5 * 40, 5 * 30)


def test_digital_events_of_positions():
    """Forward, update and, behind a neuron, backward are computed at every position; a sample changes the weights
    once."""
    first = convolutions().crossbars[0]
    assert energy.digital_events(convolutions(), first, 10) == {
        "multiplications": 10 * 6 * 2 * 65, "additions": 10 * 6 * 2 * 65, "weight accesses": 10 * (6 * 65 + 2 * 65)}
    described = experiment({"kind": "domain_wall"}, input={"map": [1, 4, 1]}, layers=[
        {"kind": "conv", "cols": 2, "kernel": 1}, {"kind": "conv", "cols": 5, "kernel": [1, 2], "pool": [1, 3]}])
    second = energy.digital_events(described, described.crossbars[1], 10)
    assert second["multiplications"] == 10 * 3 * 3 * 20
    assert second["weight accesses"] == 10 * (3 * 2 * 20 + 2 * 20)


def test_the_forward_passes_of_a_run_are_its_samples_times_positions(tmp_path):
    described = convolutions()
    network = Network(described)
    for label in range(3):
        network.train(torch.arange(36), label, 6)
    counters = [dict(crossbar.counters) for crossbar in network.crossbars]
    answer = energy.run(left_behind(tmp_path, described, counters))
    assert (answer.samples, counters[0]["forwards"]) == (3, 18)
    digital = {row.event: row.number for row in answer.digital}
    assert digital["multiplications"] == 3 * (6 * 2 * 65 + 3 * 30 * 3)
    accumulations = next(row.number for row in answer.events if row.event == "accumulations")
    assert accumulations == 5 * counters[0]["product_rows"] + 3 * counters[1]["update_rows"]
    with pytest.raises(ConfigError, match="layer0_counters: the crossbar has 10 counters"):
        energy.run(left_behind(tmp_path, described, [counters[1]] * 2))


def test_digital_events():
    described = experiment({"kind": "ideal"})
    first, second = (energy.digital_events(described, crossbar, 10) for crossbar in described.crossbars)
    assert first == {"multiplications": 700, "additions": 700, "weight accesses": 1050}  # 7 x 5 weights, twice, thrice
    assert second == {"multiplications": 450, "additions": 450, "weight accesses": 600}  # and backward through 5 x 3
    batched = energy.digital_events(experiment({"kind": "ideal"}, batch=4), described.crossbars[0], 10)
    assert batched == {"multiplications": 805, "additions": 805, "weight accesses": 1365}  # three mini-batches


@pytest.mark.parametrize(("device", "fields"), [
    ({"kind": "domain_wall"}, {}), ({"kind": "incremental"}, {"batch": 2}), ({"kind": "ideal"}, {}),
    ({"kind": "pcm_pair"}, {"update": {"residual": "nominal"}}),
    ({"kind": "mtj"}, {"update": {"rounding": "stochastic", "residual": "none"}}),
])
def test_joules_are_the_sum_of_events_at_their_costs(tmp_path, device, fields):
    described = experiment(device, **fields)
    counters = [COUNTS | ({} if device["kind"] == "pcm_pair" else {"refreshes": 0})] * 2
    answer = energy.run(left_behind(tmp_path, described, counters))
    rows = {row.event: row for row in answer.events}
    for row in answer.events + answer.digital:
        assert row.joules == pytest.approx(row.number * row.picojoules * 1e-12)
        assert row.standing or not row.joules
    assert answer.joules == pytest.approx(sum(row.joules for row in rows.values()))
    assert sum(row.share for row in rows.values()) == pytest.approx(1)
    assert answer.ratio == pytest.approx(answer.digital_joules / answer.joules)
    costs = energy.load_costs()
    assert rows["conversions"].picojoules == pytest.approx(costs.array.conversion.picojoules)
    pulse = costs.device[device["kind"]].pulse.picojoules
    if "switching trials" in rows:
        assert rows["switching trials"].picojoules == pytest.approx(pulse)
        assert rows["write pulses"].joules == 0
    else:
        assert rows["write pulses"].picojoules == pytest.approx(pulse)
    if device["kind"] == "pcm_pair":
        assert rows["resets"].picojoules == pytest.approx(costs.device["pcm_pair"].reset.picojoules)


def test_arrays_are_held_in_the_smallest_memory_that_they_fit_in():
    costs = energy.load_costs()
    assert costs.access(8 * 8192, 64).picojoules == 10
    assert costs.access(8 * 8192 + 1, 16).picojoules == 20 / 4
    assert costs.access(2**40, 64).picojoules == 1300


def test_the_counters_of_a_machine_are_understood(tmp_path):
    described = experiment({"kind": "domain_wall"})
    run_folder.write_state(tmp_path, Network(described).state(), run_folder.Position(0), begun(tmp_path, described))
    answer = energy.run(tmp_path)
    assert (answer.samples, answer.joules, answer.ratio, answer.events) == (0, 0, None, ())


def test_what_a_host_does_is_not_compared(tmp_path):
    described = experiment({"kind": "domain_wall"}, host={"optimizer": "sgd"})
    answer = energy.run(left_behind(tmp_path, described, [COUNTS | {"refreshes": 0}] * 2))
    assert (answer.ratio, answer.samples) == (None, 7)
    assert "what the host computes" in answer.notes[0]


def test_no_run_and_no_costs_are_named(tmp_path):
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        energy.run(tmp_path)
    folder = left_behind(tmp_path, experiment({"kind": "domain_wall"}), [COUNTS] * 2)
    with pytest.raises(ConfigError, match=r"there is no cost for device\.domain_wall\.reset"):
        energy.run(folder)
    costs = energy.load_costs()
    with pytest.raises(ConfigError, match=r"there are no costs for device\.domain_wall"):
        energy.run(folder, costs.model_copy(update={"device": {}}))
    left_behind(tmp_path, experiment({"kind": "domain_wall"}), [dict(list(COUNTS.items())[:8])] * 2)
    with pytest.raises(ConfigError, match="layer0_counters: the crossbar has 9 counters"):
        energy.run(folder)
    (tmp_path / "state.npz").write_bytes(b"torn")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        energy.run(folder)


DEVICE = """
[device.mtj]
read = { picojoules = 0.5, standing = "placeholder", source = "ours" }
pulse = { picojoules = 7, standing = "placeholder", source = "ours" }
"""


def test_a_table_may_give_costs_of_devices(tmp_path):
    (tmp_path / "costs.toml").write_text(energy.COSTS.read_text() + DEVICE)
    costs = energy.load_costs(tmp_path / "costs.toml")
    assert set(costs.device) == {"mtj"}
    assert (costs.device["mtj"].read.picojoules, costs.device["mtj"].pulse.picojoules) == (0.5, 7)
    assert costs.device["mtj"].reset is None
    assert set(energy.load_costs().device) == set(KINDS)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("picojoules = 3.7", "picojoules = -1", "digital.multiply.picojoules=-1: .* greater than or equal to 0"),
    ("picojoules = 3.7", "", "digital.multiply.picojoules: Field required"),
    ('standing = "sourced"', 'standing = "guessed"', "memory.0.standing.*: Input should be 'sourced', 'derived'"),
    ("bytes = 32768", "bytes = 100", r"memory: bytes=\[8192, 100, 1048576, None\]: must ascend"),
    ("[device.mtj]", "[device.rram]", "device.rram: must be one of ideal, domain_wall"),
    ("[device.mtj]", "[device.mtj", "not valid TOML"),
])
def test_a_wrong_table_of_costs_is_named(tmp_path, old, new, message):
    text = energy.COSTS.read_text()
    text += DEVICE
    assert old in text
    (tmp_path / "costs.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=rf"costs\.toml: {message}"):
        energy.load_costs(tmp_path / "costs.toml")
