"""The account of a run: joules and seconds are sums of events at their costs, all by hand.

Costs are whole joules and seconds, or halves and quarters of them, so sums are exact.
"""

from dataclasses import fields
from random import Random

import numpy as np
import pytest
import torch
from spinloom.config import load, parse
from spinloom.contract.errors import ConfigError
from spinloom.contract.geometry import COUNTERS
from spinloom.model.network import Network
from spinloom.random_experiment import random_experiment
from spinloom.study.energy import account
from spinloom.study.energy.costs import Costs
from spinloom.study.energy.ledger import Run
from spinloom.study.energy.results import EnergyResult
from spinloom.train import data, run_folder
from spinloom.train.identity import Identity

JOULE, SECOND = 1e12, 1e9
"""In picojoules and nanoseconds."""


def cost(joules, standing="sourced"):
    return {"picojoules": joules * JOULE, "standing": standing, "source": "made up"}


def duration(seconds, standing="sourced"):
    return {"nanoseconds": seconds * SECOND, "standing": standing, "source": "made up"}


def table(kind="domain_wall", **changes):
    """Costs with another figure for each event. An access of 16 bits costs 1/8 J in 24 bytes, and 1/4 J beyond."""
    device = {"read": cost(2 / 1024, "placeholder"), "pulse": cost(8 / 1024), "reset": cost(16 / 1024),
              "pulse_time": duration(1 / 16, "placeholder"), "reset_time": duration(1 / 32)}
    return Costs.model_validate({
        "memory": [{"bytes": 24, **cost(0.5)}, cost(1.0)],
        "digital": {"float32": {"bits": 32, "multiply": cost(0.5), "add": cost(0.25)},
                    "float16": {"bits": 16, "multiply": cost(0.25), "add": cost(0.125)}},
        "array": {"drive": cost(1 / 1024), "conversion": cost(4 / 1024), "accumulation": cost(32 / 1024),
                  "comparison": cost(64 / 1024)},
        "time": {"read": duration(1 / 4), "conversion": duration(1 / 8), "word": duration(1 / 2)},
        "device": {kind: device}} | changes)


COUNTS = dict(zip(COUNTERS, (7, 50, 20, 40, 30, 11, 4, 1, 2), strict=True))
DENSE = {"input": {"count": 6}, "layers": [{"cols": 4, "lanes": 2, "adcs": 1, "bias": True}, {"cols": 3, "adcs": 1}]}
CONVOLUTIONS = {"input": {"map": [4, 3, 3]}, "layers": [
    {"kind": "conv", "cols": 4, "kernel": 2, "lanes": 2, "adcs": 1, "bias": True}, {"cols": 3, "adcs": 1}]}
POSITIONS = COUNTS | {"forwards": 42, "product_rows": 170}


def experiment(shape=DENSE, kind="domain_wall", **given):
    return parse({"device": {"kind": kind}} | shape | given, "small")


def spent(shape=DENSE, counters=(COUNTS, COUNTS), costs=None, **given):
    return account.account(Run(experiment=experiment(shape, **given), counters=counters), costs or table())


def phases(answer, layer):
    return {row.phase: (row.joules, row.joules_one_memory, row.seconds) for row in answer.phases if row.layer == layer}


def test_a_dense_network_by_hand():
    """Residuals of the first layer, 7 x 4 of 16 bits, are 28 bytes in each of two banks, 56 as one memory; those of the
    second, 4 x 3, are 24 bytes in one bank."""
    answer = spent()
    programming = (7 * 8 + 4 * 8 + 2 * 2 * 16 + 11 * (2 + 4)) / 1024
    times = (7 + 4) / 16 + 2 / 32 + 11 * (1 / 4 + 1 / 8)
    assert phases(answer, 0) == {
        "forward": (((50 + 4 * 50 * 2 + 4 * 7 * 4) / 1024,) * 2 + (7 / 4 + 4 * 7 / 8,)),
        "backward": (((4 * 7 + 4 * 20 * 2 + 20 * 4) / 1024,) * 2 + (7 / 4 + 20 / 8,)),
        "update": ((4 * 40 * 32 + 4 * 30 * 64) / 1024 + 2 * 4 * 40 / 4,
                   (4 * 40 * 32 + 4 * 30 * 64) / 1024 + 2 * 4 * 40 / 4, 2 * 40 / 2),
        "programming": (programming + 2 * 7 / 4, programming + 2 * 7 / 4, times),
    }
    assert phases(answer, 1) == {
        "forward": (((50 + 3 * 50 * 2 + 3 * 7 * 4) / 1024,) * 2 + (7 / 4 + 3 * 7 / 8,)),
        "backward": (((3 * 7 + 3 * 20 * 2 + 20 * 4) / 1024,) * 2 + (7 / 4 + 20 / 8,)),
        "update": (((3 * 40 * 32 + 3 * 30 * 64) / 1024 + 2 * 3 * 40 / 8,) * 2 + (40 / 2,)),
        "programming": (programming + 2 * 7 / 8, programming + 2 * 7 / 8, times),
    }
    assert answer.samples == 7
    assert answer.joules == sum(row.joules for row in answer.phases) == sum(row.joules for row in answer.events)
    assert answer.seconds == sum(row.seconds for row in answer.phases) == sum(row.seconds for row in answer.events)


def test_a_convolution_by_hand():
    """12 rows and a bias row, at 6 positions; 26 bytes in each of two banks."""
    answer = spent(CONVOLUTIONS, (POSITIONS, COUNTS))
    assert answer.samples == 7
    assert phases(answer, 0)["forward"] == (((50 + 4 * 50 * 2 + 4 * 42 * 4) / 1024,) * 2 + (42 / 4 + 4 * 42 / 8,))
    assert phases(answer, 0)["update"] == (
        ((4 * 170 * 32 + 4 * 30 * 64) / 1024 + 2 * 4 * 40 / 4,) * 2 + (2 * 170 / 2,))


def test_banks_and_one_memory_on_both_sides():
    """Of 6-4, four banks of 12 bytes, or one memory of 48; of 32-bit weights, 24 and 96."""
    shape = {"input": {"count": 6}, "layers": [{"cols": 4}]}
    counts = COUNTS | {"backward_rows": 0, "attempts": 0, "verify_attempts": 0, "refreshes": 0}
    answer = spent(shape, (counts,))
    rest = (50 + 4 * 50 * 2 + 4 * 7 * 4 + 4 * 40 * 32 + 4 * 30 * 64) / 1024
    assert (answer.joules, answer.joules_one_memory) == (rest + 2 * 4 * 40 / 8, rest + 2 * 4 * 40 / 4)
    products, accesses = 7 * 2 * 24, 7 * 3 * 24
    assert answer.digital_joules == products * 0.75 + accesses * 0.25
    assert answer.digital_joules_one_memory == products * 0.75 + accesses * 0.5
    assert answer.ratio == answer.digital_joules / answer.joules
    assert answer.ratio_one_memory == answer.digital_joules_one_memory / answer.joules_one_memory


def test_narrower_digital_implementations_and_zeros():
    answer = spent({"input": {"count": 6}, "layers": [{"cols": 4}]}, (COUNTS,))
    rows = {(row.name, row.zeros): row for row in answer.digital}
    assert list(rows) == [("float32", True), ("float32", False), ("float16", True), ("float16", False)]
    assert rows["float16", True].joules == 7 * 2 * 24 * 0.375 + 7 * 3 * 24 * 0.125
    assert rows["float16", False].multiplications == 4 * (50 + 20 + 40)
    assert rows["float16", False].weight_accesses == 4 * (50 + 20 + 2 * 40)
    for row in answer.digital:
        assert (row.ratio, row.ratio_one_memory) == (
            row.joules / answer.joules, row.joules_one_memory / answer.joules_one_memory)


def test_time_of_each_work_and_the_busiest_unit():
    answer = spent()
    first, second = answer.times
    pulses = (7 + 4) / 16 + 2 / 32 + 11 * (1 / 4 + 1 / 8)
    assert (first.reads, first.conversions, first.updates, first.pulses) == (
        7 / 4 + 7 / 4, 4 * 7 / 8 + 20 / 8, 2 * 40 / 2, pulses)
    assert (second.reads, second.conversions, second.updates, second.pulses) == (
        7 / 4 + 7 / 4, 3 * 7 / 8 + 20 / 8, 40 / 2, pulses)
    assert answer.seconds_pipelined == 2 * 40 / 2
    slow = spent(costs=table(time={"read": duration(8.0), "conversion": duration(1.0), "word": duration(1.0)}))
    assert slow.seconds_pipelined == 2 * 7 * 8 + 11 / 16 + 2 / 32 + 11 * 9  # one array is read and pulsed


def test_operations_a_joule_and_a_second():
    forward, backward, update = spent().efficiency
    assert (forward.operations, forward.operations_done) == (7 * 2 * (28 + 12), 2 * (4 + 3) * 50)
    assert (backward.operations, backward.operations_done) == (7 * 2 * 12, 2 * (4 + 3) * 20)
    assert (update.operations, update.operations_done) == (7 * 2 * (28 + 12), 2 * (4 + 3) * 40)
    by_phase = {row.phase: row for row in (forward, backward, update)}
    for name, parts in account.EFFICIENCIES.items():
        row = by_phase[name]
        assert row.joules == sum(part.joules for part in spent().phases if part.phase in parts)
        assert row.seconds == sum(part.seconds for part in spent().phases if part.phase in parts)
        assert row.operations_per_joule == row.operations / row.joules
        assert row.done_per_joule == row.operations_done / row.joules
        assert row.operations_per_second == row.operations / row.seconds


def test_what_rests_on_placeholders():
    answer = spent()
    assumed = 2 * ((4 + 3) * (50 + 20) + 2 * 11) / 1024  # reads of cells
    assert answer.placeholder_share == assumed / answer.joules
    assert answer.seconds_placeholder_share == 2 * 11 / 16 / answer.seconds
    assert answer.efficiency[0].placeholder_share == 2 * (4 + 3) * 50 / 1024 / answer.efficiency[0].joules


def test_what_each_placeholder_decides():
    answer = spent()
    read, time = answer.sensitivity
    assert (read.figure, read.value) == ("device.domain_wall.read", 2 / 1024 * JOULE)
    assert (time.figure, time.value) == ("device.domain_wall.pulse_time", SECOND / 16)
    more = spent(costs=table(device={"domain_wall": {
        "read": cost(20 / 1024, "placeholder"), "pulse": cost(8 / 1024), "reset": cost(16 / 1024),
        "pulse_time": duration(10 / 16, "placeholder"), "reset_time": duration(1 / 32)}}))
    assert (read.joules[1], read.ratio[1], read.seconds) == (more.joules, more.ratio, (answer.seconds,) * 2)
    assert (time.joules, time.ratio, time.seconds[1]) == ((answer.joules,) * 2, (answer.ratio,) * 2, more.seconds)
    assert read.joules[0] < answer.joules < read.joules[1]
    assert read.ratio[0] > answer.ratio > read.ratio[1]


def test_published_figures_stand_beside_the_same_quantity():
    answer = spent()
    found = {row.quantity: row for row in answer.published}
    assert found["energy a sample"].here == answer.joules / 7 / 1e-9
    assert (found["energy a sample"].published, found["energy a sample"].unit) == (83.2, "nJ")
    forward = found["operations a second and a watt, forward"]
    assert (forward.published, forward.here) == (18.3, answer.efficiency[0].operations_per_joule / 1e12)
    assert [row.published for row in answer.published if row.quantity == "ratio to 32 bit"] == [172, 100]
    assert found["ratio to 32 bit"].here == answer.ratio


def test_a_host_and_a_transfer_are_not_compared():
    hosted = spent(host={"optimizer": "sgd"})
    assert (hosted.ratio, hosted.ratio_one_memory, hosted.samples) == (None, None, 7)
    assert "what the host computes" in hosted.notes[0]
    assert {row.ratio for row in hosted.sensitivity} == {(None, None)}
    forward, backward, update = hosted.efficiency
    assert forward.operations == 7 * 2 * (28 + 12)
    assert (backward.operations, update.operations) == (backward.operations_done, update.operations_done)
    written = spent(counters=[dict.fromkeys(COUNTERS, 0) | {"attempts": 9, "verify_attempts": 9}] * 2,
                    transfer={"precursor": {"kind": "ideal"}})
    assert (written.samples, written.ratio, {row.phase for row in written.phases}) == (0, None, {"programming"})
    assert written.joules == 2 * 9 * (8 + 2 + 4) / 1024
    assert [row.here for row in written.published if row.quantity == "energy a sample"] == [None]


def test_a_mini_batch_ends_with_its_epoch():
    """Two epochs of three samples in mini-batches of two are four of them: so often do both sides go over all rows."""
    described = experiment({"input": {"count": 2}, "layers": [{"cols": 2, "weight_step": -1}]}, batch=2)
    network = Network(described)
    for epoch in range(2):
        network.train_span(torch.ones((3, 2), dtype=torch.int64), np.zeros(3, dtype=np.int64), np.arange(3), range(3),
                           described.learning_rate_shift(epoch))
    run = Run(experiment=described, counters=[crossbar.counters for crossbar in network.crossbars])
    assert (run.samples, run.batches) == (6, 4)
    dense = account.account(run, table()).digital[0]
    assert dense.multiplications == 6 * 2 * 4 + 4 * 4
    assert dense.weight_accesses == 6 * 3 * 4 + 4 * 3 * 4


@pytest.mark.parametrize("convolutional", [False, True])
def test_random_trainings_add_up(convolutional):
    """Whatever is trained: parts add up to wholes, what is left out is no more than all of it, banks cost no more than
    one memory, and more expensive events no less."""
    for seed in range(8):
        described = random_experiment(Random(f"{convolutional} {seed}"), convolutions=convolutional)
        network, drive = Network(described), Random(seed)
        first = described.crossbars[0]
        for _ in range(3):
            xs = torch.tensor([drive.randint(-(first.x.minimum < 0), first.x.maximum)
                               for _ in range(first.window.cells)])
            network.train(xs, drive.randrange(described.crossbars[-1].cols), described.learning_rate_shift(0), True)
        answer = account.account(
            Run(experiment=described, counters=[crossbar.counters for crossbar in network.crossbars]),
            table(described.device.kind))
        assert answer.samples == 3
        assert answer.joules == sum(row.joules for row in answer.phases) == sum(row.joules for row in answer.events)
        assert answer.seconds == sum(row.seconds for row in answer.phases) == sum(
            row.reads + row.conversions + row.updates + row.pulses for row in answer.times)
        assert answer.seconds_pipelined <= answer.seconds
        assert answer.joules <= answer.joules_one_memory
        for row in answer.efficiency:
            assert row.operations_done <= row.operations
        dense, less, narrow, least = (row.joules for row in answer.digital)
        assert dense >= less >= least
        assert dense >= narrow >= least
        for row in answer.sensitivity:
            assert row.joules[0] <= answer.joules <= row.joules[1]
            assert row.seconds[0] <= answer.seconds <= row.seconds[1]


def begun(folder, described):
    """What the folder says of a run of ``described``; the data set is any."""
    return run_folder.create(folder, Identity.of("train", described, data.load(load("digits-dw5"))))


def left_behind(folder, described, counters):
    record = begun(folder, described)
    run_folder.write_state(folder, {f"layer{index}_counters": np.array(list(counts.values()))
                                    for index, counts in enumerate(counters)}, run_folder.Position(1), record)
    return folder


def test_a_run_is_read_from_its_folder(tmp_path):
    network = Network(experiment(CONVOLUTIONS))
    for label in range(3):
        network.train(torch.arange(36), label, 6)
    counters = [dict(crossbar.counters) for crossbar in network.crossbars]
    answer = account.run(left_behind(tmp_path, experiment(CONVOLUTIONS), counters))
    assert (answer.samples, counters[0]["forwards"], answer.layers) == (3, 18, ("4C2", "3"))
    numbers = {(row.layer, row.event): row.number for row in answer.events}
    assert numbers[0, "accumulations"] == 4 * counters[0]["product_rows"]
    assert numbers[1, "accumulations"] == 3 * counters[1]["update_rows"]
    assert EnergyResult.from_json(answer.to_json(), "answer") == answer


def test_a_machine_that_has_done_nothing_has_spent_nothing(tmp_path):
    described = experiment()
    run_folder.write_state(tmp_path, Network(described).state(), run_folder.Position(0), begun(tmp_path, described))
    answer = account.run(tmp_path)
    assert (answer.samples, answer.joules, answer.seconds, answer.ratio, answer.events) == (0, 0, 0, None, ())
    assert answer.notes == ["nothing was trained"]


def test_no_run_and_no_costs_are_named(tmp_path):
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        account.run(tmp_path)
    folder = left_behind(tmp_path, experiment(), [COUNTS] * 2)
    with pytest.raises(ConfigError, match=r"there is no cost for device\.domain_wall\.reset"):
        account.run(folder)
    left_behind(tmp_path, experiment(), [dict(list(COUNTS.items())[:8])] * 2)
    with pytest.raises(ConfigError, match="layer0_counters: the crossbar has 9 counters"):
        account.run(folder)
    (tmp_path / "state.npz").write_bytes(b"torn")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        account.run(folder)


def test_every_figure_of_the_answer_is_named():
    assert {field.name for field in fields(EnergyResult)} == set(spent().to_json())
