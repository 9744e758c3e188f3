"""Netlists: the models of cells against a second description of what they do."""

import shutil
import subprocess
from importlib import resources
from random import Random
from types import SimpleNamespace

import pytest
from spinloom.contract.errors import ConfigError
from spinloom.hw.export import netlist
from spinloom.hw.export.tool import SynthesisError

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


def amd_bench(cell, parameters, stimuli):
    """A block RAM of AMD, driven by ``stimuli``: of each port byte enables, address and word. Prints the words at both
    ports. Its byte 0 begins with 3, and its first parity bit is set."""
    lanes = {"RAMB18E1": 2, "RAMB36E1": 4}[cell]
    ports = ", ".join(
        f".DI{side}DI(d{side}), .DIP{side}DIP(p{side}), .DO{side}DO(q{side}), .DOP{side}DOP(r{side}), "
        f".ADDR{role}ADDR(a{side}), .WE{enables}(w{side}), .CLK{clock}(clk), .EN{enable}(1'b1)"
        for side, role, enables, clock, enable in (("A", "ARD", "A", "ARDCLK", "ARDEN"),
                                                   ("B", "BWR", "BWE", "BWRCLK", "BWREN")))

    def drive(side, enables, address, word):
        byte = [word >> 9 * lane & 0x1FF for lane in range(lanes)]
        data = sum((value & 0xFF) << 8 * lane for lane, value in enumerate(byte))
        parity = sum((value >> 8) << lane for lane, value in enumerate(byte))
        return f"w{side} = {enables}; a{side} = {address}; d{side} = 32'd{data}; p{side} = {parity};"

    def shown(side):
        return ", ".join(f"r{side}[{lane}], q{side}[{8 * lane + 7}:{8 * lane}]" for lane in reversed(range(lanes)))

    steps = [f"    {drive('A', *a)} {drive('B', *b)} #1 clk = 1; #1 clk = 0; "
             f'$display("%0d %0d", {{{shown("A")}}}, {{{shown("B")}}});' for a, b in stimuli]
    fields = ", ".join(f".{name}({value})" for name, value in parameters.items())
    return "\n".join([
        f"module bench; reg clk = 0; reg [{lanes - 1}:0] wA = 0; reg [{2 * lanes - 1}:0] wB = 0; reg [15:0] aA, aB;",
        f"  reg [{8 * lanes - 1}:0] dA, dB; reg [{lanes - 1}:0] pA, pB;",
        f"  wire [{8 * lanes - 1}:0] qA, qB; wire [{lanes - 1}:0] rA, rB;",
        f"  {cell} #({fields}, .INIT_00(3), .INITP_00(1)) ram({ports}, .RSTRAMARSTRAM(1'b0), .RSTRAMB(1'b0), "
        ".RSTREGARSTREG(1'b0), .RSTREGB(1'b0));",
        "  initial begin", "    #1;", *steps, "  end", "endmodule", ""])


@icarus
@pytest.mark.parametrize(("cell", "mode", "widths"), [
    ("RAMB18E1", "NO_CHANGE", (18, 9)), ("RAMB18E1", "WRITE_FIRST", (4, 18)), ("RAMB18E1", "READ_FIRST", (1, 2)),
    ("RAMB36E1", "READ_FIRST", (36, 9)), ("RAMB36E1", "WRITE_FIRST", (18, 36))])
def test_a_true_dual_port_ram_of_amd_reads_and_writes_as_described(tmp_path, cell, mode, widths):
    """Addresses count bits without parity. Where both ports meet, a reader sees what was there if the writer is in mode
    READ_FIRST."""
    random = Random(widths[0])
    bits = [0] * 9 * 2048
    bits[:9] = [1, 1, 0, 0, 0, 0, 0, 0, 1]
    stimuli, expected, shown = [], [], [0, 0]
    for _ in range(300):
        step, writes = [], []
        for side, width in enumerate(widths):
            apart = 0 if mode == "READ_FIRST" and side == 0 else side << 10
            byte = (random.randrange(32) << 2) + apart
            lanes = max(1, width // 9)
            part = random.randrange(8) // width * width if width < 9 else 0
            enables = random.randrange(2 ** lanes)
            if mode == "READ_FIRST" and side and step[0][0] and random.random() < 0.5:
                byte, enables = step[0][1] // 32 * 4, 0  # the reader meets the writer
            word = random.getrandbits(max(widths))
            places = [(9 * byte + part + bit, enables >> bit // 9 & 1) for bit in range(width)]
            old = sum(bits[place] << bit for bit, (place, _) in enumerate(places))
            new = sum((word >> bit & 1 if written else bits[place]) << bit
                      for bit, (place, written) in enumerate(places))
            if not enables or mode == "READ_FIRST":
                shown[side] = old
            elif mode == "WRITE_FIRST":
                shown[side] = new
            writes += [(place, word >> bit & 1) for bit, (place, written) in enumerate(places) if written]
            step.append((enables, 8 * byte + part, word))
        for place, bit in writes:
            bits[place] = bit
        stimuli.append(step)
        expected.append(f"{shown[0]} {shown[1]}")
    parameters = {f"{what}_WIDTH_{side}": width for side, width in zip("AB", widths, strict=True)
                  for what in ("READ", "WRITE")} | {f"WRITE_MODE_{side}": f'"{mode}"' for side in "AB"}
    assert simulate(tmp_path, amd_bench(cell, parameters, stimuli), "block_ram", "xc7").stdout.splitlines() == expected


@icarus
@pytest.mark.parametrize(("cell", "width"), [("RAMB18E1", 36), ("RAMB36E1", 72)])
@pytest.mark.parametrize("mode", ["READ_FIRST", "WRITE_FIRST"])
def test_a_simple_dual_port_ram_of_amd_has_words_at_the_pins_of_both_ports(tmp_path, cell, width, mode):
    """Port A reads, port B writes. A word that is written is undefined to the reader, except in mode READ_FIRST."""
    half, lanes = width // 2, width // 9
    word, other = Random(width).getrandbits(width), Random(width + 1).getrandbits(width)
    low = (1 << half) - 1
    at = 8 * lanes * 5
    steps = [((0, 0, word & low), (2 ** lanes - 1, at, word >> half)), ((0, at, 0), (0, 0, 0)),
             ((0, at, other & low), (1 << lanes - 1, at, other >> half)), ((0, at, 0), (0, 0, 0))]
    parameters = {"RAM_MODE": '"SDP"', "READ_WIDTH_A": width, "WRITE_WIDTH_B": width, "WRITE_MODE_A": f'"{mode}"',
                  "WRITE_MODE_B": f'"{mode}"'}
    top = 0x1FF << width - 9
    seen = [0x103, word, word if mode == "READ_FIRST" else word ^ top, word & ~top | other & top]
    assert simulate(tmp_path, amd_bench(cell, parameters, steps), "block_ram", "xc7").stdout.splitlines() == [
        f"{value & low} {value >> half}" for value in seen]


@icarus
@pytest.mark.parametrize(("cell", "mode", "widths"), [
    ("SPX9", 0, (36,)), ("SPX9", 2, (18,)), ("SDPX9B", 0, (36, 18)), ("DPX9B", 1, (18, 9))])
def test_a_block_ram_of_gowin_reads_and_writes_as_described(tmp_path, cell, mode, widths):
    """Modes 0, 1 and 2: where a port writes, its output stays, or it is what is written, or what was there. Addresses
    count bits without parity; the lowest ones enable the bytes of 18 and 36 bits."""
    random = Random(widths[0])
    count = {"SPX9": 1, "SDPX9B": 2, "DPX9B": 2}[cell]
    stored = [3, *[0] * 2047]
    steps, expected, shown = [], [], [0] * count
    for _ in range(200):
        drives, writes = [], []
        for side in range(count):
            lanes = widths[side] // 9
            byte = (random.randrange(16) << 2) + (side << 7 if cell == "DPX9B" else 0)
            write = random.randrange(2) if cell != "SDPX9B" else 1 - side
            enables = random.randrange(2 ** lanes) if lanes > 1 else 1
            if cell == "SDPX9B" and side and byte >> 2 == drives[0][1] >> 5:
                byte ^= 64  # what both see is undefined
            word = random.getrandbits(9 * lanes)
            old = stored[byte:byte + lanes]
            new = [word >> 9 * lane & 0x1FF if write and enables >> lane & 1 else old[lane] for lane in range(lanes)]
            wrote = write and enables
            if not wrote or mode:
                shown[side] = sum(value << 9 * lane for lane, value in enumerate(new if mode == 1 else old))
            writes.append((byte, new))
            drives.append((write, 8 * byte + (enables if lanes > 1 else 0), word))
        for byte, new in writes:
            stored[byte:byte + len(new)] = new
        steps.append(drives)
        expected.append(" ".join(map(str, shown[1:] if cell == "SDPX9B" else shown)))
    answer = simulate(tmp_path, gowin_bench(cell, mode, widths, steps), "block_ram", "gowin").stdout.splitlines()
    assert answer == expected


def gowin_bench(cell, mode, widths, steps):
    """A block RAM of Gowin, driven by ``steps``: of each port write, address and word. Prints the words at its outputs
    in each."""
    settings, ports, outputs = {
        "SPX9": (f".WRITE_MODE({mode}), .BIT_WIDTH({widths[0]})",
                 ".CLK(clk), .CE(1'b1), .OCE(1'b1), .RESET(1'b0), .BLKSEL(3'b0), .WRE(w0), .AD(a0), .DI(d0), .DO(q0)",
                 ["q0"]),
        "SDPX9B": (f".BIT_WIDTH_0({widths[0]}), .BIT_WIDTH_1({widths[-1]})",
                   ".CLKA(clk), .CLKB(clk), .CEA(w0), .CEB(1'b1), .OCE(1'b1), .RESETA(1'b0), .RESETB(1'b0), "
                   ".BLKSELA(3'b0), .BLKSELB(3'b0), .ADA(a0), .ADB(a1), .DI(d0), .DO(q1)", ["q1"]),
        "DPX9B": (f".WRITE_MODE0({mode}), .WRITE_MODE1({mode}), .BIT_WIDTH_0({widths[0]}), .BIT_WIDTH_1({widths[-1]})",
                  ".CLKA(clk), .CLKB(clk), .CEA(1'b1), .CEB(1'b1), .OCEA(1'b1), .OCEB(1'b1), .RESETA(1'b0), "
                  ".RESETB(1'b0), .WREA(w0), .WREB(w1), .BLKSELA(3'b0), .BLKSELB(3'b0), .ADA(a0), .ADB(a1), "
                  ".DIA(d0[17:0]), .DIB(d1[17:0]), .DOA(q0[17:0]), .DOB(q1[17:0])", ["q0[17:0]", "q1[17:0]"]),
    }[cell]
    lines = []
    for drives in steps:
        driven = " ".join(f"w{side} = {write}; a{side} = {address}; d{side} = {word};"
                          for side, (write, address, word) in enumerate(drives))
        lines.append(f'    {driven} #1 clk = 1; #1 clk = 0; $display("{" ".join(["%0d"] * len(outputs))}", '
                     f'{", ".join(outputs)});')
    return "\n".join([
        "module bench; reg clk = 0, w0 = 0, w1 = 0; reg [13:0] a0 = 0, a1 = 0; reg [35:0] d0 = 0, d1 = 0;",
        "  wire [35:0] q0, q1;", f"  {cell} #({settings}, .INIT_RAM_00(3)) ram({ports});",
        "  initial begin", "    #1;", *lines, "  end", "endmodule", ""])


@icarus
@pytest.mark.parametrize("width", [9, 18])
def test_multipliers_of_gowin(tmp_path, width):
    """Each factor signed or not."""
    random = Random(width)
    half = 1 << width - 1
    cases = [(a, b, sa, sb) for a in (0, 1, half - 1, half, 2 * half - 1)
             for b in (half, 2 * half - 1, random.getrandbits(width)) for sa in (0, 1) for sb in (0, 1)]
    steps = [f'    a = {a}; b = {b}; sa = {sa}; sb = {sb}; #1 $display("%0d", p);' for a, b, sa, sb in cases]
    bench = "\n".join([
        f"module bench; reg [{width - 1}:0] a, b; reg sa, sb; wire [{2 * width - 1}:0] p;",
        f"  MULT{width}X{width} dut(.A(a), .B(b), .ASIGN(sa), .BSIGN(sb), .ASEL(1'b0), .BSEL(1'b0), .DOUT(p));",
        "  initial begin", *steps, "  end", "endmodule", ""])

    def signed(value, is_signed):
        return value - 2 * half if is_signed and value >= half else value

    assert simulate(tmp_path, bench, "block_ram", "gowin").stdout.split() == [
        str(signed(a, sa) * signed(b, sb) % (1 << 2 * width)) for a, b, sa, sb in cases]


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
@pytest.mark.parametrize(("family", "cell", "said"), [
    ("ecp5", 'DP16KD #(.REGMODE_A("OUTREG")) dut()', "DP16KD: a mode that is not modelled"),
    ("ecp5", "DP16KD #(.DATA_WIDTH_A(3)) dut()", "block_ram: no ports of 3 and 18 bits"),
    ("ecp5", 'DP16KD #(.WRITEMODE_A("OTHER")) dut()', "block_ram: no modes"),
    ("ecp5", 'MULT18X18D #(.REG_OUTPUT_CLK("CLK0")) dut()', "MULT18X18D: a mode that is not modelled"),
    ("xc7", "RAMB18E1 #(.DOA_REG(1)) dut()", "AMD's block RAM: a mode that is not modelled"),
    ("xc7", "RAMB18E1 #(.READ_WIDTH_A(9), .WRITE_WIDTH_A(18)) dut()", "AMD's block RAM: a mode that is not modelled"),
    ("xc7", 'RAMB36E1 #(.RAM_EXTENSION_A("LOWER")) dut()', "AMD's block RAM: a mode that is not modelled"),
    ("xc7", 'RAMB36E1 #(.WRITE_MODE_B("OTHER")) dut()', "block_ram: no modes"),
    ("gowin", "DPX9B #(.READ_MODE1(1)) dut()", "Gowin's block RAM: a mode that is not modelled"),
    ("gowin", "SPX9 #(.WRITE_MODE(3)) dut()", "block_ram: no modes"),
    ("gowin", "MULT9X9 #(.OUT_REG(1)) dut()", "Gowin's multiplier: a mode that is not modelled"),
])
def test_other_modes_are_refused(tmp_path, family, cell, said):
    answer = simulate(tmp_path, f"module bench; {cell}; endmodule\n", "block_ram", family)
    assert answer.returncode
    assert said in answer.stdout + answer.stderr


def test_unknown_families_are_refused():
    with pytest.raises(ConfigError, match="no netlist of 'spartan'; families are ecp5, ice40, xc7, gowin"):
        netlist.check("spartan")


def test_cells_without_a_model_are_refused(monkeypatch):
    made = SimpleNamespace(cells={"DFF": 1, "SP": 2})
    monkeypatch.setattr(netlist, "count", lambda *_, take: take("") or made)
    with pytest.raises(SynthesisError, match="^no models of the cells SP of gowin$"):
        netlist.netlist("", "top", "gowin")
