import numpy as np
import pytest
import torch
from spinloom import config
from spinloom.model.crossbar import Crossbar, StateError


def small(**layer):
    return config.parse({
        "input": {"count": 5}, "device": {"kind": "domain_wall", "states": 5, "sigma": 0.3},
        "layers": [{"cols": 3, "bias": True, "weight_step": -3} | layer],
    }, "small")


@pytest.mark.parametrize(("states", "message"), [
    (torch.zeros(5, 3), "the crossbar has \\(6, 3\\) cells"),
    (torch.full((6, 3), 5), "states 5 to 5: the device has 0 to 4"),
])
def test_impossible_states_are_not_written(states, message):
    with pytest.raises(StateError, match=message):
        Crossbar(small().crossbars[0], 1).write(states)


def test_a_batch_is_its_samples_one_by_one():
    one, batch = Crossbar(small().crossbars[0], 1), Crossbar(small().crossbars[0], 1)
    xs = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, 5)))
    xs[0] = 0
    z = batch.forward(xs)
    assert z.tolist() == [one.forward(x).tolist() for x in xs]
    assert one.counters == batch.counters
    assert one.counters["forward_rows"] == int((xs != 0).sum()) + 7
    assert batch.evaluate(xs).tolist() == z.tolist()
    assert one.counters == batch.counters


def test_backward_reads_the_rows_asked_for():
    crossbar = Crossbar(small().crossbars[0], 1)
    d = torch.tensor([200, -256, 3])
    whole = crossbar.backward(d)
    assert whole.tolist() == (crossbar.state()["g"][:5].astype(int) @ d.numpy()).tolist()
    rows = torch.tensor([True, False, True, False, False])
    assert crossbar.backward(d, rows).tolist() == torch.where(rows, whole, 0).tolist()
    assert crossbar.counters["backward_rows"] == 7


def test_sums_are_exact_at_the_largest_size_and_widths():
    experiment = config.parse({
        "input": {"count": 1024, "bits": 12}, "device": {"kind": "ideal", "states": 64, "sub_bits": 6},
        "layers": [{"cols": 1024, "weight_step": -16, "z_bits": 12, "z_frac": 11, "delta_bits": 16, "delta_frac": 15}],
    }, "large")
    crossbar = Crossbar(experiment.crossbars[0], 1)
    random = np.random.default_rng(0)
    g = random.integers(-2048, 2048, (1024, 1024))
    g[:, 0] = -2048
    crossbar.load(crossbar.state() | {"g": g})
    x, d = np.full(1024, 4095), np.full(1024, -32768)
    sums = x @ g
    shift = experiment.crossbars[0].adc_shift
    expected = np.clip(sums + (1 << shift - 1) >> shift, -2048, 2047)
    assert crossbar.forward(torch.from_numpy(x)).tolist() == expected.tolist()
    assert crossbar.backward(torch.from_numpy(d)).tolist() == (g @ d).tolist()


def test_accumulating_then_programming_leaves_what_updating_does():
    """On cells that one update touches for the first time, programming at once and afterwards agree."""
    crossbars = [Crossbar(small(chi_frac=6).crossbars[0], 3) for _ in range(2)]
    x, d = torch.tensor([255, 0, 100, 255, 7]), torch.tensor([255, -255, 100])
    crossbars[0].update(x, d, 0)
    crossbars[1].update(x, d, 0, program=False)
    assert crossbars[1].counters["attempts"] == 0
    crossbars[1].program()
    first, second = (crossbar.state() for crossbar in crossbars)
    assert first["counters"][4] > 0
    assert all((first[name] == second[name]).all() for name in first)


def test_counters_wrap_at_40_bits():
    crossbar = Crossbar(small().crossbars[0], 1)
    state = crossbar.state()
    state["counters"][0] = (1 << 40) - 1
    crossbar.load(state)
    crossbar.forward(torch.zeros(5, dtype=torch.int64))
    assert crossbar.state()["counters"].tolist() == [0, 1, 0, 0, 0, 0]
