"""Tables of costs: what a file gives, what it leaves out, and what is wrong with it."""

import pytest
from spinloom.contract.errors import ConfigError
from spinloom.devices.kinds import KINDS
from spinloom.study.energy.costs import COSTS, load_costs, placeholders, scaled

DEVICE = """
[device.mtj]
read = { picojoules = 0.5, standing = "placeholder", source = "ours" }
"""


def given(folder, text):
    (folder / "costs.toml").write_text(text)
    return load_costs(folder / "costs.toml")


def test_what_a_file_leaves_out_is_the_packages(tmp_path):
    package, costs = load_costs(), given(tmp_path, DEVICE)
    assert costs.device["mtj"].read.picojoules == 0.5
    assert costs.device["mtj"].pulse == package.device["mtj"].pulse
    assert (costs.memory, costs.array, costs.time, costs.digital) == (
        package.memory, package.array, package.time, package.digital)
    assert set(package.device) == set(KINDS)
    assert given(tmp_path, COSTS.read_text()) == package


def test_each_kind_has_its_own_energies():
    costs = load_costs()
    for name, kind in KINDS.items():
        assert (costs.device[name].read, costs.device[name].pulse) == (kind.costs().read, kind.costs().pulse)


def test_a_file_may_add_a_digital_implementation(tmp_path):
    costs = given(tmp_path, """
[digital.int4]
bits = 4
multiply = { picojoules = 0.1, standing = "placeholder", source = "ours" }
add = { picojoules = 0.1, standing = "placeholder", source = "ours" }
""")
    assert list(costs.digital) == ["float32", "float16", "float8", "int4"]
    assert (costs.digital["int4"].bits, costs.digital["float32"].bits) == (4, 32)


def test_what_is_held_together_is_held_in_the_smallest_memory_that_it_fits_in():
    costs = load_costs()
    assert costs.access(8 * 8192, 64).picojoules == 10
    assert costs.access(8 * 8192 + 1, 16).picojoules == 20 / 4
    assert costs.access(2**40, 64).picojoules == 1300
    assert costs.access(2**40, 64).standing == "derived"


def test_placeholders_are_found_and_scaled():
    costs = load_costs()
    found = dict(placeholders(costs))
    assert {("time", "read"), ("time", "word"), ("device", "domain_wall", "read")} < set(found)
    assert ("array", "conversion") not in found
    for place, figure in found.items():
        changed = dict(placeholders(scaled(costs, place, 10.0)))
        assert set(changed) == set(found)
        assert getattr(changed[place], figure.number) == 10 * getattr(figure, figure.number)
        assert all(changed[other] == found[other] for other in found if other != place)


def test_placeholders_in_lists_are_found_and_scaled(tmp_path):
    costs = given(tmp_path, COSTS.read_text().replace('standing = "sourced"', 'standing = "placeholder"', 1))
    assert ("memory", 0) in dict(placeholders(costs))
    changed = scaled(costs, ("memory", 0), 0.5)
    assert [memory.picojoules for memory in changed.memory] == [5, 20, 100, 1300]
    assert costs.access(64, 64).standing == "placeholder"


@pytest.mark.parametrize(("old", "new", "message"), [
    ("picojoules = 3.7", "picojoules = -1", "digital.float32.multiply.picojoules=-1: .* greater than or equal to 0"),
    ("picojoules = 3.7", "", "digital.float32.multiply.picojoules: Field required"),
    ("nanoseconds = 0.83", "", "time.conversion.nanoseconds: Field required"),
    ("nanoseconds = 0.83", "nanoseconds = -1", "time.conversion.nanoseconds=-1: .* greater than or equal to 0"),
    ("nanoseconds = 0.83", "picojoules = 1", "time.conversion.nanoseconds: Field required"),
    ('standing = "sourced"', 'standing = "guessed"', "memory.0.standing.*: Input should be 'sourced', 'derived'"),
    ("bytes = 32768", "bytes = 100", r"memory: bytes=\[8192, 100, 1048576, None\]: must ascend"),
    ("bits = 16", "bits = 65", "digital.float16.bits=65: .* less than or equal to 64"),
    ("[digital.float16]", '[digital."a b"]', r"digital\..*: Field required"),
    ("[digital.float16]", "[device.rram]", "device.rram: must be one of ideal, domain_wall"),
    ("[time.read]", "[time.read", "not valid TOML"),
    ("[time.read]", "[timing.read]", "timing: Extra inputs are not permitted"),
])
def test_a_wrong_table_of_costs_is_named(tmp_path, old, new, message):
    text = COSTS.read_text()
    assert old in text
    with pytest.raises(ConfigError, match=rf"costs\.toml: {message}") as raised:
        given(tmp_path, text.replace(old, new, 1))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("text", "message"), [
    ('[device.rram]\nread = { picojoules = 1, standing = "sourced", source = "" }\n'
     'pulse = { picojoules = 1, standing = "sourced", source = "" }', "device.rram: must be one of ideal, domain_wall"),
    ('[digital."a b"]\nbits = 4\nmultiply = { picojoules = 1, standing = "sourced", source = "" }\n'
     'add = { picojoules = 1, standing = "sourced", source = "" }', "digital.'a b': a name is made of letters, digits"),
    ("array = 3", "array=3: Input should be a valid dictionary"),
    ("digital = {}\nmemory = []", r"memory: Tuple should have at least 1 item"),
])
def test_a_section_that_cannot_be_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=rf"costs\.toml: {message}"):
        given(tmp_path, text)
