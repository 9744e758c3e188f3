"""Ports of a component that are those of a part."""

from amaranth.hdl import Module
from amaranth.lib import wiring


def forward(m: Module, outer: wiring.Component, name: str, part: wiring.Component) -> None:
    """Makes the port ``name`` of ``outer``, an output or an interface, that of ``part``."""
    port, inner = getattr(outer, name), getattr(part, name)
    if outer.signature.members[name].is_port:
        m.d.comb += port.eq(inner)
    else:
        wiring.connect(m, wiring.flipped(port), inner)
