import json
import subprocess

import pytest
from spinloom import config
from spinloom.cli import run as program
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.study import sweep
from spinloom.study.energy import account
from spinloom.study.sweep import document, executors, plan, runs, table, worker
from spinloom.study.sweep.document import Sweep
from spinloom.system import toml
from spinloom.system.claim import InUseError, claimed
from spinloom.train import loop, run_folder
from spinloom.train.results import TrainResult

from .sweeps import CONFIG, SMALL, left, rows


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop, "decorate", lambda file, draw: None)  # pictures take longer than the training
    (tmp_path / "small.toml").write_text(CONFIG)


def swept(source, out="out", **options):
    return sweep.run(source, out=out, workers=0, progress=False, **options)


def test_a_grid_is_a_folder_of_runs_and_a_table(tmp_path):
    answer = swept(SMALL)
    assert (answer.runs, answer.done, answer.skipped, answer.failed) == (8, 8, 0, 0)
    assert answer.table.name == "table.csv"
    found = rows(answer.out)
    assert list(found[0])[:7] == ["run", "status", "error", "config", "device.states", "device.sigma", "seed"]
    assert list(found[0])[7:9] == ["test_accuracy", "baseline_accuracy"]
    assert list(found[0])[-2:] == ["energy_joules", "digital_joules"]
    assert [(row["device.states"], row["device.sigma"], row["seed"]) for row in found] == [
        (states, sigma, seed) for states in "35" for sigma in ("0.0", "0.2") for seed in "12"]
    assert {(row["status"], row["error"], row["config"]) for row in found} == {("done", "", "small.toml")}
    assert {path.name for path in (answer.out / "runs").iterdir()} == {row["run"] for row in found}

    alone = loop.run(config.load("small.toml").replaced(device={"states": 3, "sigma": 0.2}, seed=2), out="alone",
                     baseline=False, progress=False)
    row = found[3]
    folder = answer.out / "runs" / row["run"]
    assert run_folder.read_result(folder, TrainResult).identity == alone.identity
    assert left(folder) == left(tmp_path / "alone")
    spent = account.run(folder)
    assert row["write_pulses"] == str(alone.write_pulses)
    assert (row["energy_joules"], row["digital_joules"]) == (str(spent.joules), str(spent.digital_joules))


def test_the_table_is_the_same_in_parquet():
    answer = swept(SMALL)
    parquet = [{name: "" if value is None else str(value) for name, value in row.items()
                if name != "samples_per_second"} for row in table.read(answer.out)]
    assert parquet == rows(answer.out)
    assert {type(row["device.sigma"]) for row in table.read(answer.out)} == {float}


def test_what_exists_is_not_run_again(monkeypatch):
    swept(SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(worker, "train", None)
        again = swept(SMALL)
    assert (again.runs, again.done, again.skipped) == (8, 0, 8)
    more = swept(SMALL | {"grid": SMALL["grid"] | {"seed": [3, 1, 2]}})
    assert (more.runs, more.done, more.skipped) == (12, 4, 8)


def test_a_digest_is_of_what_decides_the_bits(tmp_path):
    def digest(point=None, **fields):
        source = {"config": "small.toml"} | fields
        planner = plan.Planner(Sweep.model_validate(source | {"grid": {"seed": [1]}}), tmp_path, None)
        run = planner.run(point or {})
        assert not run.error
        return run.digest

    (tmp_path / "other.toml").write_text(CONFIG)
    (tmp_path / "device.toml").write_text('kind = "domain_wall"\n')
    same = [{}, {"seed": 1}, {"device": "domain_wall"}, {"device": {"kind": "domain_wall"}}, {"device": "device.toml"},
            {"samples": 1438}, {"samples": 100_000}, {"layers.cols": 8, "layers.1.cols": 10},
            {"layers.1.cols": 10, "layers.cols": 8}, {"layers.-2.cols": 8}]
    other = [{"seed": 2}, {"samples": 1000}, {"epochs": 2}, {"device.sigma": 0.3}, {"device.kind": "ideal"},
             {"device": "mtj"}, {"layers.0.cols": 9}, {"layers.z_bits": 9}, {"batch": 2}]
    assert len({digest(point) for point in same} | {digest(config="other.toml")}) == 1
    assert len({digest(point) for point in [{}, *other]}) == len(other) + 1


def test_the_examples_are_sweeps():
    folder = config.PRESETS.parent / "examples" / "sweeps"
    assert {path.stem: document.read(path).count for path in folder.glob("*.toml")} == {
        "four-states": 42, "four-states-long": 12, "heat-digits": 90, "heat-mnist": 90, "narrow-mnist": 6,
        "residuals-mnist": 4, "search-digits": 120}


def test_points_of_a_list_and_of_draws():
    random = {"draws": 3, "seed": 5, "fields": {
        "device.sigma": {"from": 0.1, "to": 0.4}, "layers.0.cols": {"from": 7, "to": 9}, "seed": [1, 2, 3],
        "update.threshold": {"from": 0.5, "to": 2.0, "log": True}}}
    listed = [{"device": {"kind": "ideal"}}, {"device": "domain_wall"}]
    source = {"config": "small.toml", "fixed": {"samples": 50}, "random": random, "list": listed}
    points = list(plan.points(Sweep.model_validate(source)))
    assert len(points) == 6
    assert points[:3] == [point | {"device.kind": "ideal"} for point in (
        {name: value for name, value in point.items() if name != "device"} for point in points[3:])]
    for point in points:
        assert 0.1 <= point["device.sigma"] < 0.4
        assert point["layers.0.cols"] in (7, 8, 9)
        assert point["seed"] in (1, 2, 3)
        assert 0.5 <= point["update.threshold"] < 2
        assert point["samples"] == 50
    more = Sweep.model_validate(source | {"random": random | {"draws": 4}})
    assert list(plan.points(more))[:3] == points[:3]


def test_presets_and_data_sets_may_differ():
    answer = swept({"fixed": {"epochs": 1, "samples": 20}, "list": [
        {"config": "small.toml"}, {"config": "digits-dw5", "seed": 3},
        {"config": "digits-conv-dw5", "layers.2.z_frac": 5}]})
    assert [(row["config"], row["seed"], row["samples"]) for row in rows(answer.out)] == [
        ("small.toml", "1", "20"), ("digits-dw5", "3", "20"), ("digits-conv-dw5", "1", "20")]
    assert [row["layers.2.z_frac"] for row in rows(answer.out)] == ["", "", "5"]
    assert all(float(row["baseline_accuracy"]) > 0 for row in rows(answer.out))


def test_a_baseline_is_added_to_runs_without_one():
    swept(SMALL | {"grid": {"seed": [1]}})
    answer = swept(SMALL | {"grid": {"seed": [1]}, "baseline": True})
    assert (answer.done, answer.skipped) == (1, 0)
    assert float(rows(answer.out)[0]["baseline_accuracy"]) > 0


def test_a_baseline_is_trained_once(monkeypatch):
    def accuracy(experiment, *arguments):
        trained.append(experiment.seed)
        return original(experiment, *arguments)

    trained, original = [], loop.floating_point.accuracy
    monkeypatch.setattr(loop.floating_point, "accuracy", accuracy)
    monkeypatch.setattr(worker, "_baselines", {})
    grid = {"device.sigma": [0.0, 0.3], "batch": [1, 2], "layers.0.cols": [8, 7], "seed": [1, 2]}
    found = rows(swept({"config": "small.toml", "fixed": {"samples": 30}, "grid": grid}).out)
    assert trained == [1, 2, 1, 2]
    for row in found[:8]:
        fields = {"device": {"sigma": float(row["device.sigma"])}, "batch": int(row["batch"]), "seed": int(row["seed"]),
                  "layers": {0: {"cols": int(row["layers.0.cols"])}}}
        alone = loop.run(config.load("small.toml").replaced(**fields), samples=30, out=f"alone/{row['run']}",
                         progress=False)
        assert row["baseline_accuracy"] == str(alone.baseline_accuracy)


def test_ex_situ_runs_have_columns_of_their_own():
    answer = swept({"config": "small.toml", "fixed": {"samples": 100, "transfer": {}},
                    "grid": {"device.sigma": [0.1]}, "baseline": False})
    row = rows(answer.out)[0]
    assert row["cells_outside_margin"] == "0"
    assert row["digital_joules"] == ""


def test_contradictory_points_are_named_and_the_others_go_on(capsys):
    answer = swept({"config": "small.toml", "baseline": False, "fixed": {"samples": 20},
                    "grid": {"device.states": [5, 1, 3], "dataset": ["digits"]}})
    assert (answer.runs, answer.done, answer.failed) == (3, 2, 1)
    failure, = answer.failures
    assert failure.fields == {"samples": 20, "device.states": 1, "dataset": "digits"}
    assert failure.error.startswith("small: device.domain_wall.states=1: ")
    assert [(row["status"], row["error"]) for row in rows(answer.out)] == [
        ("done", ""), ("failed", failure.error), ("done", "")]
    assert "warning: 1 of 3 runs are contradictory, the first: " in capsys.readouterr().err
    assert swept({"config": "small.toml", "baseline": False, "fixed": {"samples": 20},
                  "grid": {"device.states": [5, 1, 3], "dataset": ["digits"]}}, retry=True).failed == 1


def test_data_that_do_not_fit_are_a_contradiction():
    answer = swept(SMALL | {"grid": {"layers.1.cols": [9, 10]}, "fixed": {"samples": 20}})
    assert (answer.done, answer.failed) == (1, 1)
    assert "labels reach 9; the network has 9 outputs" in answer.failures[0].error


def test_a_run_that_fails_is_repeated_when_that_is_wanted(monkeypatch):
    def train(document, folder, **options):
        if document["seed"] == 2:
            raise RuntimeError("no\nluck")
        return original(document, folder, **options)

    original, source = worker.train, SMALL | {"grid": {"seed": [1, 2, 3]}}
    with monkeypatch.context() as patch:
        patch.setattr(worker, "train", train)
        answer = swept(source)
    assert (answer.done, answer.failed) == (2, 1)
    assert answer.failures[0].error == "RuntimeError: no luck"
    again = swept(source)
    assert (again.done, again.skipped, again.failed) == (0, 2, 1)
    assert again.failures == answer.failures
    repeated = swept(source, retry=True)
    assert (repeated.done, repeated.skipped, repeated.failed) == (1, 2, 0)
    assert swept(source).failed == 0


def test_a_sweep_that_is_interrupted_goes_on(monkeypatch):
    calls = []

    def train(document, folder, **options):
        calls.append(folder)
        if len(calls) == 3:
            raise InterruptedRunError("interrupted")
        return original(document, folder, **options)

    original = worker.train
    with monkeypatch.context() as patch:
        patch.setattr(worker, "train", train)
        with pytest.raises(InterruptedRunError, match="interrupted with 6 of 8 runs to go; the same command goes on"):
            swept(SMALL)
    assert [row["status"] for row in table.read("out")] == ["done"] * 2 + ["waiting"] * 6
    answer = swept(SMALL)
    assert (answer.done, answer.skipped) == (6, 2)


def test_a_full_disk_ends_the_sweep_and_loses_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        assert program(["sweep", str(_file(SMALL)), "--out", str(disk / "out"), "--workers", "0"]) in (1, 2)
        done = [path for path in disk.rglob("result.json") if json.loads(path.read_text())["test_accuracy"] > 0]
        assert 0 < len(done) < 8
        subprocess.run([*mount[:4], "remount,size=3m", *mount[5:]], check=True)
        answer = swept(SMALL, out=disk / "out")
        assert (answer.skipped, answer.failed) == (len(done), 0)
        assert rows(disk / "out") == rows(swept(SMALL, out=tmp_path / "whole").out)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _file(source, name="sweep.toml"):
    with open(name, "w") as file:
        file.write(toml.text_of(source))
    return name


@pytest.mark.parametrize(("source", "message"), [
    ({}, "nothing is varied"),
    ({"grid": {}}, "nothing is varied"),
    ({"grid": {"seed": []}}, r"seed=\[\]: must be a list of at least one value"),
    ({"grid": {"seed": 1}}, "seed=1: must be a list of at least one value"),
    ({"grid": {"seed": [1, 2, 1]}}, "seed: has 1 twice"),
    ({"grid": {"device": {}}}, "device={}: must be a list of at least one value"),
    ({"grid": {"host.epsilon": [0.1]}, "fixed": {"host": {}}}, "host: given as a whole, and by its field host.epsilon"),
    ({"grid": {"sede": [1]}}, "sede: unknown field; a sweep can give config, samples, dataset, seed, "),
    ({"grid": {"name": ["x"]}}, "name: unknown field"),
    ({"grid": {"device.sgima": [1]}}, "device.sgima: unknown field; device can give "),
    ({"grid": {"device.sigma.x": [1]}}, "device.sigma.x: unknown field; device.sigma can give none"),
    ({"grid": {"layers.0.colls": [1]}}, "layers.0.colls: unknown field; layers.0 can give kind, cols, "),
    ({"grid": {"layers.9.cols": [1]}}, "every run is contradictory, the first: layers.9.cols: there are only the "),
    ({"grid": {"device.states": [1, 0]}}, "every run is contradictory, the first: small: device.domain_wall.stat"),
    ({"grid": {"samples": [0]}}, "every run is contradictory, the first: samples=0: must be a whole number from 1"),
    ({"grid": {"config": ["nowhere"]}}, "every run is contradictory, the first: no preset 'nowhere'"),
    ({"grid": {"config": [1]}}, "every run is contradictory, the first: config=1: must be a preset or a file"),
    ({"grid": {"device": [1]}}, "every run is contradictory, the first: device=1: must be a name or a section"),
    ({"grid": {"device": ["none"]}}, "every run is contradictory, the first: no device 'none'"),
    ({"grid": {"dataset": ["mnist-x"]}}, "every run is contradictory, the first: data set 'mnist-x': give the folder"),
    ({"grid": {"seed": [1]}, "fixed": {"seed": 2}}, "seed: given twice, in fixed and in grid"),
    ({"grid": {"seed": [1]}, "list": [{"seed": 2}]}, "seed: given twice, in list and in grid"),
    ({"fixed": {"layers.0.cols": 8}, "grid": {"layers.-2.cols": [7, 9]}},
     r"the first: layers\.-2\.cols: names the same field as layers\.0\.cols; give one of them"),
    ({"random": {"draws": 0, "fields": {"seed": [1]}}}, "random.draws=0: "),
    ({"random": {"draws": 2, "fields": {"seed": []}}}, r"seed=\[\]: must be a list of at least one value"),
    ({"random": {"draws": 2, "fields": {"seed": {"from": 3, "to": 1}}}}, "from=3, to=1: is empty"),
    ({"random": {"draws": 2, "fields": {"seed": {"from": 0, "to": 1, "log": True}}}}, "must begin above 0"),
    ({"random": {"draws": 2, "fields": {"seed": {"from": 1}}}}, "seed: to: "),
    ({"grid": {"seed": list(range(1000)), "epochs": list(range(1, 1000))}}, "there are 999,000 points; at most 100"),
    ({"grid": {"seed": [1]}, "gird": 1}, "gird=1: unknown field; allowed are config, "),
])
def test_what_is_no_sweep_is_refused(tmp_path, monkeypatch, source, message):
    monkeypatch.delenv("SPINLOOM_DATA", raising=False)
    with pytest.raises(ConfigError, match=message) as refused:
        swept({"config": "small.toml"} | source)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_configuration_is_needed():
    with pytest.raises(ConfigError, match="config: missing; give a preset or a file"):
        swept({"grid": {"seed": [1]}})
    with pytest.raises(ConfigError, match="workers=2: must be 0 or more, and a cluster has its own"):
        sweep.run(SMALL, workers=2, cluster="tcp://127.0.0.1:1")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="out holds something else than a sweep of this version; take another"):
        swept(SMALL)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    (folder / runs.RECORD).write_text('{"format": 0}')
    with pytest.raises(ConfigError, match=r"out is a sweep of another version \(its format is 0, not 1\); take"):
        swept(SMALL)
    assert {path.name for path in folder.iterdir()} == {"mine.txt", runs.RECORD}


def test_one_process_at_a_time(tmp_path):
    with claimed(tmp_path / "out"), pytest.raises(InUseError, match="is in use by process"):
        swept(SMALL)


def test_the_command_answers(tmp_path, capsys):
    small = SMALL | {"grid": {"seed": [1, 2]}, "fixed": {"samples": 20}}
    assert program(["sweep", _file(small, "few.toml"), "--workers", "0", "--json"]) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert {name: answer[name] for name in ("runs", "done", "skipped", "failed", "table")} == {
        "runs": 2, "done": 2, "skipped": 0, "failed": 0, "table": "runs/few/table.csv"}
    assert answer["seconds"] > 0
    assert "Traceback" not in err
    assert (tmp_path / "runs/few/sweep.toml").read_text() == (tmp_path / "few.toml").read_text()
    assert program(["sweep", "few.toml", "--workers", "0"]) == 0
    assert "there already  2" in capsys.readouterr().out
    bad = _file(small | {"grid": {"device.states": [3, 1]}}, "bad.toml")
    assert program(["sweep", bad, "--workers", "0"]) == 1
    assert "failed:\n" in capsys.readouterr().out
    assert program(["sweep", "few.toml", "--out", "bad.toml"]) == 2
    assert program(["sweep", "nowhere.toml"]) == 2
    assert program(["sweep", "few"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "spinloom: 'few': the name of a sweep's file must end in .toml")


def test_a_worker_has_one_thread_and_the_environment_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with executors.executor(workers=0):
        assert [executors.os.environ[name] for name in executors.THREADS] == ["1"] * 4
    assert executors.os.environ["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in executors.os.environ


def test_more_points_extend_a_sweep_and_another_one_is_refused(tmp_path):
    first = SMALL | {"fixed": {"samples": 20}, "grid": {"seed": [1, 2]}}
    swept(first)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}
    for other in ({"seed": [2, 3]}, {"seed": [1, 2], "device.sigma": [0.3]}):
        with pytest.raises(ConfigError, match="^out holds another sweep: . of the 2 runs in its table are not in this "
                                              "one; take another folder with --out, or delete out/sweep.toml "):
            swept(first | {"grid": other})
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()} == before
    extended = swept(first | {"grid": {"seed": [1, 2, 3]}})
    assert (extended.done, extended.skipped) == (1, 2)
    (tmp_path / "out/sweep.toml").unlink()
    assert swept(first | {"grid": {"seed": [2, 4]}}).skipped == 1


@pytest.mark.parametrize("damage", ["parquet", "both"])
def test_a_damaged_table_is_not_lost_to_another_sweep(tmp_path, damage):
    first = SMALL | {"fixed": {"samples": 20}, "grid": {"seed": [1]}}
    swept(first)
    (tmp_path / "out/table.parquet").write_bytes(b"PAR1")
    if damage == "both":
        (tmp_path / "out/table.csv").write_bytes(b"\xff")
    before = (tmp_path / "out/table.csv").read_bytes()
    with pytest.raises(ConfigError, match="holds another sweep" if damage == "parquet" else "its table cannot be read"):
        swept(first | {"grid": {"seed": [2]}})
    assert (tmp_path / "out/table.csv").read_bytes() == before
    assert swept(first).skipped == 1
    assert len(rows(tmp_path / "out")) == len(table.read(tmp_path / "out")) == 1


def test_long_errors_are_cut_in_messages_and_whole_in_the_table(tmp_path, capsys):
    (tmp_path / "long.toml").write_text(toml.text_of(SMALL | {
        "fixed": {"samples": 20}, "grid": {"seed": [1]}, 
        "list": [{"device": "x" * 900 + ".toml"}, {"device.states": 3}]}))
    assert program(["sweep", "long.toml", "--out", "out", "--workers", "0"]) == 1
    captured = capsys.readouterr()
    assert max(map(len, captured.out.splitlines())) < 280
    assert max(map(len, captured.err.splitlines()[:1])) < 280
    assert max(len(row["error"]) for row in rows(tmp_path / "out")) > 800


def test_a_point_that_failed_may_be_corrected():
    source = SMALL | {"fixed": {"samples": 20}, "grid": {"device.states": [3, 1]}}
    assert swept(source).failed == 1
    assert swept(source | {"grid": {"device.states": [3, 2]}}).failed == 0


@pytest.mark.parametrize("name", ["experiment.json", "state.npz"])
def test_a_damaged_run_is_mended_by_one_retry(tmp_path, name):
    source = SMALL | {"fixed": {"samples": 20}, "grid": {"seed": [1]}}
    whole = swept(source)
    table_before, folder = rows(whole.out), next((tmp_path / "out/runs").iterdir())
    (folder / "result.json").write_text("{")
    (folder / name).write_bytes(b"{")
    answer = swept(source, retry=True)
    assert (answer.done, answer.failed) == (1, 0)
    assert rows(answer.out) == table_before
