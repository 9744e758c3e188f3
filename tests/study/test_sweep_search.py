import pytest
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.study import sweep
from spinloom.study.sweep import table, worker
from spinloom.train import loop

from .sweeps import CONFIG, SMALL, left, rows

optuna = pytest.importorskip("optuna")
SEARCH = {"trials": 7, "at_once": 3, "fields": {
    "device": {"sigma": {"from": 0.0, "to": 0.5}, "states": [2, 3, 5]}, "layers.0.cols": {"from": 4, "to": 8},
    "learning_rate_shifts": [[4], [4, 5]], "update.threshold": {"from": 0.5, "to": 2.0, "log": True}}}
SOURCE = SMALL | {"fixed": {"samples": 30}, "grid": {"seed": [1, 2]}, "search": SEARCH}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop, "decorate", lambda file, draw: None)
    (tmp_path / "small.toml").write_text(CONFIG)


def swept(source, out="out", **options):
    return sweep.run(source, out=out, workers=0, progress=False, **options)


def trials(folder):
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(f"{folder}/search.journal"))
    summary, = optuna.get_all_study_summaries(storage)
    return [(trial.params, trial.value) for trial in optuna.load_study(
        study_name=summary.study_name, storage=storage).trials]


def test_the_best_trial_is_found_and_the_journal_has_all():
    answer = swept(SOURCE)
    assert (answer.runs, answer.done, answer.failed) == (14, 14, 0)
    found = table.read(answer.out)
    means = [(found[index]["test_accuracy"] + found[index + 1]["test_accuracy"]) / 2 for index in range(0, 14, 2)]
    assert answer.best.value == max(means)
    assert [value for _, value in trials(answer.out)] == means
    best = found[2 * means.index(max(means))]
    assert answer.best.fields["device.sigma"] == best["device.sigma"]
    assert best["learning_rate_shifts"] in ("[4]", "[4,5]")
    assert {row["layers.0.cols"] for row in found} <= {4, 5, 6, 7, 8}
    least = swept(SOURCE | {"search": SEARCH | {"goal": "minimize", "of": "write_pulses", "trials": 3}}, out="least")
    assert least.best.value == min(
        (first["write_pulses"] + second["write_pulses"]) / 2
        for first, second in zip(*[iter(table.read(least.out))] * 2, strict=True))


def test_a_search_that_is_interrupted_comes_to_the_same(tmp_path, monkeypatch):
    def train(document, folder, **options):
        if len(list(tmp_path.glob("out/runs/*/result.json"))) in stops:
            stops.pop(0)
            raise InterruptedRunError("interrupted")
        return original(document, folder, **options)

    whole, original, stops = swept(SOURCE, out="whole"), worker.train, [3, 8]
    monkeypatch.setattr(worker, "train", train)
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            swept(SOURCE)
    answer = swept(SOURCE)
    assert (answer.done, answer.skipped) == (6, 8)
    assert answer.best == whole.best
    assert left(tmp_path / "out") == left(tmp_path / "whole")
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")
    assert trials("out") == trials("whole")


def test_more_trials_begin_with_those_that_exist():
    swept(SOURCE | {"search": SEARCH | {"trials": 4}})
    answer = swept(SOURCE)
    assert (answer.runs, answer.skipped) == (14, 8)
    assert len(trials(answer.out)) == 7


def test_trials_that_are_contradictory_have_no_value():
    fields = {"device.states": [1, 3]}
    answer = swept(SOURCE | {"search": {"trials": 8, "at_once": 8, "fields": fields}})
    assert answer.failed == 2
    assert answer.best.fields == {"device.states": 3}
    assert {params["device.states"]: value is None for params, value in trials(answer.out)} == {"1": True, "3": False}


@pytest.mark.parametrize(("search", "message"), [
    ({"trials": 0}, "search.trials=0: "),
    ({"of": "accuracy"}, "search.of='accuracy': must be one of test_accuracy, "),
    ({"goal": "best"}, "search.goal='best': "),
    ({"fields": {}}, "search.fields: gives no field"),
    ({"fields": {"seed": [3]}}, "seed: given twice, in grid and in search"),
    ({"fields": {"device.states": [1]}}, "every run is contradictory, the first: small"),
])
def test_what_is_no_search_is_refused(tmp_path, search, message):
    with pytest.raises(ConfigError, match=message):
        swept(SOURCE | {"search": SEARCH | search})
    assert not (tmp_path / "out").exists()


def test_optuna_is_needed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"search needs optuna; install spinloom\[search\]"):
        swept(SOURCE)
