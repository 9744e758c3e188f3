import numpy as np
import pytest
import torch
from spinloom import config
from spinloom.model.crossbar import Crossbar, StateError
from spinloom.model.lfsr import Lfsr

PAIR = {"kind": "pcm_pair", "sub_bits": 3}
SWITCH = {"kind": "mtj", "states": 3, "sub_bits": 3, "curve": "tanh"}
STOCHASTIC = {"rounding": "stochastic", "residual": "none"}


def small(device=None, update=None, converters=None, **layer):
    return config.parse({
        "input": {"count": 5}, "device": device or {"kind": "domain_wall", "states": 5, "sigma": 0.3},
        "update": update or {}, "converters": converters or {},
        "layers": [{"cols": 3, "bias": True, "weight_step": -3} | layer],
    }, "small")


@pytest.mark.parametrize(("operation", "values", "message"), [
    ("write", torch.zeros(5, 3), r"states of shape \(5, 3\): the crossbar has \(6, 3\) cells"),
    ("write", torch.full((6, 3), 5), "states from 5 to 5: they must lie in 0 to 4"),
    ("apply", torch.zeros(6, 4), r"increments of shape \(6, 4\): the crossbar has \(6, 3\) cells"),
    ("apply", torch.full((6, 3), 1 << 15), "increments from 32768 to 32768: they must lie in -32768 to 32767"),
])
def test_impossible_states_and_changes_are_refused(operation, values, message):
    crossbar = Crossbar(small().crossbars[0], 1)
    before = crossbar.state()
    with pytest.raises(StateError, match=message):
        getattr(crossbar, operation)(values)
    after = crossbar.state()
    assert all((before[name] == after[name]).all() for name in before)


@pytest.mark.parametrize(("device", "change", "message"), [
    (PAIR, {"g": np.full((6, 3), 126)}, "g holds values from 126 to 126; they must lie in -125 to 125"),
    (PAIR, {"g_minus": np.full((6, 3), -1)}, "g_minus holds values from -1 to -1; they must lie in 0 to 125"),
    (PAIR, {"g": np.full((6, 3), 1), "g_minus": np.full((6, 3), 125)}, r"g \+ g_minus holds values from 126 to 126"),
    (PAIR, {"g_minus": None}, "the state has no array 'g_minus'"),
    ({"kind": "incremental", "states": 5}, {"g": np.full((6, 3), -17)}, "g holds values from -17 to -17; .* -16 to 16"),
])
def test_levels_that_a_device_cannot_have_are_refused(device, change, message):
    crossbar = Crossbar(small(device).crossbars[0], 1)
    state = {name: array for name, array in (crossbar.state() | change).items() if array is not None}
    with pytest.raises(StateError, match=message):
        crossbar.load(state)


def test_the_arrays_of_the_state_are_those_that_exist():
    assert list(Crossbar(small().crossbars[0], 1).state()) == ["g", "chi", "lfsr", "counters"]
    assert list(Crossbar(small(PAIR).crossbars[0], 1).state()) == ["g", "g_minus", "chi", "lfsr", "counters"]
    everything = Crossbar(small(SWITCH, STOCHASTIC, {"read_noise": 1.0}).crossbars[0], 1).state()
    assert list(everything) == ["g", "chi", "lfsr", "rounding_lfsr", "read_lfsr", "counters"]
    assert len({int(everything[name]) for name in ("lfsr", "rounding_lfsr", "read_lfsr")}) == 3


@pytest.mark.parametrize(("device", "update"), [(PAIR, None), (SWITCH, STOCHASTIC)])
def test_a_loaded_crossbar_continues_as_the_saved_one(device, update):
    random, experiment = np.random.default_rng(0), small(device, update, {"read_noise": 1.0})
    one, two = (Crossbar(experiment.crossbars[0], seed) for seed in (1, 2))
    for crossbars in ((one,), (one, two)):
        if two in crossbars:
            two.load(one.state())
        for _ in range(10):
            x = torch.from_numpy(random.integers(0, 256, 5))
            d = torch.from_numpy(random.integers(-256, 256, 3))
            assert len({tuple(crossbar.forward(x).tolist()) for crossbar in crossbars}) == 1
            for crossbar in crossbars:
                crossbar.update(x, d, 2)
    first, second = one.state(), two.state()
    assert one.counters["attempts"] > 100
    assert all((first[name] == second[name]).all() for name in first)


def test_applied_changes_saturate_and_are_visited():
    crossbar = Crossbar(small({"kind": "ideal", "states": 5}, chi_bits=14, chi_frac=8).crossbars[0], 1)
    g, chi, dw = (np.zeros((6, 3), dtype=np.int64) for _ in range(3))
    chi[0], dw[0] = (100, -100, 0), (155, -155, 8191)
    g[1], chi[1], dw[1] = (16, -16, 16), (100, -100, 8000), (8191, -8192, 8191)
    g[2], chi[2], dw[2] = (0, 8, -8), (8000, -8000, 200), (8000, -8000, 56)
    crossbar.load(crossbar.state() | {"g": g, "chi": chi})
    crossbar.apply(torch.from_numpy(dw))
    state = crossbar.state()
    g[0, 2], g[2] = 16, (16, -16, 0)
    assert state["g"].tolist() == g.tolist()
    assert state["chi"][:2].tolist() == [[255, -255, 8191 - 512], [255, -255, 255]]
    assert state["chi"][2].tolist() == [8191 - 512, -8192 + 768, 0]
    assert not state["chi"][3:].any()
    counted = {"update_rows": 6, "visited_rows": 6, "attempts": 4}
    assert crossbar.counters == dict.fromkeys(crossbar.counters, 0) | counted


def test_stochastic_rounding_leaves_no_residual_and_draws_for_every_cell():
    crossbar = Crossbar(small(SWITCH, STOCHASTIC).crossbars[0], 1)
    state = crossbar.state()
    state["g"][:] = 8
    state["chi"][:] = 30000
    crossbar.load(state)
    crossbar.program()
    after = crossbar.state()
    assert (after["g"] == 8).all()
    assert not after["chi"].any(), "cells at their last state drop what they cannot do"
    rounding = Lfsr(int(state["rounding_lfsr"]))
    rounding.draw(18)
    assert after["rounding_lfsr"] == rounding.state
    assert crossbar.counters["attempts"] == 0

    crossbar.update(torch.tensor([0, 9, 0, 0, 0]), torch.tensor([256, 0, 0]) - 1, 0)
    rounding.draw(6)
    assert crossbar.state()["rounding_lfsr"] == rounding.state, "one row and the bias"
    crossbar.update(torch.tensor([0, 9, 0, 0, 0]), torch.tensor([0, 0, 0]), 0)
    assert crossbar.state()["rounding_lfsr"] == rounding.state
    assert crossbar.counters["visited_rows"] == 6 + 2


def test_read_noise_is_drawn_column_by_column_and_not_by_evaluation():
    geometry = small(converters={"read_noise": 4.0}).crossbars[0]
    crossbar, quiet = Crossbar(geometry, 1), Crossbar(small().crossbars[0], 1)
    quiet.load(crossbar.state())
    xs = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 5)))
    lfsr = Lfsr(int(crossbar.state()["read_lfsr"]))
    evaluated = [crossbar.evaluate(xs), crossbar.evaluate(xs)]
    assert evaluated[0].tolist() == evaluated[1].tolist()
    assert crossbar.state()["read_lfsr"] == lfsr.state
    assert evaluated[0].tolist() != quiet.evaluate(xs).tolist()
    assert [crossbar.forward(x).tolist() for x in xs] == evaluated[0].tolist()
    lfsr.draw(4 * 3)
    assert crossbar.state()["read_lfsr"] == lfsr.state
    again = Crossbar(geometry, 1)
    assert again.forward(xs).tolist() == evaluated[0].tolist()
    assert again.counters == crossbar.counters
    assert crossbar.forward(xs).tolist() != evaluated[0].tolist()


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
    assert crossbars[0].counters["attempts"] > 0
    assert [crossbar.counters.pop("visited_rows") for crossbar in crossbars] == [5, 6]
    assert crossbars[0].counters == crossbars[1].counters
    assert all((first[name] == second[name]).all() for name in ("g", "chi", "lfsr"))


def test_counters_wrap_at_40_bits():
    crossbar = Crossbar(small().crossbars[0], 1)
    state = crossbar.state()
    state["counters"][0] = (1 << 40) - 1
    crossbar.load(state)
    crossbar.forward(torch.zeros(5, dtype=torch.int64))
    assert crossbar.state()["counters"].tolist() == [0, 1, *[0] * 7]
