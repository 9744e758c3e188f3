"""What synthesis makes of a design, as Verilog that a simulator can run.

The netlist is what ``synth.count`` counts: the cells of an FPGA family, block by block. It comes with models of these
cells: those that Yosys ships, and those in the folder ``cells``, of cells of which Yosys has the ports only, in the
modes that are used. After the mapping, blocks are inlined and buses are split; nothing is optimised. No model passes
through Yosys.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ...contract.errors import ConfigError
from .synth import Synthesis, count
from .tool import YOSYS, SynthesisError

_MODELS = {"ecp5": ("ecp5", "cells_sim.v"), "ice40": ("ice40", "cells_sim.v"), "xc7": ("xilinx", "cells_sim.v"),
           "gowin": ("gowin", "cells_sim.v")}
"""The folder and the file of a family's models in Yosys."""
FAMILIES = tuple(_MODELS)
"""Those targets of synthesis that have models of their cells."""

_MODULE = re.compile(r"^(?:\(\*[^\n]*\*\)\s*)?module +(\w+).*?^endmodule", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"^(?:\(\*[^\n]*\*\)\s*)?module +(\w+)", re.MULTILINE)
_INCLUDE = re.compile(r'^ *`include "(.+?)" *$', re.MULTILINE)
_MACROS = "`define NO_INCLUDES\n`define NO_ICE40_DEFAULT_ASSIGNMENTS\n"
"""What Yosys's models need for Icarus to read them."""
_PORTS_ONLY = "(* blackbox *)"
"""How a cell begins that is no model."""
_UNREADABLE = {"TRELLIS_COMB"}
"""Models that Icarus cannot read, of cells that nextpnr makes."""


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """A design in cells of a family."""

    verilog: str
    """The netlist, with the models of its cells."""
    synthesis: Synthesis
    """What it is made of."""


def check(family: str) -> None:
    """``ConfigError`` if ``family`` is none of ``FAMILIES``, ``SynthesisError`` if Yosys is not installed."""
    if family not in FAMILIES:
        raise ConfigError(f"no netlist of {family!r}; families are {', '.join(FAMILIES)}")
    YOSYS.require()


def netlist(verilog: str, top: str, family: str, progress: Callable[[str], None] = lambda step: None) -> Netlist:
    """Map the module ``top`` of ``verilog`` to cells of ``family``. Its ports stay as they are.

    Raises as ``check``, and ``SynthesisError`` if Yosys fails or a cell has no model. ``progress`` is called with each
    step of Yosys.
    """
    check(family)
    mapped: list[str] = []
    synthesis = count(verilog, top, family, progress, take=mapped.append)
    models = _models(family)
    missing = sorted(set(synthesis.cells) - set(_NAME.findall(models)))
    if missing:
        raise SynthesisError(f"no models of the cells {', '.join(missing)} of {family}")
    return Netlist(verilog=mapped[0] + models, synthesis=synthesis)


def _models(family: str) -> str:
    """The models of the cells of ``family``: ours, and of all others those of Yosys."""
    folder, file = _MODELS[family]
    ours = "".join(_own(name) for name in ("block_ram", family))
    names = set(_NAME.findall(ours))
    theirs = _MACROS + _shipped(YOSYS.folder / "share" / folder / file)

    def kept(module: re.Match[str]) -> str:
        return "" if module[1] in names | _UNREADABLE or module[0].startswith(_PORTS_ONLY) else module[0]

    return _MODULE.sub(kept, theirs) + ours


def _own(name: str) -> str:
    file = resources.files(__package__) / "cells" / f"{name}.v"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _shipped(file: Path) -> str:
    """The text of Yosys's ``file``, with what it includes."""
    return _INCLUDE.sub(lambda found: _shipped(file.with_name(found[1])), file.read_text(encoding="utf-8"))
