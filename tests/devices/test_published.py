"""The published devices: their files follow from the laws of their sources, and so does what their tables do."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import spinloom
from spinloom import cli, nn
from spinloom.config import PRESETS, load, load_device
from spinloom.contract.errors import ConfigError
from spinloom.contract.hashing import sample_order
from spinloom.devices import listing, published
from spinloom.devices.cycle import cycle, pulses
from spinloom.devices.kinds import KINDS
from spinloom.model.compiled.trainer import CompiledTrainer
from spinloom.model.network import Network
from spinloom.train import data

from .published import LAWS, Law, Translation, translated

NAMES = sorted(published.files())
ROOT = Path(spinloom.__file__).parent
ROW = re.compile(r"\| `(?P<name>[\w-]+)` \|.*\| (?P<states>\d+) \| (?P<burst>\d+) \| (?P<step>[\d.]+) \| "
                 r"(?P<cycle>[\d.]+) \|")
DOCUMENTED = {row["name"]: row for row in ROW.finditer((ROOT / "docs" / "devices.md").read_text(encoding="utf-8"))}
"""The rows of the table of published devices."""


def document(name: str) -> dict:
    section = tomllib.loads(published.files()[name].read_text(encoding="utf-8"))
    return {field: tuple(value) if isinstance(value, list) else value for field, value in section.items()}


def test_every_published_device_has_a_law_and_a_row():
    assert NAMES == sorted([*LAWS, "pcm"]) == sorted([*DOCUMENTED, "pcm"])


def test_names_are_no_kinds_and_no_presets():
    assert not set(NAMES) & {*KINDS, *(path.stem for path in PRESETS.glob("*.toml"))}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_begins_with_its_source(name):
    text = published.files()[name].read_text(encoding="utf-8")
    assert [word for word in ("# Source: ", "# Law", "# Left out: ") if word not in text] == []
    assert load_device(name).measured


@pytest.mark.parametrize("name", LAWS)
def test_the_figures_of_a_file_follow_from_the_law(name):
    section = document(name)
    assert section.pop("measured").endswith(f"bursts of {translated(LAWS[name]).burst} pulses") == (
        translated(LAWS[name]).burst > 1)
    assert {field: value for field, value in section.items() if field != "conductances"} == translated(
        LAWS[name]).section


def test_the_pair_is_that_of_the_defaults():
    fields = load_device("pcm").model_dump()
    assert fields | {"measured": ""} == load_device("pcm_pair").model_dump()


def furthest_step(law: Law, translation: Translation, name: str) -> float:
    """How far the mean step of the integer tables is from the law's anywhere in the range, in levels."""
    tables = load_device(name).compile()
    level = np.arange(tables.span + 1)
    w = law.low + level / tables.span * (law.high - law.low)
    means = np.array(tables.mean).reshape(2, -1)[:, level >> tables.segment_shift] / 2**tables.sub_bits
    laws = [law.burst(direction, w, translation.burst)[0] for direction in (1, -1)]
    return np.abs(means - np.array(laws) / (law.high - law.low) * (translation.states - 1)).max()


@pytest.mark.parametrize("name", LAWS)
def test_steps_are_as_near_to_the_law_as_the_document_says(name):
    law, translation, row = LAWS[name], translated(LAWS[name]), DOCUMENTED[name]
    assert (int(row["states"]), int(row["burst"])) == (translation.states, translation.burst)
    assert row["step"] == f"{furthest_step(law, translation, name):.2f}"


def published_cycle(law: Law, burst: int, half: int, cells: int, random: np.random.Generator) -> np.ndarray:
    """The cycle of ``cells`` devices of ``law``, pulse by pulse, as parts of the range: (2 * half + 1, cells)."""
    w = np.full(cells, float(law.low))
    course = [w]
    for place in range(2 * half):
        direction = 1 if place < half else -1
        for _ in range(burst):
            step = law.step(direction, w) + law.sigma(direction, w) * random.standard_normal(cells)
            w = np.clip(w + step, law.low, law.high)
        course.append(w)
    return (np.array(course) - law.low) / (law.high - law.low)


@pytest.mark.parametrize("name", LAWS)
def test_a_cycle_is_as_near_to_the_law_as_the_document_says(name):
    """By the means of 1,000 cells and of 1,000 devices, after every pulse."""
    random, cells, translation = np.random.default_rng(1), 1000, translated(LAWS[name])
    tables = load_device(name).compile()
    half, levels = pulses(tables), translation.states - 1
    ours = cycle(tables, random.integers(1 << 16, size=(2 * half, cells))) / tables.span * levels
    theirs = published_cycle(LAWS[name], translation.burst, half, cells, random) * levels
    assert np.abs(ours.mean(axis=1) - theirs.mean(axis=1)).max() <= float(DOCUMENTED[name]["cycle"])
    assert ours.mean(axis=1)[half] > 0.8 * levels
    assert ours.mean(axis=1)[-1] < 0.2 * levels


def test_a_name_stands_for_the_device_wherever_one_is_named(tmp_path):
    (tmp_path / "mine.toml").write_text('device = "ecram"\ninput.count = 64\n[[layers]]\ncols = 10\n')
    ecram = load_device("ecram")
    assert load(str(tmp_path / "mine.toml")).device == load("digits-dw5", "ecram").device == ecram
    assert spinloom.device("ecram", stuck=0.1) == ecram.model_copy(update={"stuck": 0.1})
    assert nn.Linear(4, 2, device="ecram").array.formats.cells.device == ecram
    (tmp_path / "aged.toml").write_text('kind = "ecram"\nstuck = 0.1\n[ageing]\nendurance = 1e5\n')
    assert load_device("aged.toml", tmp_path) == spinloom.device("ecram", stuck=0.1, ageing={"endurance": 1e5})
    section = {"kind": "ecram", "stuck": 0.1}
    (tmp_path / "mine.toml").write_text('device.kind = "ecram"\ndevice.stuck = 0.1\ninput.count = 64\n'
                                        "[[layers]]\ncols = 10\n")
    stuck = load(str(tmp_path / "mine.toml"))
    assert stuck.device == load("digits-dw5", section).device == spinloom.device(**section)
    with pytest.raises(ConfigError, match="device: kind='reram': must be one of"):  # the figures of which of the two?
        stuck.replaced(device={"kind": "reram"})
    with pytest.raises(ConfigError, match=r"no device 'rram'; .* a published device \(ag-si, .*, reram-soft-bounds\)"):
        load_device("rram")


def test_the_list_names_what_there_is(capsys):
    assert cli.run(["device", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["devices"]
    assert [device["name"] for device in listed] == NAMES
    assert listed[NAMES.index("fefet")] == {"name": "fefet", "kind": "incremental", "states": 32,
                                            "source": load_device("fefet").measured}
    assert cli.run(["device", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["name", *NAMES]
    assert len(listing.run().devices) == len(NAMES)


@pytest.mark.parametrize("name", [
    name if name in ("reram-array", "ecram") else pytest.param(name, marks=pytest.mark.slow) for name in NAMES])
def test_networks_of_it_train_the_same_bits_compiled(name):
    experiment, count = load("digits-dw5", name), 40
    images, labels = data.load(experiment).train
    networks = reference, network = Network(experiment), Network(experiment)
    for trainer in (reference, CompiledTrainer(network)):
        trainer.train_span(data.drive(images, experiment.input.format), labels,
                           sample_order(experiment.seed, 0, count), range(count), experiment.learning_rate_shift(0))
    states = [{field: value.tolist() for field, value in each.state().items()} for each in networks]
    assert states[0] == states[1]
    assert all(crossbar.counters["attempts"] > 0 for crossbar in network.crossbars)
