"""Events follow from counters and geometry: every number by hand."""

import pytest
from spinloom.config import parse
from spinloom.contract.geometry import COUNTERS
from spinloom.study.energy import events

COUNTS = dict(zip(COUNTERS, (7, 50, 20, 40, 30, 11, 4, 1, 2), strict=True))


def experiment(kind="domain_wall", **fields):
    """6-4-3 with a bias row in the first layer, two lanes in the first, one ADC in both."""
    return parse({"input": {"count": 6}, "device": {"kind": kind}, "layers": [
        {"cols": 4, "lanes": 2, "adcs": 1, "bias": True}, {"cols": 3, "adcs": 1}]} | fields, "small")


def convolutions(**fields):
    """A convolution at 6 positions of 12 rows and a bias row, and a dense layer."""
    return experiment(input={"map": [4, 3, 3]}, layers=[
        {"kind": "conv", "cols": 4, "kernel": 2, "lanes": 2, "adcs": 1, "bias": True}, {"cols": 3}], **fields)


def numbers(described, layer=0, counts=COUNTS):
    """Number and steps of each event, by phase and name."""
    return {(event.phase, event.name): (event.number, event.steps)
            for event in events.events(described, described.crossbars[layer], counts)}


def test_events_of_a_dense_layer():
    assert numbers(experiment()) == {
        ("forward", "drives"): (50, 0), ("forward", "cell reads"): (4 * 50, 7),
        ("forward", "conversions"): (4 * 7, 4 * 7),
        ("backward", "drives"): (4 * 7, 0), ("backward", "cell reads"): (4 * 20, 7),
        ("backward", "conversions"): (20, 20),
        ("update", "accumulations"): (4 * 40, 2 * 40), ("update", "comparisons"): (4 * 30, 0),
        ("update", "accumulator accesses"): (2 * 4 * 40, 0),
        ("programming", "write pulses"): (7, 7), ("programming", "verify pulses"): (4, 4),
        ("programming", "resets"): (4, 2), ("programming", "read-backs"): (11, 11),
        ("programming", "accumulator accesses"): (14, 0),
    }


def test_events_of_a_convolution():
    """Products are made at every position; residuals are read, written and looked at once a sample."""
    counts = COUNTS | {"forwards": 42, "product_rows": 170}
    found = numbers(convolutions(), counts=counts)
    assert found["forward", "conversions"] == (4 * 42, 4 * 42)
    assert found["update", "accumulations"] == (4 * 170, 2 * 170)
    assert found["update", "accumulator accesses"] == (2 * 4 * 40, 0)
    assert found["update", "comparisons"] == (4 * 30, 0)


def test_a_backward_pass_reads_at_least_one_row():
    found = numbers(experiment(), 1, COUNTS | {"backward_rows": 3})
    assert found["backward", "drives"] == (3 * 3, 0)
    assert numbers(experiment(), 0, COUNTS | {"backward_rows": 0})["backward", "drives"] == (0, 0)


def test_converters_work_side_by_side():
    described = experiment(layers=[{"cols": 4, "adcs": 2}, {"cols": 3, "adcs": 3}])
    assert numbers(described)["forward", "conversions"] == (4 * 7, 2 * 7)
    assert numbers(described, 1)["backward", "conversions"] == (20, 7)


def test_a_residual_that_is_not_verified_is_not_read_back():
    assert numbers(experiment(update={"residual": "nominal"}))["programming", "read-backs"] == (4, 4)


def test_every_device_of_a_cell_is_read():
    """And once more before a pulse, to see which are to be pulsed."""
    plain, several = numbers(experiment()), numbers(experiment(synapse={"turns": 3}))
    for phase in ("forward", "backward"):
        number, steps = plain[phase, "cell reads"]
        assert several.pop((phase, "cell reads")) == (3 * number, steps)
    pulses, (read_backs, _) = plain["programming", "write pulses"][0], plain["programming", "read-backs"]
    assert several.pop(("programming", "read-backs")) == 2 * (read_backs + 3 * pulses,)
    assert all(plain[event] == number for event, number in several.items())


def test_a_mini_batch_looks_at_the_residuals_once_more():
    found = numbers(experiment(batch=4))
    assert found["update", "accumulator accesses"] == (4 * (2 * 40 + 30), 0)
    assert found["update", "comparisons"] == (4 * 30, 2 * 30)


STOCHASTIC = {"rounding": "stochastic", "residual": "none"}


def test_stochastic_rounding_has_trials_and_no_accumulator():
    found = numbers(experiment("mtj", update=STOCHASTIC))
    assert found["programming", "switching trials"] == (4 * 30, 2 * 30)
    assert found["programming", "write pulses"] == (7, 0)
    assert not {("update", "comparisons"), ("update", "accumulator accesses"),
                ("programming", "accumulator accesses")} & set(found)


def test_an_accumulator_that_lasts_for_a_mini_batch_is_read_and_cleared():
    found = numbers(experiment("mtj", update=STOCHASTIC, batch=4))
    assert found["update", "accumulator accesses"] == (4 * 2 * (40 + 30), 0)


def test_a_host_adds_increments_to_every_cell():
    """Its increments are rounded at once, so nothing has to be kept. It makes the products."""
    described = experiment("mtj", update=STOCHASTIC, batch=4, host={})
    found = numbers(described)
    assert ("update", "accumulator accesses") not in found
    assert found["update", "accumulations"] == (4 * 40, 2 * 40)
    counts = COUNTS | {"product_rows": 0}
    assert numbers(convolutions(host={}, batch=4), counts=counts)["update", "accumulations"] == (4 * 40, 2 * 40)


def digital(described, layer, samples):
    crossbar = described.crossbars[layer]
    batches = -(-samples // described.batch)
    found = {}
    for event in events.digital_events(described, crossbar, events.dense(crossbar, samples, batches), batches):
        found[event.name] = found.get(event.name, 0) + event.number
    return found


def test_a_dense_digital_implementation():
    """Twice through the weights forward and in the update, once more backward behind neurons. A weight is read for each
    pass, and written."""
    assert digital(experiment(), 0, 10) == {
        "multiplications": 10 * 2 * 28, "additions": 10 * 2 * 28, "weight accesses": 10 * 3 * 28}
    assert digital(experiment(), 1, 10) == {
        "multiplications": 10 * 3 * 12, "additions": 10 * 3 * 12, "weight accesses": 10 * 4 * 12}
    assert digital(experiment(batch=4), 0, 10) == {  # three mini-batches
        "multiplications": 10 * 2 * 28 + 3 * 28, "additions": 10 * 2 * 28 + 3 * 28,
        "weight accesses": 10 * 3 * 28 + 3 * 3 * 28}


def test_a_digital_convolution():
    """Everything at every position, but weights are changed once a sample."""
    assert digital(convolutions(), 0, 10) == {
        "multiplications": 10 * 6 * 2 * 52, "additions": 10 * 6 * 2 * 52, "weight accesses": 10 * (6 * 52 + 2 * 52)}
    described = experiment(input={"map": [1, 4, 1]}, layers=[
        {"kind": "conv", "cols": 2, "kernel": 1}, {"kind": "conv", "cols": 5, "kernel": [1, 2], "pool": [1, 3]}])
    found = digital(described, 1, 10)
    assert found["multiplications"] == 10 * 3 * 3 * 20
    assert found["weight accesses"] == 10 * (3 * 2 * 20 + 2 * 20)


def test_a_digital_implementation_that_leaves_out_what_we_do():
    crossbar = experiment().crossbars[1]
    found = {(event.phase, event.name): event.number for event in events.digital_events(
        experiment(), crossbar, events.counted(COUNTS), 7)}
    assert found == {
        ("forward", "multiplications"): 3 * 50, ("forward", "additions"): 3 * 50,
        ("forward", "weight accesses"): 3 * 50,
        ("backward", "multiplications"): 3 * 20, ("backward", "additions"): 3 * 20,
        ("backward", "weight accesses"): 3 * 20, ("update", "multiplications"): 3 * 40,
        ("update", "additions"): 3 * 40, ("update", "weight accesses"): 2 * 3 * 40}


@pytest.mark.parametrize(("layer", "forward", "backward"), [(0, 7 * 28, 0), (1, 7 * 12, 7 * 12)])
def test_operations_are_two_a_cell(layer, forward, backward):
    crossbar = experiment().crossbars[layer]
    assert events.operations(crossbar, events.dense(crossbar, 7, 7)) == {
        "forward": 2 * forward, "backward": 2 * backward, "update": 2 * forward}
    assert events.operations(crossbar, events.counted(COUNTS)) == {
        "forward": 2 * crossbar.cols * 50, "backward": 2 * crossbar.cols * 20, "update": 2 * crossbar.cols * 40}
