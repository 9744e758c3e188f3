"""Conversion of a component to Verilog."""

from amaranth.back import verilog
from amaranth.lib import wiring


def to_verilog(component: wiring.Component, name: str) -> str:
    """The Verilog of ``component`` as the module ``name``: identical from run to run and from folder to folder.

    Ports are ``clk``, ``rst`` and the members of the component's signature, nested names joined by ``__``
    (``x__payload``, ``x__valid``, ``x__ready``); a structured payload is one vector, packed as its layout says.
    """
    return verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
