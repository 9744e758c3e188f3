"""The generated files: reproducible, and a description that fits the Verilog."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from spinloom.config import load, parse
from spinloom.contract.errors import ConfigError
from spinloom.design import BankDesign, parse_bank
from spinloom.design import load as load_design
from spinloom.hw.bank import beats as shapes_of_beats
from spinloom.hw.export import generate_axi
from spinloom.hw.export.generate import generate, module_name, prepare

EXPERIMENTS = {
    "wide": {"input": {"count": 6, "kind": "signed", "bits": 5}, "device": {"kind": "ideal", "states": 3},
             "layers": [{"cols": 4, "lanes": 2, "bias": True, "neuron": "sigmoid", "chi_bits": 20}, {"cols": 3}]},
    "stored": {"input": {"count": 6}, "device": {"kind": "ideal", "states": 3}, "order": "permuted",
               "store": {"memory": "block_ram", "words": 100, "samples": 20}, "layers": [{"cols": 3}]},
    "single": {"input": {"count": 1, "kind": "ternary"}, "device": {"kind": "domain_wall", "states": 2},
               "loss": "squared_hinge", "layers": [{"cols": 2, "z_frac": 6, "delta_bits": 12, "chi_frac": 8}]},
}
DESIGNS = {name: parse(document, name) for name, document in EXPERIMENTS.items()} | {
    "bank": BankDesign.of(parse_bank({"device": {"kind": "ideal", "states": 3}, "crossbars": [
        {"input": {"count": 6, "kind": "signed", "bits": 5}, "cols": 4, "lanes": 2, "bias": True},
        {"input": {"map": [3, 3, 2], "frac": 6}, "kind": "conv", "kernel": 2, "cols": 3, "device": {"kind": "pcm_pair"},
         "z_frac": 6}]}, "bank"))}
NETWORK = {"command", "x", "result", "state_in", "state_out"}
STREAMS = {"bank": {"command", "operands", "answers"}, "stored": NETWORK | {
    "feed", "report", "access", "words", "digest", "memory__commands", "memory__writes", "memory__reads"}}


@pytest.fixture(params=DESIGNS)
def files(request, tmp_path):
    return generate(DESIGNS[request.param], tmp_path)


def filled(fields: list[dict], width: int) -> bool:
    """Whether every one of ``width`` bits is in one of ``fields``."""
    bits = [bit for field in fields for bit in range(field["offset"], field["offset"] + field["width"])]
    return sorted(bits) == list(range(width))


def module_ports(verilog: str, name: str) -> dict[str, tuple[str, int]]:
    """Direction and width of the ports in the header and the declarations of module ``name``."""
    body = re.search(rf"^module {name}\((.*?)\);(.*?)^endmodule", verilog, re.MULTILINE | re.DOTALL)
    header = {port.strip() for port in body[1].split(",")}
    declared = re.findall(r"^ *(input|output) (?:signed )?(?:\[(\d+):0\] )?(\w+)\s*;", body[2], re.MULTILINE)
    ports = {port: (direction, int(high or 0) + 1) for direction, high, port in declared}
    assert set(ports) == header
    return ports


def test_ports_are_those_of_the_verilog(files):
    document = json.loads(files[1].read_text())
    described = {port["name"]: (port["direction"], port["width"]) for port in document["ports"]}
    assert described == module_ports(files[0].read_text(), document["module"])


def test_fields_fill_their_payloads(files):
    document = json.loads(files[1].read_text())
    assert {entry["name"] for entry in document["streams"]} == STREAMS.get(document["module"], NETWORK)
    widths = {port["name"]: port["width"] for port in document["ports"]}
    for entry in document["streams"]:
        assert entry["width"] == widths[f"{entry['name']}__payload"]
        assert filled(entry["fields"], entry["width"])


def test_a_bank_describes_the_beats_of_every_crossbar(tmp_path):
    design = DESIGNS["bank"]
    verilog, description, page = (path.read_text() for path in generate(design, tmp_path))
    document = json.loads(description)
    widths = {entry["name"]: entry["width"] for entry in document["streams"]}
    shapes = shapes_of_beats(design.crossbars)
    assert [(beats["crossbar"], beats["name"], beats["stream"]) for beats in document["beats"]] == [
        (number, name, stream) for number in range(2) for name, stream in (
            ("x", "operands"), ("d", "operands"), ("z", "answers"), ("e", "answers"))]
    for beats in document["beats"]:
        assert beats["width"] == shapes[beats["crossbar"]][beats["name"]].size <= widths[beats["stream"]]
        assert filled(beats["fields"], beats["width"])
        assert all(field["meaning"] for field in beats["fields"])
        assert set(beats["operations"]) < {item["name"] for item in document["operations"]["Operation"]}
        assert f"{beats['name']}` on `{beats['stream']}`, of {', '.join(beats['operations'])}" in page
    fields = {(beats["crossbar"], beats["name"]): [field["name"] for field in beats["fields"]]
              for beats in document["beats"]}
    assert fields[0, "d"] == ["col", "delta[0]", "delta[1]", "last"]
    assert fields[1, "d"] == ["position", "col", "delta", "last"]
    assert fields[0, "x"] == ["row", "x", "derivative", "last"]
    for number, geometry in enumerate(design.crossbars):
        described, words = document["crossbars"][number], document["state_words"][number]
        assert (described["crossbar"], words["crossbar"], document["parameter_words"][number]["crossbar"]) == (
            number, number, number)
        assert words["words"][0]["count"] == geometry.rows * geometry.cols
        assert described["parameters"]["lanes"] == geometry.lanes
        assert "source" not in described["parameters"]
        assert described["device"]["pair"] is geometry.device.pair
    assert document["bank"]["name"] == "bank"
    assert [crossbar["cols"] for crossbar in document["bank"]["crossbars"]] == [4, 3]


def test_description_names_operations_and_signs(tmp_path):
    document = json.loads(generate(parse(EXPERIMENTS["wide"], "wide"), tmp_path)[1].read_text())
    operations = document["operations"]["NetworkOperation"]
    assert [(item["name"], item["value"]) for item in operations][:2] == [("INFER", 0), ("TRAIN", 1)]
    assert all(item["meaning"] for item in operations)
    x = next(field for entry in document["streams"] if entry["name"] == "x" for field in entry["fields"]
             if field["name"] == "x")
    assert (x["width"], x["signed"]) == (5, True)
    geometry = load("digits-dw5").crossbars[0]
    assert document["layers"][0]["derived"]["rows"] == 7
    assert document["state_words"][0]["words"][0]["count"] == 7 * 4
    assert set(document["layers"][0]["parameters"]) < {*vars(geometry), *vars(geometry.window), "inputs"}


@pytest.mark.parametrize("text", [
    'input.count = 5\ndevice.kind = "domain_wall"\n[[layers]]\ncols = 4\n[[layers]]\ncols = 2\n',
    'device.kind = "domain_wall"\n[[crossbars]]\ninput.count = 5\ncols = 4\n'])
def test_same_bytes_in_another_process_and_folder(tmp_path, text):
    (tmp_path / "a").mkdir()
    source = tmp_path / "network.toml"
    source.write_text(text)
    first = generate(load_design(str(source)), tmp_path / "a" / "one")
    script = ("from spinloom.design import load; from spinloom.hw.export.generate import generate; "
              f"generate(load({str(source)!r}), 'two')")
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    assert len(first) == 3
    for path in first:
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        assert str(tmp_path) not in path.read_text()


def test_module_names():
    assert [module_name(name) for name in ("digits-dw5", "5 states", "é", "a__b", "module",
                                                "always_ff", "a$b")] == [
        "digits_dw5", "network_5_states", "network", "a_b", "network_module", "network_always_ff", "a_b"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write to .*file.*: "):
        generate(load("digits-dw5"), tmp_path / "file" / "folder")
    assert list(Path(tmp_path).iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize("make", [generate, generate_axi.generate])
def test_two_names_of_one_module_do_not_share_a_folder(tmp_path, make):
    first, second = (load("digits-dw5").replaced(name=name) for name in ("a b", "a-b"))
    for name in ("a_b.json", "a_b_axi.json"):
        (tmp_path / name).write_text(json.dumps({"experiment": first.model_dump(mode="json")}))
        prepare(tmp_path, Path(name).stem, first)
    with pytest.raises(ConfigError, match=r"a_b(_axi)?.json: describes 'a b', and the module of 'a-b' would have the"):
        make(second, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_network_and_a_bank_do_not_share_a_folder_by_accident(tmp_path):
    experiment = load("digits-dw5")
    bank = BankDesign.of(experiment.replaced(name="a b"))
    (tmp_path / "a_b_bank.json").write_text(json.dumps({"bank": bank.description}))
    prepare(tmp_path, "a_b_bank", bank)
    with pytest.raises(ConfigError, match="a_b_bank.json: describes 'a b-bank', and the module of 'a-b-bank' would"):
        generate(experiment.replaced(name="a-b-bank"), tmp_path)
