"""A run goes on with what it began with and nothing else; what is changed on purpose is recorded."""

import json
import shutil

import numpy as np
import pytest
from spinloom import cli, config
from spinloom.contract.errors import ConfigError, InterruptedRunError
from spinloom.study.energy import account
from spinloom.train import data, evaluate, loop, run_folder, transfer
from spinloom.train.identity import Identity, configuration_differences, digest_of, listed

from .test_data import write
from .test_loop import outcome, stop_after

LAYERS = [{"cols": 8, "bias": True, "weight_step": -3, "z_frac": 6}, {"cols": 10, "weight_step": -1}]


def experiment(**fields):
    return config.parse({"epochs": 3, "learning_rate_shifts": [4, 5], "input": {"count": 64}, "layers": LAYERS,
                         "device": {"kind": "domain_wall", "states": 5, "sigma": 0.2}} | fields, "small")


def run(small=None, **options):
    return loop.run(small or experiment(), **{"samples": 40, "baseline": False, "progress": False} | options)


def begun(folder, monkeypatch, small=None, samples=60):
    """A run that is interrupted in its second epoch."""
    with monkeypatch.context() as patch:
        stop_after(patch, samples, 15)
        with pytest.raises(InterruptedRunError):
            run(small, out=folder)
    return folder


def identity(small=None, **options):
    return Identity.of("train", small or experiment(), data.load(small or experiment()), **options)


@pytest.mark.parametrize(("fields", "message"), [
    ({"layers": [LAYERS[0] | {"cols": 9}, LAYERS[1]]}, r"layers\[0\].cols: 8 recorded, 9 now"),
    ({"layers": LAYERS[1:]}, "layers: 2 recorded, 1 now"),
    ({"device": {"kind": "domain_wall", "states": 5, "sigma": 0.3}}, "device.sigma: 0.2 recorded, 0.3 now"),
    ({"device": {"kind": "ideal"}}, "device.kind: domain_wall recorded, ideal now"),
    ({"seed": 7, "epochs": 4}, "seed: 1 recorded, 7 now; epochs: 3 recorded, 4 now"),
    ({"name": "large"}, "name: small recorded, large now"),
    ({"order": "permuted"}, "order: hashed recorded, permuted now"),
    ({"input": {"map": [8, 8, 1]}, "layers": [{"kind": "conv", "kernel": 3, "cols": 2}, LAYERS[1]]},
     r"input.map: none recorded, \[8, 8, 1\] now; layers\[0\].kind: dense recorded, conv now"),
    ({"host": {}, "batch": 10}, "batch: 1 recorded, 10 now; host: none recorded, "),
])
def test_another_configuration_is_refused(tmp_path, monkeypatch, fields, message):
    folder = begun(tmp_path, monkeypatch)
    before = outcome(folder)
    with pytest.raises(ConfigError, match=f"{folder} cannot be resumed, as it is the run of something else: {message}"):
        loop.run(experiment(**fields), resume=folder, baseline=False, progress=False)
    assert outcome(folder) == before


def test_digests_are_those_of_versions_without_convolutions():
    """The default folders of their runs are found again."""
    preset = config.load("digits-dw5")
    dataset = data.load(preset)
    assert Identity.of("train", preset, dataset).digest == \
        "7f2ccea610791bc9b129be362c914d48a85fa2ed8ff5ca01bb731f933843535a"
    built = Identity.of("run", preset, dataset, test=20, built=preset.replaced(seed=9))
    assert built.digest == "44f6862ae7a148ccb0ccf83881ae8c2bda6f2945040c3d525444d779fa1fb7b0"


def test_digests_differ_by_order():
    permuted = identity(experiment(order="permuted"))
    assert permuted.order != identity().order
    assert permuted.digest != identity().digest == identity(experiment(order="hashed")).digest


def test_digests_differ_by_windows():
    def digest(layer, **given):
        layers = [{"kind": "conv", "kernel": 3, "cols": 4} | layer, {"cols": 10}]
        return identity(experiment(input={"map": [8, 8, 1]} | given, layers=layers)).digest

    changes = [{}, {"kernel": 1}, {"padding": 1}, {"stride": [5, 1], "drop": True}, {"pool": 2},
               {"pool": 2, "pool_stride": 1}, {"drop": True}, {"rate_offset": 1}, {"forward_reads": 2},
               {"second_reads": 2}]
    assert len({digest(layer) for layer in changes}) == len(changes)
    assert identity(experiment(input={"map": [8, 8, 1]})).digest != identity().digest


def test_many_differences_are_counted():
    changed = experiment(seed=2, epochs=9, batch=3, init_spread=2.0, loss="squared_hinge", dataset="mnist")
    text = listed(configuration_differences(experiment(), changed))
    assert text == ('dataset: digits recorded, mnist now; seed: 1 recorded, 2 now; epochs: 3 recorded, 9 now; '
                    'batch: 1 recorded, 3 now; and 2 more')


def test_other_data_are_refused(tmp_path, monkeypatch):
    """The same files but for one pixel; a data set is not known by its name or its size."""
    small = experiment(dataset="tiny", input={"count": 6}, layers=[LAYERS[0], LAYERS[1]])
    write(tmp_path / "one")
    run(small, out=tmp_path / "run", data_dir=tmp_path / "one")
    before = outcome(tmp_path / "run")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for file, place in (("train-images-idx3-ubyte", -1), ("t10k-labels-idx1-ubyte", -1)):
        path = tmp_path / "two" / file
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
        for given in (small, None):
            with pytest.raises(ConfigError, match=r"something else: data: 5 training and 2 test samples of a set "
                                                  r"called tiny \(sha256 .{12}\) recorded, 5 training and 2 .* now"):
                loop.run(given, resume=tmp_path / "run", data_dir=tmp_path / "two", progress=False)
        content[place] ^= 1
        path.write_bytes(content)
    assert outcome(tmp_path / "run") == before
    assert loop.run(small, resume=tmp_path / "run", data_dir=tmp_path / "two", baseline=False, progress=False)


def test_the_record_tells_everything(tmp_path):
    result = run(out=tmp_path, options={"epochs": 3})
    document = json.loads((tmp_path / "experiment.json").read_text())
    assert list(document) == ["command", "experiment", "samples", "data", "order", "test", "built", "digest", "options",
                              "changes", "traced", "topology", "shapes"]
    assert document["digest"] == digest_of(document) == result.identity
    assert document["topology"] == "64-8-10"
    assert [(shape["rows"], shape["cols"]) for shape in document["shapes"]] == [(65, 8), (8, 10)]
    assert document["data"] == result.data.to_json() == data.load(experiment()).record.to_json()
    assert (document["samples"], document["options"], document["changes"]) == (40, {"epochs": 3}, [])
    with np.load(tmp_path / "state.npz") as state:
        assert str(state["identity"]) == document["digest"]
    assert json.loads((tmp_path / "result.json").read_text())["identity"] == document["digest"]
    document["data"]["known"] = None  # recognition may become better
    assert digest_of(document) == document["digest"]


@pytest.mark.parametrize("change", [
    lambda document: document["experiment"].update(epochs=9), lambda document: document.update(samples=41),
    lambda document: document["data"].update(sha256="0" * 64), lambda document: document.update(order="0" * 64),
])
def test_a_record_that_was_edited_is_refused(tmp_path, change):
    run(out=tmp_path)
    document = json.loads((tmp_path / "experiment.json").read_text())
    change(document)
    (tmp_path / "experiment.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="experiment.json: was changed after the run began, .* --epochs and --rates"):
        loop.run(None, resume=tmp_path, progress=False)


def test_the_state_of_another_run_is_refused_everywhere(tmp_path):
    run(out=tmp_path / "one")
    run(experiment(seed=2), out=tmp_path / "two")
    shutil.copy(tmp_path / "two" / "state.npz", tmp_path / "one" / "state.npz")
    message = r"one/state.npz: is the state of another run than that of .*one/experiment.json \(its digest is "
    for use in (evaluate.run, account.run, lambda folder: loop.run(None, resume=folder, progress=False)):
        with pytest.raises(ConfigError, match=message):
            use(tmp_path / "one")


def test_default_folders_differ_where_results_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [run(small, out=None, **options).out for small, options in (
        (experiment(), {}), (experiment(seed=2), {}), (experiment(), {"samples": 41}), (experiment(epochs=2), {}))]
    assert len({str(folder) for folder in folders}) == 4
    assert all(folder.name.startswith("small-") and len(folder.name) == len("small-") + 8 for folder in folders)
    with pytest.raises(ConfigError, match=f"{folders[0]} holds a finished run"):
        run(out=None)
    assert run_folder.default(identity(experiment(name="a b"))).parts[1].startswith("a-b-")


@pytest.mark.parametrize("exsitu", [False, True])
def test_more_epochs_and_other_rates(tmp_path, monkeypatch, exsitu):
    """They are those of a run that had them from the start, from the epoch on in which they begin."""
    runner = transfer.run if exsitu else loop.run
    options = {"baseline": False, "progress": False}
    small = experiment(epochs=2, **{"transfer": {}} if exsitu else {})
    whole = small.replaced(epochs=4, learning_rate_shifts=[4, 5, 7, 6])
    runner(whole, out=tmp_path / "whole", samples=40, **options)
    first = runner(small, out=tmp_path / "run", samples=40, **options)
    result = runner(small, resume=tmp_path / "run", epochs=4, rates=(7, 6), **options)
    assert (first.epochs, result.epochs) == (2, 4)
    assert first.identity == result.identity
    inner = "precursor" if exsitu else "."
    expected, actual = (outcome(tmp_path / name / inner) for name in ("whole", "run"))
    assert actual[1] == expected[1]
    assert {name: value for name, value in actual[0].items() if name != "identity"} == {
        name: value for name, value in expected[0].items() if name != "identity"}
    document = json.loads((tmp_path / "run" / inner / "experiment.json").read_text())
    assert document["changes"] == [{"epoch": 2, "epochs": 4, "learning_rate_shifts": [7, 6]}]
    assert document["experiment"]["epochs"] == 2
    again = runner(small, resume=tmp_path / "run", **options)  # the configuration stays what it was
    assert again == result
    with pytest.raises(ConfigError, match="--epochs 3: the run in .* is one of 4 epochs; it can get more, not fewer"):
        runner(small, resume=tmp_path / "run", epochs=3, **options)
    with pytest.raises(ConfigError, match="--rates: the run in .* has no epoch to come; give it more with --epochs"):
        runner(small, resume=tmp_path / "run", rates=(3,), **options)
    with pytest.raises(ConfigError, match=r"learning_rate_shifts\[4\]=99: "):
        runner(small, resume=tmp_path / "run", epochs=5, rates=(99,), **options)
    assert runner(small, resume=tmp_path / "run", **options) == result


def test_rates_begin_with_the_next_epoch(tmp_path, monkeypatch):
    begun(tmp_path, monkeypatch)
    loop.run(None, resume=tmp_path, rates=(8,), baseline=False, progress=False)
    run(experiment(learning_rate_shifts=[4, 5, 8]), out=tmp_path / "whole")
    assert outcome(tmp_path)[1] == outcome(tmp_path / "whole")[1]
    assert run_folder.read_record(tmp_path).experiment.learning_rate_shifts == (4, 5, 8)


def test_changes_are_for_runs_that_are_resumed(tmp_path):
    with pytest.raises(ConfigError, match="epochs and rates change a run that is resumed"):
        run(out=tmp_path, epochs=4)
    with pytest.raises(ConfigError, match="either resumed or overwritten"):
        with run_folder.hold(tmp_path, identity(), resume=True, overwrite=True):
            pass


def earlier(folder):
    """Make a run folder what the previous version left."""
    document = json.loads((folder / "experiment.json").read_text())
    (folder / "experiment.json").write_text(json.dumps({"experiment": document["experiment"],
                                                        "samples": document["samples"]}))
    with np.load(folder / "state.npz") as file:
        np.savez(folder / "state.npz", **{name: array for name, array in file.items() if name != "identity"})
    if (folder / "result.json").exists():
        result = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps({
            name: value for name, value in result.items() if name not in ("data", "identity")}))


def test_a_run_of_an_earlier_version_goes_on_with_a_warning(tmp_path, monkeypatch, capsys):
    run(out=tmp_path / "whole")
    folder = begun(tmp_path / "run", monkeypatch)
    earlier(folder)
    result = loop.run(experiment(), resume=folder, baseline=False, progress=False)
    assert capsys.readouterr().err == (
        f"warning: {folder}: the run was begun by an earlier version, which did not record its data; whether data and "
        "files are those of this run cannot be checked\n")
    assert (result.identity, result.data) == (None, None)
    assert outcome(folder)[1] == outcome(tmp_path / "whole")[1]
    assert evaluate.run(folder).test_accuracy == result.test_accuracy
    assert account.run(folder).samples == 120
    assert capsys.readouterr().err.count("warning: ") == 2
    with pytest.raises(ConfigError, match="something else: seed: 1 recorded, 2 now"):
        loop.run(experiment(seed=2), resume=folder, progress=False)
    with pytest.raises(ConfigError, match="begun by an earlier version, which records no changes"):
        loop.run(experiment(), resume=folder, epochs=9, progress=False)
    shutil.copy(tmp_path / "whole" / "state.npz", folder / "state.npz")
    with pytest.raises(ConfigError, match="is the state of another run"):
        evaluate.run(folder)


def test_a_finished_run_of_an_earlier_version_gives_its_result(tmp_path):
    first = run(out=tmp_path, baseline=True)
    earlier(tmp_path)
    again = loop.run(experiment(), resume=tmp_path, progress=False)
    assert again.to_json() == first.to_json() | {"data": None, "identity": None}


SMALL = """
epochs = 2
input.count = 64
device.kind = "domain_wall"
[[layers]]
cols = 8
weight_step = -2
z_frac = 6
[[layers]]
cols = 10
weight_step = -1
"""


@pytest.fixture
def spinloom(capsys, tmp_path):
    """Runs the program in the folder of ``small.toml``; returns its exit status and its last line."""
    (tmp_path / "small.toml").write_text(SMALL)

    def command(*arguments):
        status = cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, (captured.err if status else captured.out).splitlines()[-1]
    return command


def test_what_options_gave_at_the_start_is_given_again(spinloom, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wall.toml").write_text('kind = "domain_wall"\nsigma = 0.3\n')
    start = ("train", "small.toml", "--samples", 20)
    assert spinloom(*start, "--epochs", 1, "--seed", 5, "--device", "wall.toml", "--out", "run")[0] == 0
    (tmp_path / "wall.toml").unlink()
    record = run_folder.read_record(tmp_path / "run")
    assert record.options["epochs"] == 1
    assert record.options["seed"] == 5
    assert record.options["device"]["sigma"] == 0.3
    assert spinloom("train", "small.toml", "--resume", "run")[0] == 0
    assert spinloom("train", "small.toml", "--resume", "run", "--epochs", 3, "--rates", "5,6")[0] == 0
    assert run_folder.read_record(tmp_path / "run").experiment.learning_rate_shifts == (6, 5, 6)
    (tmp_path / "small.toml").write_text(SMALL.replace("cols = 8", "cols = 9"))
    assert spinloom("train", "small.toml", "--resume", "run") == (
        2, "spinloom: run cannot be resumed, as it is the run of something else: layers[0].cols: 8 recorded, 9 now")


@pytest.mark.parametrize(("arguments", "text"), [
    (("--rates", "5"), "--rates changes a run that --resume continues; a new one takes learning_rate_shifts of CONFIG"),
    (("--resume", "run", "--rates", "5,x"), "'5,x' is no list of whole numbers from 0 to 31, such as 5,6"),
    (("--resume", "run", "--overwrite"), "--overwrite is fixed by the run that --resume continues"),
    (("--resume", "run", "--epochs", "1"), "--epochs 1: the run in run is one of 2 epochs; it can get more, not fewer"),
    (("--out", "run"), "run holds a finished run; take another folder with --out, or --overwrite it"),
])
def test_options_that_do_not_go_together(spinloom, tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert spinloom("train", "small.toml", "--samples", 20, "--out", "run")[0] == 0
    status, line = spinloom("train", "small.toml", *arguments)
    assert status == 2
    assert line.startswith("spinloom: ")
    assert text in line
