"""Damaged files of costs: read, or refused in one line; the energy is a number."""

import json
import tomllib
from math import isfinite

import pytest
from spinloom.study.energy.costs import COSTS

from .campaign import Campaign
from .mutations import damaged, text
from .outcome import outcome

WHOLE = tomllib.loads(COSTS.read_text())
EXPERIMENT = """
input.count = 64
device.kind = "pcm_pair"
[[layers]]
cols = 10
weight_step = -5
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("costs")
    (folder / "small.toml").write_text(EXPERIMENT)
    assert outcome("train", folder / "small.toml", "--epochs", 1, "--samples", 20, "--out", folder / "run").status == 0
    return folder / "run"


def test_damaged_costs_are_taken_or_refused(run, tmp_path):
    campaign = Campaign("energy --costs")
    for random in campaign:
        (tmp_path / "costs.toml").write_bytes(text(random, damaged(random, WHOLE)))
        result = outcome("energy", run, "--costs", tmp_path / "costs.toml", "--json")
        if result.status == 0:
            campaign.accepted += 1
            answer = json.loads(result.out)
            assert all(isfinite(answer[name]) for name in ("joules", "digital_joules", "seconds"))


@pytest.mark.parametrize(("old", "new", "message"), [
    ("picojoules = 3.7", "picojoules = 1e308", "float32.multiply.picojoules=1e+308: must lie in -1e+12 to 1e+12"),
    ("picojoules = 3.7", "picojoules = nan", "float32.multiply.picojoules=nan: Input should be a finite number"),
    ("picojoules = 3.7", "picojoules = inf", "float32.multiply.picojoules=inf: Input should be a finite number"),
    ("picojoules = 3.7", "picojoules = 1e-320", "float32.multiply.picojoules=1e-320: must be 0, or at least 1e-12"),
    ("picojoules = 3.7", 'picojoules = "1_5.0"', "float32.multiply.picojoules='1_5.0': Input should be a valid number"),
    ("picojoules = 3.7", "picojoules = true", "float32.multiply.picojoules=True: Input should be a valid number"),
    ("bytes = 8192", f"bytes = {10**30}", f"memory[0].bytes={10**30}: a whole number in TOML has at most 64 bits"),
    ("bytes = 8192", f"bytes = {10**18}", f"memory.0.bytes={10**18}: Input should be less than"),
    ("[[memory]]", "".join(f'[device."a\\nb".{event}]\npicojoules = 1\nstanding = "sourced"\nsource = ""\n'
                           for event in ("read", "pulse")) + "[[memory]]", "device.'a\\nb': must be one of ideal"),
    ("bytes = 8192", "bytes = " + "[" * 2000, "nested more than 32 deep"),
    ("bytes = 8192", ".".join(["a"] * 40_000) + " = 1", "nested more than 32 deep"),
    ("bytes = 8192", "#" * (1 << 18), "more than 256 KiB"),
])
def test_costs_that_mean_nothing_are_refused(run, tmp_path, old, new, message):
    content = COSTS.read_text()
    assert old in content
    (tmp_path / "costs.toml").write_text(content.replace(old, new, 1))
    result = outcome("energy", run, "--costs", tmp_path / "costs.toml")
    assert result.status == 2
    assert message in result.err


def test_costs_that_are_no_file(run, tmp_path):
    for path in (tmp_path, "/dev/zero", "/dev/null", tmp_path / "none", "a\0b", ""):
        assert outcome("energy", run, "--costs", path).status == 2
