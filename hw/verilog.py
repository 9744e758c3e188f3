"""Conversion of a component to Verilog."""

import re

from amaranth.back import verilog
from amaranth.lib import wiring

_TRIGGER = re.compile(r"^( *)reg (\\\$auto\$verilog_backend\S+ ) = 0;$", re.MULTILINE)
"""The register by which Yosys makes simulators evaluate ``always @*`` at the start."""


def to_verilog(component: wiring.Component, name: str) -> str:
    """The Verilog of ``component`` as the module ``name``: identical from run to run and from folder to folder.

    Ports are ``clk``, ``rst`` and the members of the component's signature, nested names joined by ``__``
    (``x__payload``, ``x__valid``, ``x__ready``); a structured payload is one vector, packed as its layout says.
    """
    text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    # SystemVerilog initialises a declared register before any process waits for it, so that nothing would be
    # triggered; a nonblocking assignment comes after.
    return _TRIGGER.sub(r"\1reg \2;\n\1initial \2<= 0;", text)
