"""Retention: how cells relax while the machine trains, by their specification, and in compiled code."""

import math

import numpy as np
import pytest
import torch
from spinloom.config import parse
from spinloom.contract.errors import ConfigError
from spinloom.devices.kinds import device
from spinloom.model.compiled.crossbar import CompiledCrossbar
from spinloom.model.crossbar import Crossbar


def geometry(kind, retention, rows=40, cols=250, batch=1, **fields):
    return parse({"seed": 5, "batch": batch, "input": {"count": rows},
                  "device": {"kind": kind, "retention": retention} | fields,
                  "layers": [{"cols": cols, "weight_step": -6}]}, "retention").crossbars[0]


@pytest.mark.parametrize(("kind", "rest", "batch"), [("ideal", 0, 1), ("incremental", None, 5), ("pcm_pair", None, 1)])
def test_distances_from_rest_are_halved_in_a_half_life(kind, rest, batch):
    """10,000 cells, in 400 ticks. The mean is exact whatever the rounding; it scatters as rows are drawn, each of which
    is visited about ten times."""
    crossbar = Crossbar(geometry(kind, {"half_life": 400.0 * batch, "rest": rest}, batch=batch), seed=5)
    crossbar.g.fill_(8)
    if crossbar.g_minus is not None:
        crossbar.g_minus.zero_()
    compiled = CompiledCrossbar(crossbar)
    for _ in range(400):
        compiled.program()
    left = (crossbar.g.numpy() - crossbar.geometry.device.resting).astype(float)
    share = crossbar.geometry.relaxation / 2**24
    start = 8 - crossbar.geometry.device.resting
    scatter = share * math.sqrt(400 / 40) / math.sqrt(40) + 1 / math.sqrt(left.size)
    assert abs(left.mean() / start - 0.5) < 4 * 0.5 * scatter


def test_half_of_the_junctions_leave_their_state_in_a_half_life():
    crossbar = Crossbar(geometry("mtj", {"half_life": 400.0, "rest": 0}, states=2), seed=5)
    crossbar.g.fill_(1)
    for _ in range(400):
        CompiledCrossbar(crossbar).program()
    assert set(np.unique(crossbar.g)) == {-1, 1}
    assert abs((crossbar.g == 1).double().mean() - 0.5) < 0.05


@pytest.mark.parametrize(("kind", "fields"), [
    ("domain_wall", {"stuck": 0.2, "ageing": {"endurance": 2.0}}), ("pcm_pair", {}), ("mtj", {})])
def test_compiled_code_relaxes_to_the_same_bits(kind, fields):
    one, other = (Crossbar(geometry(kind, {"half_life": 30.0}, rows=9, cols=7, **fields), seed=5) for _ in range(2))
    compiled, random = CompiledCrossbar(other), np.random.default_rng(1)
    for _ in range(30):
        x, d = random.integers(0, 200, (1, 9)), random.integers(-200, 200, (1, 7)) * random.integers(0, 2)
        one.update(torch.from_numpy(x), torch.from_numpy(d), 3)
        compiled.update(x, d[None], 3)
        dw = torch.from_numpy(random.integers(-6000, 6000, (9, 7)))
        one.apply(dw)
        compiled.apply(dw)
    state = other.state()
    assert all((array == state[name]).all() for name, array in one.state().items())


def test_stuck_and_failed_cells_keep_their_levels():
    crossbar = Crossbar(geometry("ideal", {"half_life": 40.0}, stuck=1.0), seed=5)
    before = crossbar.g.clone()
    for _ in range(50):
        crossbar.program()
    assert (crossbar.g == before).all()


@pytest.mark.parametrize(("kind", "retention", "message"), [
    ("ideal", {"half_life": 5.0}, r"layers\[0\]: device.retention.half_life=5: too short for an array of 40 rows.*at "
     "least 28"),
    ("ideal", {"half_life": 1e11}, "too long for an array of 40 rows.*at most 929,396,126"),
])
def test_half_lives_that_no_array_has_are_refused(kind, retention, message):
    with pytest.raises(ConfigError, match=message):
        geometry(kind, retention)


@pytest.mark.parametrize("half_life", [28.0, 929_396_126.0])
def test_half_lives_that_a_refusal_names_are_taken(half_life):
    geometry("ideal", {"half_life": half_life})


@pytest.mark.parametrize(("kind", "fields", "message"), [
    ("pcm_pair", {"rest": 1}, "both devices of a pair relax to 0"),
    ("ideal", {"rest": 5}, r"retention.rest=5: there are only the states 0 to 4"),
    ("mtj", {}, "with 2 states none is in the middle"),
])
def test_rests_that_a_device_cannot_have_are_refused(kind, fields, message):
    states = {"states": 2} if kind == "mtj" else {}
    with pytest.raises(ConfigError, match=message):
        device(kind, retention={"half_life": 1e4} | fields, **states)
