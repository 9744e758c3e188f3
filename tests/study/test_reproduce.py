import csv
import json
import re
import statistics
from pathlib import Path

import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError
from spinloom.study import reproduce
from spinloom.study.sweep import plan, table, worker
from spinloom.train import loop

LAYERS = [{"cols": 8, "weight_step": -3, "z_frac": 6}, {"cols": 10, "weight_step": -1}]
SMALL = {
    "small-dw": {"device": {"kind": "domain_wall"}, "layers": LAYERS},
    "small-exsitu": {"device": {"kind": "domain_wall"}, "transfer": {"precursor": {"kind": "ideal"}}, "layers": LAYERS},
    "small-gxnor": {
        "device": {"kind": "mtj"}, "update": {"rounding": "stochastic", "residual": "none"}, "host": {},
        "loss": "squared_hinge", "batch": 100,
        "layers": [{"cols": 12, "neuron": "ternary", "weight_step": -2, "z_bits": 12, "z_frac": 6, "chi_frac": 9},
                   {"cols": 10, "weight_step": -2, "z_frac": 3, "delta_frac": 7, "chi_frac": 7}]},
}


PAGE = reproduce._page


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Presets that take a second each."""
    def load(name, device=None):
        return config.parse({"epochs": 2, "learning_rate_shifts": [4], "input": {"count": 64}} | SMALL[name], name)

    monkeypatch.setattr(reproduce, "load", load)
    monkeypatch.setattr(plan, "load", load)
    monkeypatch.setattr(loop, "decorate", lambda file, draw: None)
    monkeypatch.setattr(reproduce, "_page", lambda folder: None)
    monkeypatch.setattr(reproduce, "REPORTED", dict.fromkeys(SMALL, "99 [1]"))


def reproduced(*names, out, **options):
    return reproduce.run(names, out=out, epochs=1, workers=0, progress=False, **options)


def test_one_table_of_all(tmp_path):
    answer = reproduced(out=tmp_path, seeds=2)
    rows = {row.preset: row for row in answer.rows}
    assert list(rows) == list(SMALL)
    for name, row in rows.items():
        results = [json.loads((tmp_path / "runs" / run["run"] / "result.json").read_text())
                   for run in table.read(tmp_path) if run["config"] == name]
        assert results[0]["write_pulses"] != results[1]["write_pulses"]
        assert row.epochs == results[0]["epochs"] == 1
        assert row.seeds == 2
        assert row.test_accuracy == round(statistics.mean(result["test_accuracy"] for result in results), 3)
        assert row.test_accuracy_deviation == round(statistics.stdev(result["test_accuracy"] for result in results), 3)
        assert row.baseline_accuracy == round(statistics.mean(result["baseline_accuracy"] for result in results), 3)
        assert row.write_pulses == round(statistics.mean(result["programming_events"] for result in results)) > 0
        assert row.most_write_pulses == max(result["most_write_pulses"] for result in results) > 1
        assert row.energy_joules > 0
    assert rows["small-dw"].digital_joules > 0
    assert rows["small-exsitu"].cells_outside_margin == 0
    compared = answer.float_probability["small-gxnor"]
    assert [len(values) for values in (compared.machine, compared.floating_point)] == [2, 2]
    assert round(statistics.mean(compared.machine), 3) == rows["small-gxnor"].test_accuracy

    with (tmp_path / "reproduce.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["preset"] for row in written] == list(SMALL)
    for row in written:
        assert row["write_pulses"] == row["programming_events"]
        assert row["write_pulses_per_cell"] == row["events_per_cell"]
    text = (tmp_path / "reproduce.md").read_text()
    assert text == reproduce.report(answer)
    for row in answer.rows:
        assert f"| {row.preset} | {row.topology} | " in text
        assert (f" | {row.test_accuracy:.2f} ± {row.test_accuracy_deviation:.2f} | {row.baseline_accuracy:.2f} | "
                "99 [1] | ") in text
    assert (tmp_path / "reproduce.png").read_bytes().startswith(b"\x89PNG")


def test_its_page_tells_mean_and_deviation_over_the_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "_page", PAGE)
    answer = reproduced("small-dw", out=tmp_path, seeds=3)
    assert answer.page == str(tmp_path / "report.html")
    tables = re.search('id="tables">(.*?)</script>', Path(answer.page).read_text())[1]
    means = json.loads(tables)["seeds-1"]
    row = dict(zip(means["columns"], means["data"][0], strict=True))
    assert (row["config"], row["seeds"]) == ("small-dw", 3)
    assert (round(row["test accuracy (%)"], 3), round(row["standard deviation"], 3)) == (
        answer.rows[0].test_accuracy, answer.rows[0].test_accuracy_deviation)
    (tmp_path / "report.html").write_text("mine")
    assert reproduced("small-dw", out=tmp_path, seeds=3).page is None  # it stays, and is no error


def test_what_has_run_is_not_run_again(tmp_path, monkeypatch):
    first = reproduced("small-dw", out=tmp_path, seeds=1)
    assert first.rows[0].test_accuracy_deviation is None
    hosted = reproduced("small-dw", "small-gxnor", out=tmp_path, seeds=1)
    with monkeypatch.context() as patch:
        patch.setattr(worker, "train", None)
        patch.setattr(reproduce.float_probability, "accuracy", None)
        assert reproduced("small-dw", "small-gxnor", out=tmp_path, seeds=1) == hosted
    assert hosted.rows[:1] == first.rows
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_table_does_not_lose_presets(tmp_path):
    reproduced("small-dw", out=tmp_path, seeds=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="holds another sweep: 1 of the 1 runs in its table are not in this one; "
                                          "take another folder"):
        reproduced("small-gxnor", out=tmp_path, seeds=1)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_run_that_fails_is_named(tmp_path, monkeypatch):
    def train(*_, **__):
        raise ConfigError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(worker, "train", train)
        with pytest.raises(reproduce.FailedRunsError, match="2 of 2 runs have failed, the first small-dw with seed 1: "
                                                            "no luck; try again with --retry"):
            reproduced("small-dw", out=tmp_path, seeds=2)
    assert reproduced("small-dw", out=tmp_path, seeds=2, retry=True).rows[0].seeds == 2


def test_a_folder_of_an_earlier_version_is_left_alone(tmp_path):
    (tmp_path / "reproduce.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds something else than a sweep of this version; take another folder"):
        reproduced("small-dw", out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["reproduce.json"]


def test_unknown_presets_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="seeds=0: must be at least 1"):
        reproduce.run(out=tmp_path, seeds=0)
    with pytest.raises(ConfigError, match="mnist-x is not among the presets to reproduce: small-dw, small-exsitu, "):
        reproduce.run(("mnist-x",), out=tmp_path)
