"""Netlists: the models of cells against what their vendors say of them."""

import re
import shutil
import subprocess
from importlib import resources
from random import Random

import pytest
from spinloom.contract.errors import ConfigError
from spinloom.hw.export import netlist
from spinloom.hw.export.tool import YOSYS

icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="icarus is not installed")
CELLS = resources.files("spinloom.hw.export") / "cells"


def simulate(folder, bench, *models):
    """What a module ``bench`` prints, line by line."""
    text = bench + "".join((CELLS / f"{name}.v").read_text(encoding="utf-8") for name in models)
    (folder / "bench.v").write_text(text, encoding="utf-8")
    subprocess.run(["iverilog", "-g2012", "-o", "bench", "-s", "bench", "bench.v"], cwd=folder, check=True)
    return subprocess.run(["vvp", "-n", "bench"], cwd=folder, check=False, capture_output=True, text=True)


def pins(name, high, value):
    return ", ".join(f".{name}{bit}({value}[{bit}])" for bit in range(high + 1))


def block_ram_bench(widths, mode, stimuli):
    """A DP16KD, its ports driven by ``stimuli``: of each port write, address and data. Prints both outputs."""
    ports = ", ".join(f"{pins(f'AD{side}', 13, f'a{side}')}, {pins(f'DI{side}', 17, f'd{side}')}, "
                      f"{pins(f'DO{side}', 17, f'q{side}')}, .CLK{side}(clk), .CE{side}(1'b1), .WE{side}(w{side}), "
                      f".RST{side}(1'b0), .CS{side}0(1'b0), .CS{side}1(1'b0), .CS{side}2(1'b0)" for side in "AB")
    steps = [f"    wA = {a[0]}; aA = {a[1]}; dA = {a[2]}; wB = {b[0]}; aB = {b[1]}; dB = {b[2]}; "
             '#1 clk = 1; #1 clk = 0; $display("%0d %0d", qA, qB);' for a, b in stimuli]
    return "\n".join([
        "module bench; reg clk = 0, wA = 0, wB = 0; reg [13:0] aA = 0, aB = 0; reg [17:0] dA = 0, dB = 0;",
        "  wire [17:0] qA, qB;",
        f'  DP16KD #(.DATA_WIDTH_A({widths[0]}), .DATA_WIDTH_B({widths[1]}), .WRITEMODE_A("{mode}"), '
        f'.WRITEMODE_B("{mode}"), .INITVAL_00(320\'h{5 << 20 | 7:x})) ram({ports});',
        "  initial begin", "    #1;", *steps, "  end", "endmodule", ""])


@icarus
@pytest.mark.parametrize(("mode", "widths"), [("NORMAL", (18, 9)), ("WRITETHROUGH", (18, 18)),
                                              ("READBEFOREWRITE", (4, 18)), ("NORMAL", (1, 2))])
def test_a_block_ram_of_ecp5_reads_and_writes_as_described(tmp_path, mode, widths):
    """Addresses count bits: a word of 18 bits is at a multiple of 16, one of 9 at a multiple of 8, and the lowest bits
    of the address enable the bytes of 18."""
    random = Random(widths[0])
    bits = [0] * 2048 * 9  # by byte, 9 each
    for word, value in ((0, 7), (1, 5)):
        bits[18 * word:18 * word + 18] = [value >> bit & 1 for bit in range(18)]
    stimuli, expected, shown = [], [], [0, 0]
    for _ in range(400):
        step, answers, writes = [], [], []
        sides = [random.randrange(64) << 4 for _ in widths]
        if sides[0] >> 5 == sides[1] >> 5:  # what both see is undefined where one writes
            sides[1] ^= 1 << 10
        for side, width in enumerate(widths):
            write, data = random.random() < 0.5, random.getrandbits(18)
            if width == 18:
                enables = random.randrange(4)
                address, lanes = sides[side] | enables, [(sides[side] >> 3) + lane for lane in range(2)]
                places = [(9 * byte + bit, write and enables >> lane & 1)
                          for lane, byte in enumerate(lanes) for bit in range(9)]
                write_any = write and enables
            else:
                address = sides[side] | random.randrange(16)
                first = 9 * (address >> 3) + (address & 7) // width * width if width < 9 else 9 * (address >> 3)
                places, write_any = [(first + bit, write) for bit in range(width)], write
            old = sum(bits[place] << bit for bit, (place, _) in enumerate(places))
            new = sum((data >> bit & 1 if written else bits[place]) << bit
                      for bit, (place, written) in enumerate(places))
            if not write_any or mode == "READBEFOREWRITE":
                shown[side] = old
            elif mode == "WRITETHROUGH":
                shown[side] = new
            writes += [(place, data >> bit & 1) for bit, (place, written) in enumerate(places) if written]
            step.append((int(write), address, data))
            answers.append(shown[side])
        for place, bit in writes:
            bits[place] = bit
        stimuli.append(step)
        expected.append(f"{answers[0]} {answers[1]}")
    answer = simulate(tmp_path, block_ram_bench(widths, mode, stimuli), "block_ram", "ecp5").stdout.splitlines()
    assert answer == expected


@icarus
def test_words_of_36_bits_and_what_is_undefined(tmp_path):
    """Port A writes 36 bits with the byte enables in its lowest address bits, from the pins of both ports; port B reads
    them at both."""
    low, high = 0x2BEEF, 0x15A5A
    steps = [((1, 0x60 | 15, low), (0, 0, high)), ((0, 0, 0), (0, 0x60, 0)), ((1, 0x60 | 1, 0x1FF), (0, 0x80, 0)),
             ((0, 0, 0), (0, 0x60, 0)), ((1, 0x60 | 15, low), (0, 0x60, high))]
    answer = simulate(tmp_path, block_ram_bench((36, 36), "NORMAL", steps), "block_ram", "ecp5").stdout.splitlines()
    mixed = low & ~0x1FF | 0x1FF
    assert answer[1] == f"{low} {high}"
    assert answer[3] == f"{mixed} {high}"
    assert answer[4] == f"{mixed ^ 0x3FFFF} {high ^ 0x3FFFF}"


@icarus
def test_multiplier_of_ecp5(tmp_path):
    """18x18 bits, each factor signed or not."""
    random = Random(1)
    cases = [(a, b, sa, sb) for a in (0, 1, 0x1FFFF, 0x20000, 0x3FFFF)
             for b in (0x20000, 0x3FFFF, random.getrandbits(18)) for sa in (0, 1) for sb in (0, 1)]
    steps = [f'    a = {a}; b = {b}; sa = {sa}; sb = {sb}; #1 $display("%0d", p);' for a, b, sa, sb in cases]
    bench = "\n".join([
        "module bench; reg [17:0] a, b; reg sa, sb; wire [35:0] p;",
        f"  MULT18X18D dut({pins('A', 17, 'a')}, {pins('B', 17, 'b')}, {pins('P', 35, 'p')}, .SIGNEDA(sa), "
        ".SIGNEDB(sb), .SOURCEA(1'b0), .SOURCEB(1'b0));", "  initial begin", *steps, "  end", "endmodule", ""])

    def signed(value, is_signed):
        return value - (1 << 18) if is_signed and value >> 17 else value

    assert simulate(tmp_path, bench, "block_ram", "ecp5").stdout.split() == [
        str(signed(a, sa) * signed(b, sb) % (1 << 36)) for a, b, sa, sb in cases]


@icarus
@pytest.mark.parametrize(("cell", "said"), [
    ('DP16KD #(.REGMODE_A("OUTREG")) dut()', "DP16KD: a mode that is not modelled"),
    ("DP16KD #(.DATA_WIDTH_A(3)) dut()", "block_ram: no ports of 3 and 18 bits"),
    ('DP16KD #(.WRITEMODE_A("OTHER")) dut()', "block_ram: no modes"),
    ('MULT18X18D #(.REG_OUTPUT_CLK("CLK0")) dut()', "MULT18X18D: a mode that is not modelled"),
])
def test_other_modes_are_refused(tmp_path, cell, said):
    answer = simulate(tmp_path, f"module bench; {cell}; endmodule\n", "block_ram", "ecp5")
    assert answer.returncode
    assert said in answer.stdout + answer.stderr


@icarus
@pytest.mark.parametrize(("family", "cell", "init", "out", "inputs"), [
    ("ecp5", "LUT4", "INIT", "Z", "ABCD"), ("ice40", "SB_LUT4", "LUT_INIT", "O", ("I0", "I1", "I2", "I3"))])
def test_luts_are_those_of_yosys(tmp_path, family, cell, init, out, inputs):
    folder, file = {"ecp5": ("ecp5", "common_sim.vh"), "ice40": ("ice40", "cells_sim.v")}[family]
    theirs = (YOSYS.folder / "share" / folder / file).read_text(encoding="utf-8")
    # Timing is not ours.
    shipped = re.sub(r"specify.*?endspecify", "", re.search(rf"^module {cell}\b.*?^endmodule", theirs, re.M | re.S)[0],
                     flags=re.S).replace(cell, "shipped")
    ports = ", ".join(f".{name}(x[{bit}])" for bit, name in enumerate(inputs))
    table = Random(2).getrandbits(16)
    bench = f"""
module bench; reg [4:0] x; wire a, b;
  {cell} #(.{init}(16'd{table})) ours({ports}, .{out}(a)); shipped #(.{init}(16'd{table})) theirs({ports}, .{out}(b));
  initial for (x = 0; x < 16; x = x + 1) begin #1 $display("%0d %0d", a, b); end
endmodule
`define ICE40_DEFAULT_ASSIGNMENT_0
{shipped}
"""
    lines = simulate(tmp_path, bench, *(("block_ram", "ecp5") if family == "ecp5" else (family,))).stdout.splitlines()
    assert lines == [f"{table >> place & 1} {table >> place & 1}" for place in range(16)]


def test_unknown_families_are_refused():
    with pytest.raises(ConfigError, match="no netlist of 'spartan'; families are ecp5, ice40"):
        netlist.check("spartan")
