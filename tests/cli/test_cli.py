"""The program: JSON alone on standard output, exit statuses, errors in one line."""

import json
import subprocess
import sys

import pytest
from spinloom import cli
from spinloom.cli.study import demo_summary
from spinloom.config import load
from spinloom.hw.export import synth
from spinloom.sim import cosim
from spinloom.study.demo import DemoResult
from spinloom.study.demo_figure import draw
from spinloom.system import progress
from spinloom.train import run_folder
from spinloom.train.results import TrainResult

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

BANK = """
device.kind = "domain_wall"
[[crossbars]]
input.count = 16
cols = 8
lanes = 4
[[crossbars]]
input.map = [6, 6, 1]
kind = "conv"
kernel = 3
cols = 4
"""


@pytest.fixture
def bank(tmp_path):
    path = tmp_path / "alone.toml"
    path.write_text(BANK)
    return str(path)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return str(path)


@pytest.fixture
def spinloom(capsys):
    """Runs the program; returns its exit status, standard output and standard error."""
    def run(*arguments):
        status = cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err
    return run


def assert_error(answer, status, *texts):
    actual, out, err = answer
    line = err.splitlines()[-1]
    assert (actual, out) == (status, "")
    assert line.startswith("spinloom: ")
    assert "Traceback" not in err
    for text in texts:
        assert text in line


def test_train_prints_json_alone(spinloom, small, tmp_path):
    status, out, err = spinloom("train", small, "--samples", 50, "--epochs", 1, "--seed", 7, "--out", tmp_path / "run",
                                "--json")
    answer = json.loads(out)
    assert status == 0
    assert answer["epochs"] == 1
    assert 0 <= answer["test_accuracy"] <= 100
    assert 0 <= answer["baseline_accuracy"] <= 100
    assert answer["programming_events"] == answer["write_pulses"] >= 0
    assert answer["samples_per_second"] > 0
    assert "100%" in err
    assert (tmp_path / "run" / "state.npz").is_file()


def test_train_prints_a_summary_and_resumes(spinloom, small, tmp_path):
    status, out, _ = spinloom("train", small, "--samples", 20, "--out", tmp_path / "run")
    assert status == 0
    assert "test accuracy" in out
    assert str(tmp_path / "run") in out
    resumed = spinloom("train", small, "--resume", tmp_path / "run")
    assert resumed[0] == 0
    assert_error(spinloom("train", small, "--resume", tmp_path / "run", "--seed", 2), 2, "--seed", "leave it out")


def test_estimate_shows_the_shapes(spinloom, tmp_path):
    path = tmp_path / "conv.toml"
    path.write_text("""input.map = [8, 8, 1]
device.kind = "domain_wall"
[[layers]]
kind = "conv"
cols = 6
kernel = 3
pool = 2
bias = true
[[layers]]
cols = 10
""")
    status, out, _ = spinloom("estimate", path, "--board", "ulx3s")
    lines = out.splitlines()
    assert (status, lines[0]) == (0, "6C3-MP2-10")
    assert [" ".join(line.split()) for line in lines[2:5]] == [
        "layer kind map kernel stride padding positions rows x cols cells lanes outputs next map",
        "0 conv 8x8x1 3 1 0 36 10 x 6 60 6 6x6x6 3x3x6", "1 dense 3x3x6 1 54 x 10 540 10 10"]
    answer = json.loads(spinloom("estimate", path, "--json")[1])
    assert (answer["topology"], [shape["positions"] for shape in answer["shapes"]]) == ("6C3-MP2-10", [36, 1])
    dense = spinloom("estimate", "digits-dw5", "--board", "ulx3s")[1]
    assert "kernel" not in dense
    assert dense.startswith("64-32-10\n")


def test_estimate_shows_a_bank(spinloom, bank):
    status, out, _ = spinloom("estimate", bank, "--board", "ulx3s")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert (status, lines[0]) == (0, "16-8, 4C3")
    assert lines[2:5] == ["crossbar kind map kernel stride padding positions rows x cols cells lanes outputs",
                          "0 dense 16 1 16 x 8 128 4 8", "1 conv 6x6x1 3 1 0 16 9 x 4 36 4 4x4x4"]
    assert lines[-1] == "fits yes"
    answer = json.loads(spinloom("estimate", bank, "--json")[1])
    assert (answer["experiment"], len(answer["shapes"]), len(answer["boards"])) == ("alone", 2, 3)
    assert "cycles_per_sample" not in answer["boards"][0]
    assert spinloom("estimate", "digits-dw5", "--bank")[1].startswith("64-32, 32-10\n")


def test_generate_a_bank(spinloom, bank, tmp_path):
    status, out, err = spinloom("generate", bank, "--out", tmp_path / "verilog", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == {"files": [f"{tmp_path}/verilog/alone.{suffix}" for suffix in ("v", "json", "md")]}
    assert_error(spinloom("generate", bank, "--out", tmp_path, "--axi"), 2, "describes a bank of crossbars")
    assert_error(spinloom("generate", "digits-dw5", "--bank", "--out", tmp_path, "--axi"), 2, "--axi is for networks")


@pytest.mark.parametrize("command", [["train"], ["cosim"], ["epoch"], ["run", "--simulate"]])
def test_a_bank_is_no_network(spinloom, bank, command):
    assert_error(spinloom(*command, bank), 2, "alone.toml: describes a bank of crossbars, without a network")


def test_generate(spinloom, small, tmp_path):
    status, out, err = spinloom("generate", small, "--out", tmp_path / "verilog", "--json")
    assert (status, err) == (0, "")
    names = [f"{tmp_path}/verilog/network_small.{suffix}" for suffix in ("v", "json", "md")]
    assert json.loads(out) == {"files": names}
    assert spinloom("generate", small, "--out", tmp_path / "verilog")[1].split() == names


@pytest.mark.parametrize("exact", [True, False])
def test_cosim_fails_if_something_differs(monkeypatch, spinloom, small, exact):
    difference = None if exact else "update, layer 0, row 3, col 5: expected -4, actual 12"
    answer = cosim.CosimResult(
        bit_exact=exact, samples=12, simulator="icarus", first_difference=difference,
        cycles_per_sample=151.25 if exact else None, bound_cycles_per_sample=110.5 if exact else None,
        notes=[] if exact else ["waveform: dump.vcd"])
    calls = []
    monkeypatch.setattr(cosim, "run", lambda experiment, **options: calls.append((experiment, options)) or answer)
    status, out, _ = spinloom("cosim", small, "--samples", 12, "--simulator", "icarus", "--json")
    assert (status, json.loads(out)) == (0 if exact else 1, answer.to_json())
    assert calls == [(load(small), {"samples": 12, "simulator": "icarus", "data_dir": None, "progress": True,
                                    "trace": False, "netlist": None})]
    assert ("110.5" if exact else difference) in spinloom("cosim", small)[1]


def test_synth(monkeypatch, spinloom, small, bank):
    def synthesise(experiment, target, progress, *, axi):
        assert not axi
        progress("PROC pass")
        cells = {"luts": 30, "flip_flops": 20, "block_rams": 2, "dsps": 1}
        return synth.Synthesis(experiment=experiment.name, **cells, blocks=(synth.Block(block="(top)", **cells),),
                               cells={}, target=target, counted="4-input LUTs", part="X", capacity=cells,
                               tool_versions={"yosys": "0.70"})
    monkeypatch.setattr(synth, "synthesise", synthesise)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    status, out, err = spinloom("synth", small, "--target", "ice40", "--json")
    assert status == 0
    assert json.loads(out)["target"] == "ice40"
    assert "PROC pass" in err
    assert "flip-flops" in spinloom("synth", small)[1]
    assert json.loads(spinloom("synth", bank, "--json")[1])["experiment"] == "alone"
    assert json.loads(spinloom("synth", small, "--bank", "--json")[1])["experiment"] == f"{load(small).name}-bank"


@pytest.mark.parametrize(("arguments", "texts"), [
    (["trian", "digits-dw5"], ["trian", "train"]),
    (["train"], ["CONFIG"]),
    (["train", "digits-dw6"], ["digits-dw6", "digits-dw5", "mnist-dw5"]),
    (["train", "nowhere.toml"], ["nowhere.toml", "No such file"]),
    (["train", "digits-dw5", "--epochs", "0"], ["--epochs=0", "1 to 65,277"]),
    (["train", "digits-dw5", "--epochs", "many"], ["--epochs", "many"]),
    (["train", "digits-dw5", "--samples", "0"], ["samples=0"]),
    (["train", "digits-dw5", "--resume", "nowhere"], ["nowhere", "not the folder of a run"]),
    (["generate", "digits-dw5"], ["--out"]),
    (["cosim", "digits-dw5", "--simulator", "modelsim"], ["modelsim", "icarus", "verilator"]),
    (["cosim", "digits-dw5", "--samples", "0"], ["samples=0"]),
    (["synth", "digits-dw5", "--target", "spartan"], ["spartan", "ice40, ecp5, gowin, xc7, xcup, generic"]),
    (["estimate", "digits-dw6", "--bank"], ["digits-dw6", "digits-dw5"]),
])
def test_bad_input_ends_in_one_line(spinloom, arguments, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_error(spinloom(*arguments, "--json"), 2, *texts)


@pytest.mark.parametrize(("line", "texts"), [
    ("epoch = 3", ["epoch"]),
    ("layers[0] = 3", ["not valid TOML"]),
    ("[[layers]]\ncols = 10\nlanes = 3", ["layers[2].lanes=3", "10"]),
    ("[[layers]]\ncols = 10\nchi_bits = 99", ["layers[2].chi_bits=99"]),
])
def test_bad_configuration_ends_in_one_line(spinloom, small, tmp_path, line, texts):
    path = tmp_path / "bad.toml"
    path.write_text((line + SMALL) if line.startswith("epoch") else SMALL + line)
    assert_error(spinloom("generate", path, "--out", tmp_path), 2, *texts)


def test_interruption(monkeypatch, spinloom, small):
    def interrupted(*_, **__):
        raise KeyboardInterrupt
    monkeypatch.setattr(cosim, "run", interrupted)
    assert_error(spinloom("cosim", small), 130, "interrupted")


def test_a_defect_is_not_hidden(monkeypatch, spinloom, small):
    def defective(*_, **__):
        raise ZeroDivisionError
    monkeypatch.setattr(cosim, "run", defective)
    with pytest.raises(ZeroDivisionError):
        spinloom("cosim", small)


def test_help_and_version_are_quick():
    script = ("import sys; from spinloom import cli; assert cli.run(['--help']) == cli.run(['--version']) == 0; "
              "sys.exit(bool({'torch', 'numba', 'amaranth', 'matplotlib', 'cocotb'} & set(sys.modules)))")
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for command in ("train", "generate", "cosim", "synth", "demo", "spinloom 0."):
        assert command in result.stdout


def test_demo_draws_and_sums_up(spinloom, small, tmp_path):
    folder = tmp_path / "run"
    assert spinloom("train", small, "--samples", 20, "--out", folder)[0] == 0
    trained = run_folder.read_result(folder, TrainResult)
    result = DemoResult(
        train=trained, generate={"files": ["small.v"]}, bit_exact=False, picture="demo.png", seconds=75,
        cosim=(cosim.CosimResult(simulator="icarus", bit_exact=False, samples=5, first_difference="forward, layer 1"),),
        synth=synth.Synthesis(experiment="small", target="ecp5", luts=3000, flip_flops=2, block_rams=1, dsps=0,
                              blocks=(), cells={}, counted="", part="X", capacity=None, tool_versions={}))
    with (tmp_path / "demo.png").open("wb") as file:
        draw(file, load(small), result, folder)
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    text = demo_summary(result)
    for part in ("NO: forward, layer 1", "3,000 LUTs", "1 min 15 s"):
        assert part in text
