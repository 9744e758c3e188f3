"""What a report finds in folders, and what it makes of it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from spinloom.contract.errors import ConfigError
from spinloom.render import chart_figure
from spinloom.study.report import contents, figures, files, swept
from spinloom.study.report import trained as charts_of_runs
from spinloom.study.report.material import gather
from spinloom.study.report.results import Size
from spinloom.study.report.summary import summarise
from spinloom.study.report.table import read_table
from spinloom.train import trace

from .conftest import trained
from .synthetic import sweep

COSIM = {"bit_exact": True, "samples": 50, "simulator": "verilator", "cycles_per_sample": 120.5,
         "bound_cycles_per_sample": 100.0}

DRIFT = {"test_accuracy": 90.0, "data": {"name": "digits", "known": None, "sha256": "0" * 64, "train": 1, "test": 1},
         "drift": [{"seconds": 100.0, "test_accuracy": 80.0}, {"seconds": 1.0, "test_accuracy": 88.0}]}
WIRES = DRIFT | {"drift": [], "wires": [{"ratio": 0.01, "test_accuracy": 70.0}, {"ratio": 0.0, "test_accuracy": 90.0}]}


def written(folder, name, document):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return folder


def tiles(found):
    return {tile.label: tile for tile in summarise(found.material, found.details).tiles}


def test_one_run(run):
    found = contents.read([run])
    (study,) = found.material.studies
    result = json.loads((run / "result.json").read_text())
    assert study.rows[0] | {"test_accuracy": result["test_accuracy"], "write_pulses": result["write_pulses"],
                            "status": "done", "config": "small"} == study.rows[0]
    learning = found.charts["learning"]
    assert learning.series[0].y[-1] == result["test_accuracy"]
    assert learning.limits[0].value == result["baseline_accuracy"]
    assert [round(each * 100) for each in found.charts["pulses-by-epoch"].series[0].y] == [
        row.write_pulses for row in found.details[0].epochs]
    assert tiles(found)["best test accuracy"].value == f"{result['test_accuracy']:.2f} %"
    assert tiles(found)["golden model = hardware"].value == "not compared"
    assert found.material.left_out == []


def test_wear_tells_the_worst_cell_and_its_pulses(run):
    pulses = np.load(run / "state.npz")["layer0_pulses"]
    wear = contents.read([run]).charts[f"wear-{run.name}"]
    first = wear.series[0]
    assert first.x[-1] == pulses.max()
    assert first.y == [100 * int((pulses >= place).sum()) / pulses.size for place in first.x]
    most = json.loads((run / "result.json").read_text())["most_write_pulses"]
    assert wear.limits[0].value == most
    assert "worst cell: row " in wear.note


def test_cells_that_age_are_shown_beside_their_endurance(tmp_path):
    folder = trained(tmp_path / "aged", device={"kind": "domain_wall", "ageing": {"endurance": 2.0}})
    lives = [np.load(folder / "state.npz")[f"layer{layer}_life"] for layer in (0, 1)]
    failed, cells = sum(int((each == 0).sum()) for each in lives), sum(each.size for each in lives)
    found = contents.read([folder])
    wear = found.charts["wear-aged"]
    assert [(limit.name, limit.value) for limit in wear.limits[1:]] == [("endurance: 2", 2.0)]
    assert failed > 0
    share = f"{100 * failed / cells:.3g} %"
    assert wear.note.endswith(f"; failed cells: {failed:,} of {cells:,} ({share})")
    tile = tiles(found)["most failed cells"]
    assert (tile.value, tile.remark) == (share, f"{failed:,} of {cells:,}; aged")


def test_a_trace_shows_pulses_by_epoch_and_layer_and_trajectories(tmp_path, monkeypatch):
    folder = trained(tmp_path / "traced", trace=True)
    monkeypatch.setattr(trace, "PART", 7)  # pulses that are looked at together
    found = contents.read([folder])
    state, (detail,) = np.load(folder / "state.npz"), found.details
    layers = found.charts["pulses-by-epoch-and-layer-traced"].series
    assert [sum(each) for each in zip(*(layer.y for layer in layers), strict=True)] == [
        row.write_pulses for row in detail.epochs]
    assert [sum(layer.y) for layer in layers] == [state[f"layer{layer}_pulses"].sum() for layer in (0, 1)]
    cells = detail.trace.trajectories
    counts = np.concatenate([state[f"layer{layer}_pulses"].ravel() for layer in (0, 1)])
    pulsed = sorted(counts[counts > 0].tolist())
    assert (cells[0].name, len(cells[0].pulses)) == ("worst", pulsed[-1])
    assert len(cells[-1].pulses) == pulsed[(len(pulsed) - 1) // 2]
    chart = found.charts["trajectories-traced"]
    for cell, line in zip(cells, chart.series, strict=True):
        layer, row, col, _ = cell.place
        assert len(cell.pulses) == state[f"layer{layer}_pulses"][row, col]
        assert (line.x[0], line.x[-1], len(line.x)) == (0, 200, len(cell.pulses) + 2)
        sub_level = 2 ** -detail.experiment.device_tables.sub_bits
        assert line.y[-1] == state[f"layer{layer}_g"][row, col] * sub_level


def test_a_long_trajectory_is_thinned_to_its_first_and_last_pulse_and_some_between(tmp_path, monkeypatch):
    monkeypatch.setattr(charts_of_runs, "MOST_STEPS", 3)
    found = contents.read([trained(tmp_path / "traced", trace=True)])
    worst, chart = found.details[0].trace.trajectories[0], found.charts["trajectories-traced"]
    samples = worst.pulses["sample"].tolist()
    assert list(chart.series[0].x) == [0, samples[0], samples[(len(samples) - 1) // 2], samples[-1], 200]
    assert chart.note.endswith("at most 3 pulses of a cell are shown, evenly chosen")


def test_a_trace_that_is_damaged_is_left_out_by_name(tmp_path):
    folder = trained(tmp_path / "traced", trace=True)
    (folder / "trace.bin").write_bytes(b"")
    found = contents.read([folder])
    assert found.details[0].trace is None
    assert found.details[0].energy is not None
    assert found.material.left_out == [f"traced: {folder / 'trace.bin'}: is no trace"]


def test_cells_of_several_devices_wear_device_by_device(tmp_path):
    folder = trained(tmp_path / "several", trace=True, synapse={"slices": [4, 1]})
    pulses = np.load(folder / "state.npz")["layer0_pulses"]
    found = contents.read([folder])
    assert found.charts["wear-several"].series[0].x[-1] == pulses.max()
    assert sum(found.charts["pulses-by-epoch-and-layer-several"].series[0].y) == pulses.sum()
    assert found.material.left_out == []


def test_the_summary_tells_all_numbers_of_states(run, tmp_path):
    found = contents.read([sweep(tmp_path / "sweep", 200, run)])
    assert ("Networks: 64-8-10 of domain wall devices with 2, 3, 5, 9, 17 states."
            in summarise(found.material, found.details).lead)


def test_runs_differ_in_the_fields_of_their_configurations(run, tmp_path):
    shutil.copytree(run, tmp_path / "a")
    trained(tmp_path / "b", device={"kind": "domain_wall", "sigma": 0.4})
    (study,) = gather([tmp_path]).studies
    assert study.fields == ("device.sigma",)
    assert [row["device.sigma"] for row in study.rows] == [0.2, 0.4]


def test_a_sweep_is_read_from_its_table(tmp_path, run):
    found = contents.read([sweep(tmp_path / "sweep", 200, run)])
    (study,) = found.material.studies
    assert study.fields == ("device.states", "device.sigma", "seed")
    assert (len(study.rows), len(study.done)) == (200, 196)
    best, median, worst = (each.name.split(":")[0] for each in found.details)
    assert (best, median, worst) == ("best", "median", "worst")
    heat = found.charts["test-accuracy-map-device-sigma-device-states"].cells
    cell = [row["test_accuracy"] for row in study.done if (row["device.states"], row["device.sigma"]) == (2, 0.05)]
    assert heat.values[0][0] == sum(cell) / len(cell)
    line = found.charts["test-accuracy-over-device-sigma"].series[0]
    assert (line.name, line.y[0]) == ("2", heat.values[0][0])
    assert line.band[0][0] < line.y[0] < line.band[1][0]
    assert tiles(found)["runs that have ended"].remark == "of 200, 4 failed"


def test_one_field_has_a_band_over_seeds_and_many_values_are_points():
    rows = [{"run": f"{seed}", "config": "c", "status": "done", "device.sigma": sigma, "seed": seed,
             "test_accuracy": 90.0 + seed - sigma} for sigma in (0.0, 0.5) for seed in (1, 2, 3)]
    (over, cloud) = (*swept.of_fields(rows, ("device.sigma", "seed")), None)
    assert cloud is None
    assert over.series[0].y == [92.0, 91.5]
    assert over.series[0].band == ([91.0, 90.5], [93.0, 92.5])
    assert over.note == "mean of 3 runs each; bands: one standard deviation on each side"
    drawn = [row | {"device.sigma": number / 7} for number, row in enumerate(rows * 6)]
    (points,) = swept.of_fields(drawn, ("device.sigma",))
    assert points.series[0].mark == "points"
    assert len(points.series[0].x) == 36


def test_results_are_known_by_their_fields_whatever_the_file_is_called(tmp_path):
    folder = written(tmp_path / "results", "mine.json", COSIM)
    written(folder, "drift.json", DRIFT)
    written(folder, "wires.json", WIRES)
    cells = {"luts": 100, "flip_flops": 5, "block_rams": 2, "dsps": 1}
    written(folder, "synth.json", cells | {"experiment": "a", "target": "ecp5", "lanes": [4, 2]})
    written(folder, "bitstream.json", cells | {"experiment": "a", "board": "ulx3s", "fmax_mhz": 57.5, "lanes": [8, 2]})
    written(folder, "estimate.json", {"experiment": "b", "topology": "4-2", "shapes": [{"lanes": 3}],
                                      "boards": [cells | {"board": "ulx3s"}]})
    written(folder, "other.json", [1, 2])
    found = contents.read([tmp_path])
    assert [(each.of, each.bit_exact) for each in found.material.agreements] == [("RTL, verilator", True)]
    assert [each.y for each in found.charts["drift"].series] == [[88.0, 80.0]]
    assert [each.y for each in found.charts["wires"].series] == [[70.0]]  # a logarithmic axis has no place for 0
    assert [(each.of, each.all_lanes) for each in found.material.sizes] == [
        ("placed and routed, ulx3s", 10), ("estimated, ulx3s", 3), ("synthesised, ecp5", 6)]
    assert found.charts["size-clock"].series[0].y == [57.5]
    assert tiles(found)["golden model = hardware"].value == "every bit"


def test_a_difference_stands_at_the_top(tmp_path):
    written(tmp_path, "cosim.json", COSIM | {"bit_exact": False, "first_difference": "g, layer 1, row 3"})
    tile = tiles(contents.read([tmp_path]))["golden model = hardware"]
    assert (tile.value, tile.standing) == ("NO, in 1 of 1", "bad")
    assert tile.remark.endswith("g, layer 1, row 3")


@pytest.mark.parametrize(("name", "document", "message"), [
    ("half.json", '{"bit_exact": true, "sam', "half.json: not a whole JSON document"),
    ("cosim.json", {"bit_exact": "perhaps", "samples": 1}, "cosim.json: bit_exact: "),
    ("experiment.json", "{", "experiment.json: not the description of a run"),
    ("table.csv", "run,status\n1,done\n", "table.csv: not the table of a sweep: it has no runs with the columns run"),
    ("table.csv", b"\xff\xfe".decode("latin1"), "table.csv: not the table of a sweep"),
])
def test_what_cannot_be_read_is_left_out_by_name(tmp_path, name, document, message):
    written(tmp_path / "bad", name, document)
    written(tmp_path / "good", "cosim.json", COSIM)
    (left_out,) = gather([tmp_path]).left_out
    assert message in left_out
    assert "\n" not in left_out
    with pytest.raises(ConfigError, match="there is nothing to report: "):
        gather([tmp_path / "bad"])


def test_folders_without_anything_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is nothing to report in .*; give the folder of a run or a sweep"):
        gather([tmp_path])
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        gather([tmp_path / "nowhere"])


def test_a_run_of_an_earlier_version_is_shown_without_what_it_did_not_record(run, tmp_path):
    old = shutil.copytree(run, tmp_path / "old")
    record = json.loads((old / "experiment.json").read_text())
    written(old, "experiment.json", {"experiment": record["experiment"], "samples": 100})
    arrays = {name: value for name, value in np.load(old / "state.npz").items()
              if name != "identity" and not name.endswith("_pulses")}
    np.savez(old / "state.npz", **arrays)
    found = contents.read([old])
    assert found.details[0].pulses == []
    assert found.details[0].energy is not None
    assert "pulses-by-layer" not in found.charts


def test_layers_of_different_networks_are_beside_each_other_by_number(run):
    detail, = contents.read([run]).details
    wider = replace(detail, experiment=detail.experiment.replaced(layers={0: {"cols": 9}}))
    alone, both = (charts_of_runs.pulses(details)[-1] for details in ([detail], [detail, wider]))
    assert [name.split(": ")[0] for name in alone.series[0].x] == both.series[0].x == both.series[1].x == ["0", "1"]
    assert alone.series[0].x != both.series[0].x


def test_a_legend_can_be_read_before_bars(run):
    charts = contents.read([run]).charts
    detail, = contents.read([run]).details
    bars, = (chart for chart in charts_of_runs.pulses([detail, detail]) if chart.name == "pulses-by-layer")
    assert chart_figure.draw(bars).axes[0].get_legend().get_frame_on()
    assert not chart_figure.draw(charts["learning"]).axes[0].get_legend().get_frame_on()


def test_charts_have_different_names(run, tmp_path):
    for name in ("one", "two"):
        sweep(tmp_path / name, 100, run)
    found = contents.read([tmp_path])
    assert len(found.charts) == sum(len(section.charts) for section in found.sections)
    assert "test-accuracy-over-device-sigma-2" in found.charts


def test_sizes_are_drawn_only_over_different_lanes():
    size = Size(experiment="a", board="b", luts=1, block_rams=0, dsps=0, lanes=(4,))
    assert figures.sizes([size, size]) == []


def test_figures_are_files_with_their_data_beside_them(tmp_path):
    written(tmp_path / "results", "drift.json", DRIFT)
    answer = files.run([tmp_path / "results"], tmp_path / "figures", ("png", "svg", "pdf"))
    assert answer.figures == ("drift",)
    for name in answer.figures:
        assert (tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert "<svg" in (tmp_path / "figures" / f"{name}.svg").read_text()
        assert (tmp_path / "figures" / f"{name}.csv").read_text().startswith("series,")
    again = files.run([tmp_path / "results"], tmp_path / "again", ("svg", "pdf"))
    for path in again.files:
        assert path.read_bytes() == (tmp_path / "figures" / path.name).read_bytes()


def test_unknown_formats_are_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="format gif: must be one of png, svg, pdf"):
        files.run([run], tmp_path, ("gif",))


def test_a_sweep_that_has_just_begun(tmp_path):
    written(tmp_path, "table.csv", "run,status,error,config,seed,energy_joules,digital_joules\n0a,waiting,,c,1,,\n")
    found = contents.read([tmp_path])
    assert found.material.studies[0].fields == ("seed",)
    assert tiles(found)["runs that have ended"].remark == "of 1, 1 waiting"
    assert found.sections == []


def test_a_table_may_lack_values(tmp_path):
    written(tmp_path, "table.csv", "run,status,error,config,seed,test_accuracy\n0a,waiting,,c,1,\n0b,done,,c,2,91.5\n"
            "0c,done,,c,3,nan\n")
    study = read_table(tmp_path)
    assert study.rows[0]["test_accuracy"] is None
    assert [row["run"] for row in study.done] == ["0b"]
    assert study.columns == ["run", "status", "error", "config", "seed", "test_accuracy"]


@pytest.mark.parametrize("line", ["0b,done,,c,2,91.5", "0b,done,,c,2,91.5,1,2,3", f"0b,done,,c,{'9' * 400},91.5,7"])
def test_a_table_that_was_edited_by_hand_is_shown(tmp_path, line):
    written(tmp_path, "table.csv", f"run,status,error,config,seed,test_accuracy\n0a,done,,c,1,90.0\n{line}\n")
    assert tiles(contents.read([tmp_path]))["best test accuracy"].value == "91.50 %"


def test_a_table_with_a_short_line_is_left_out(tmp_path):
    written(tmp_path, "table.csv", "run,status,error,config,seed,test_accuracy\n0a,done,,c,1,90.0\n0b,done\n")
    with pytest.raises(ConfigError, match="a line of it is too short"):
        contents.read([tmp_path])


def test_a_folder_that_is_given_twice_counts_once(run):
    assert len(gather([run, run, run.parent]).studies[0].rows) == 1


SEARCH = """config = "digits-dw5"
grid.seed = [1, 2]
[search]
trials = 4
[search.fields]
"update.threshold" = { from = 0.5, to = 2.0, log = true }
"layers.0.weight_step" = { from = -3, to = -1 }
"""
TRIALS = """run,status,error,config,seed,update.threshold,layers.0.weight_step,test_accuracy,baseline_accuracy
0a,done,,digits-dw5,1,0.6,-3,80.0,94.0
0b,done,,digits-dw5,2,0.6,-3,82.0,94.0
0c,done,,digits-dw5,1,1.9,-2,70.0,94.0
0d,done,,digits-dw5,2,1.9,-2,72.0,94.0
0e,done,,digits-dw5,1,0.9,-2,95.0,94.0
0f,failed,no luck,digits-dw5,2,0.9,-2,,
1a,done,,digits-dw5,1,1.2,-1,88.0,94.0
1b,done,,digits-dw5,2,1.2,-1,90.0,94.0
"""


def searched(folder, goal="maximize"):
    written(folder, "table.csv", TRIALS)
    return written(folder, "sweep.toml", SEARCH.replace("trials = 4", f'trials = 4\ngoal = "{goal}"'))


@pytest.mark.parametrize(("goal", "best"), [("maximize", [81.0, 81.0, 89.0]), ("minimize", [81.0, 71.0, 71.0])])
def test_a_search_shows_its_best_so_far_and_what_it_proposed(tmp_path, goal, best):
    found = contents.read([searched(tmp_path / "search", goal)])
    trials, line = found.charts["test-accuracy-by-trial"].series
    assert (trials.x, trials.y) == ([1, 2, 4], [81.0, 71.0, 89.0])  # a trial with a failed run has no value
    assert line.y == best
    threshold = found.charts["test-accuracy-against-update-threshold"]
    assert threshold.x.log
    assert threshold.series[0].mark == "points"
    assert not found.charts["test-accuracy-against-layers-0-weight-step"].x.log
    assert not any(chart.cells for chart in found.charts.values())


def test_each_of_several_sweeps_has_a_section(tmp_path, run):
    searched(tmp_path / "search")
    sweep(tmp_path / "grid", 100, run)
    found = contents.read([tmp_path])
    titles = [section.title for section in found.sections]
    assert titles[:2] == [f"{tmp_path / name}: accuracy, pulses and energy over what was varied"
                          for name in ("grid", "search")]
    assert {each.name.split(",")[0] for each in found.details} == {"grid"}
