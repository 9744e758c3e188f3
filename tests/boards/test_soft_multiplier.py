"""Multipliers of an ECP5's LUTs against Yosys's own, for all factors."""

import pytest
from spinloom.boards.place import SOFT_MULTIPLIERS
from spinloom.hw.export.tool import SynthesisError, yosys

TEXT = SOFT_MULTIPLIERS["ecp5"].read_text(encoding="utf-8")
DESIGN = """
module multiply_{a}_{b}(input {sign} [{a}-1:0] a, input {sign} [{b}-1:0] b, output {sign} [{y}-1:0] y);
    assign y = a * b;
endmodule
"""
PROOF = """
copy multiply_{a}_{b} mapped; chtype -set $__soft_mul mapped/t:$mul; techmap -map soft.v mapped
select -write {a}_{b}.txt mapped/t:CCU2C; techmap -autoproc -map +/ecp5/ccu2c_sim.vh -map luts.v mapped
miter -equiv -flatten multiply_{a}_{b} mapped miter; sat -verify -prove trigger 0 miter; delete mapped miter
"""
LUTS = """
module LUT4(input A, B, C, D, output Z); parameter [15:0] INIT = 0; assign Z = INIT >> {D, C, B, A}; endmodule
module LUT2(input A, B, output Z); parameter [3:0] INIT = 0; assign Z = INIT >> {B, A}; endmodule
"""


def prove(folder, text, *cases):
    """That what ``text`` makes of multipliers are some: ``cases`` are the bits of their factors and products, signed or
    not."""
    cases = [dict(zip(("a", "b", "y", "sign"), case, strict=True)) for case in cases]
    for name, content in (("design.v", "".join(DESIGN.format(**case) for case in cases)), ("luts.v", LUTS),
                          ("soft.v", text)):
        folder.joinpath(name).write_text(content, encoding="utf-8")
    yosys("read_verilog design.v; proc; " + "".join(PROOF.format(**case) for case in cases).replace("\n", "; "), folder)


def test_products_are_exact(tmp_path):
    prove(tmp_path, TEXT, (6, 8, 14, "signed"), (9, 4, 13, "signed"), (5, 5, 7, "signed"), (3, 6, 12, "signed"),
          (4, 5, 9, ""), (1, 4, 5, "signed"), (1, 1, 2, ""), (7, 7, 14, ""))
    cells = {name: len(tmp_path.joinpath(f"{name}.txt").read_text(encoding="utf-8").splitlines())
             for name in ("6_8", "9_4", "1_4")}
    assert cells == {"6_8": 25, "9_4": 18, "1_4": 3}


def test_wrong_ones_are_found(tmp_path):
    with pytest.raises(SynthesisError):
        prove(tmp_path, TEXT.replace("16'h8777", "16'h7888"), (4, 5, 9, "signed"))
