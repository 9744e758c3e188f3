"""Conversion of a component to Verilog."""

import re

from amaranth.back import verilog
from amaranth.lib import wiring

from ...system import caches
from .tool import SynthesisError

_MODULE = re.compile(r"^module .*?^endmodule$", re.MULTILINE | re.DOTALL)
_DECLARATION = re.compile(r"^( *)reg (\\\$auto\$verilog_backend\S+ ) = 0;$", re.MULTILINE)
"""The register by which Yosys makes simulators evaluate most of a module's ``always @*`` at the start."""
_SINGLE = re.compile(r"^( *)always @\*\n *(.+;)$", re.MULTILINE)
"""A process of one statement, which Yosys leaves without that register."""


def to_verilog(component: wiring.Component, name: str) -> str:
    """The Verilog of ``component`` as the module ``name``. It is the same in every run and every folder.

    Ports are ``clk``, ``rst`` and the members of the component's signature; nested names are joined by ``__``
    (``x__payload``, ``x__valid``, ``x__ready``). A structured payload is one vector, packed as its layout says.

    ``SynthesisError`` if Amaranth's Yosys fails.
    """
    caches.settle()
    try:
        text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    except verilog.YosysError as error:
        reason = str(error).strip().splitlines() or ["it does not say why"]
        raise SynthesisError(f"Amaranth's Yosys failed: {reason[-1]}") from None
    return _MODULE.sub(lambda module: _triggered(module[0]), text)


def _triggered(module: str) -> str:
    """``module``, with every combinational process evaluated at the start.

    SystemVerilog initialises declared registers before any process waits for them. So an ``always @*`` that depends on
    nothing else would not run until one of them changes. A nonblocking assignment comes later, and makes it run.
    """
    declared = _DECLARATION.search(module)
    if declared:
        trigger = declared[2]
        module = _DECLARATION.sub(r"\1reg \2;\n\1initial \2<= 0;", module)
    elif _SINGLE.search(module):
        trigger = r"\$start "
        header, rest = module.split("\n", 1)
        module = f"{header}\n  reg {trigger};\n  initial {trigger}<= 0;\n{rest}"
    return _SINGLE.sub(lambda single: f"{single[1]}always @* begin\n{single[1]}  if ({trigger}) begin end\n"
                                      f"{single[1]}  {single[2]}\n{single[1]}end", module)
