"""The run-time parameters of a crossbar: which there are, their order, and that their widths hold their values."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spinloom.config import load, parse
from spinloom.contract.errors import ConfigError
from spinloom.contract.hashing import hash32
from spinloom.contract.parameters import design_digest, parameters, quotient_bits, replacements

from ..devices.documents import device_documents


def geometry(device, index=0, **sections):
    document = {"seed": 3, "input": {"count": 4}, "device": device,
                "layers": [{"cols": 2, "weight_step": -4, "chi_bits": 20}] * 2}
    return parse(document | sections, "test").crossbars[index]


def names(crossbar):
    """Names in their order, a table once, as ``name[entries]``."""
    found = []
    for parameter in parameters(crossbar):
        table, number = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", parameter.name).groups()
        if number is None:
            found.append(table)
        elif number == "0":
            found.append(f"{table}[1]")
        else:
            assert found[-1] == f"{table}[{number}]", "entries are neighbours and ascend"
            found[-1] = f"{table}[{int(number) + 1}]"
    return found


STOCHASTIC = {"update": {"rounding": "stochastic", "residual": "none"}}


@pytest.mark.parametrize(("device", "sections", "expected"), [
    ({"kind": "ideal"}, {}, "threshold margin max_attempts movement[5]"),
    ({"kind": "domain_wall", "variation": 0.1}, {"converters": {"read_noise": 0.5}},
     "threshold margin max_attempts cell_seed variation stuck movement[5] read_noise"),
    ({"kind": "ideal"}, {"converters": {"offset": 0.5, "nonlinearity": [0.5, -1.0]}},
     "threshold margin max_attempts movement[5] column[2] nonlinearity[2]"),
    ({"kind": "incremental", "stuck": 0.1}, {},
     "threshold margin max_attempts cell_seed variation stuck movement[18]"),
    ({"kind": "pcm_pair"}, {}, "threshold margin max_attempts refresh_high refresh_low movement[16]"),
    ({"kind": "mtj"}, {}, "threshold margin max_attempts probability[6]"),
    ({"kind": "mtj"}, STOCHASTIC, "margin max_attempts probability[6] curve[16]"),
    ({"kind": "mtj", "pulse_bits": 6, "states": 2}, STOCHASTIC, "margin max_attempts probability[4] curve[64]"),
])
def test_there_are_those_that_the_configuration_needs(device, sections, expected):
    assert names(geometry(device, **sections)) == expected.split()


@settings(max_examples=100)
@given(device=device_documents(), stochastic=st.booleans(), margin=st.sampled_from([0.0, 0.25]),
       attempts=st.integers(1, 255), read_noise=st.sampled_from([0.0, 0.4, 63.9375]), index=st.integers(0, 1))
def test_widths_hold_values_from_which_tables_come_back(device, stochastic, margin, attempts, read_noise, index):
    sections = STOCHASTIC if stochastic and device.get("curve") else {}
    crossbar = geometry(device, index=index, write={"margin": margin, "max_attempts": attempts},
                        converters={"read_noise": read_noise}, **sections)
    words, tables = parameters(crossbar), crossbar.device
    assert len({word.name for word in words}) == len(words)
    assert all(0 <= word.value < 1 << word.bits for word in words)
    values = {word.name: word.value for word in words}
    fields = {"threshold": crossbar.threshold, "margin": crossbar.margin, "max_attempts": attempts,
              "cell_seed": hash32(3, 0x10000 + index, 0), "variation": tables.variation, "stuck": tables.stuck,
              "refresh_high": tables.refresh_high, "refresh_low": tables.refresh_low, "read_noise": crossbar.read_noise}
    entries = [word for word in words if word.name not in fields]
    for name in values.keys() & fields.keys() - {"cell_seed"}:
        assert values[name] == fields[name], name
    if tables.pulse == "switching":
        assert tuple(word.value for word in entries if word.name.startswith("probability")) == tables.probability
    else:
        movement = [word.value for word in entries]
        sign = 1 << tables.g_bits - 1
        assert tuple(((value & 2 * sign - 1) ^ sign) - sign for value in movement) == tables.mean
        assert tuple(value >> tables.g_bits for value in movement) == tables.sigma
    curve = [word.value for word in entries if word.name.startswith("curve")]
    assert bool(curve) == bool(sections)
    if curve:
        assert tuple(value & (1 << 17) - 1 for value in curve) == tables.curve.base
        assert tuple(value >> 17 for value in curve) == tables.curve.slope


def test_cells_are_hashed_from_the_layer_and_the_seed():
    device = {"kind": "domain_wall", "variation": 0.1}
    seeds = [dict((word.name, word.value) for word in parameters(geometry(device, index=index)))["cell_seed"]
             for index in (0, 1)]
    assert seeds[0] != seeds[1]
    assert geometry({"kind": "domain_wall"}).cell_seed == 0


WALL = {"kind": "domain_wall", "sigma": 0.2, "variation": 0.1}


@pytest.mark.parametrize(("device", "sections"), [
    (WALL | {"sigma": 0.1, "offset": [-0.1, 0, 0, 0, 0.1], "stuck": 0.1}, {"seed": 9}),
    (WALL, {"update": {"threshold": 0.9}, "write": {"margin": 0.5, "max_attempts": 2}}),
])
def test_what_differs_in_parameters_can_be_replaced(device, sections):
    generated, wanted = geometry(WALL), geometry(device, **sections)
    assert generated.device.g_bits == wanted.device.g_bits
    assert replacements(generated, wanted) == parameters(wanted) != parameters(generated)


def test_other_columns_and_curves_can_be_replaced():
    generated, wanted = (geometry(WALL, seed=seed, converters={"offset": 0.5, "gain": gain, "nonlinearity": [gain, 0]})
                         for seed, gain in ((1, 0.1), (2, 0.2)))
    assert digest((generated,)) == digest((wanted,)) != digest((geometry(WALL),))
    assert replacements(generated, wanted) == parameters(wanted) != parameters(generated)


@pytest.mark.parametrize(("device", "sections", "message"), [
    (WALL | {"states": 4}, {}, "generated with states=5, which cannot be replaced by 4 while it runs"),
    (WALL | {"variation": 0}, {}, "cell_seed, stuck, variation"),
    (WALL, {"update": {"residual": "nominal"}}, "residual=verified, which cannot be replaced by nominal while it runs"),
    (WALL, {"input": {"count": 5}}, "generated with inputs=4, which cannot be replaced by 5 while it runs"),
    (WALL, {"converters": {"read_noise": 1.0}}, "generated for other parameters, which differ in read_noise$"),
    (WALL, {"update": {"threshold": 0.25}}, r"layers\[0\].threshold=1024: the machine can divide by \d+ or more$"),
])
def test_what_a_machine_cannot_become_is_refused(device, sections, message):
    with pytest.raises(ConfigError, match=message):
        replacements(geometry(WALL), geometry(device, **sections))


def test_the_lowest_threshold_is_told():
    generated, refused = geometry(WALL), geometry(WALL, update={"threshold": 2**-12})
    with pytest.raises(ConfigError) as told:
        replacements(generated, refused)
    lowest = int(re.search(r"divide by (\d+) or more", str(told.value))[1])
    assert quotient_bits(replace(generated, threshold=lowest)) == quotient_bits(generated)
    assert quotient_bits(replace(generated, threshold=lowest - 1)) > quotient_bits(generated)


def convolution(**layer):
    experiment = parse({"input": {"map": [6, 6, 2]}, "device": WALL,
                        "layers": [{"kind": "conv", "cols": 4, "kernel": 3} | layer, {"cols": 2}]}, "test")
    return experiment.crossbars


@pytest.mark.parametrize(("layer", "message"), [
    ({"padding": 1}, r"layers\[0\]: the machine was generated with positions=16, which cannot be replaced by 36"),
    ({"kernel": [1, 3], "padding": [0, 1]}, "generated with positions=16, which cannot be replaced by 36"),
    ({"kernel": [2, 3], "stride": [2, 1], "padding": [1, 0]}, "generated with inputs=18, .* by 12"),
    ({"pool": 2}, r"generated with pool=\(1, 1\), which cannot be replaced by \(2, 2\)"),
    ({"rate_offset": 1}, "generated with rate_offset=0, which cannot be replaced by 1"),
    ({"forward_reads": 2}, "generated with forward_reads=1, which cannot be replaced by 2"),
])
def test_a_machine_of_one_window_cannot_become_one_of_another(layer, message):
    with pytest.raises(ConfigError, match=message):
        replacements(convolution()[0], convolution(**layer)[0])


def digest(crossbars):
    return design_digest(crossbars, "cross_entropy")


def test_designs_differ_by_their_windows():
    layers = [{}, {"padding": 1}, {"stride": [3, 1]}, {"pool": 2}, {"pool": 2, "pool_stride": 1}, {"kernel": [3, 2]},
              {"kernel": [2, 3]}, {"rate_offset": 1}, {"forward_reads": 2}, {"second_reads": 2}, {"cols": 3}]
    assert len({digest(convolution(**layer)) for layer in layers}) == len(layers)
    assert digest(convolution()) == digest(convolution(padding=0, stride=[1, 1], pool=1))


def test_a_dense_design_does_not_depend_on_the_shape_of_its_map():
    def crossbars(**fields):
        return parse({"input": fields, "device": WALL, "layers": [{"cols": 12}, {"cols": 2}]}, "test").crossbars

    row, image = crossbars(count=24), crossbars(map=[2, 4, 3])
    assert row[0].window != image[0].window
    assert digest(row) == digest(image) != digest(crossbars(count=23))
    assert replacements(row[0], image[0]) == parameters(row[0])


@pytest.mark.parametrize(("preset", "known"), [
    ("digits-dw5", 0x3550df6d), ("icebreaker-mnist", 0x2e25c30f), ("mnist-dw5-deep", 0x0cbe236e),
    ("mnist-mtj3-gxnor", 0xc6f5327c), ("mnist-pcm", 0x17cc1427), ("ulx3s-mnist", 0x36df5d20),
])
def test_bitstreams_in_use_are_still_known(preset, known):
    """By the digests that they were built with."""
    experiment = load(preset)
    assert design_digest(experiment.crossbars, experiment.loss) == known
