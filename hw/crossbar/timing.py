"""The clocks of a slot on its way through the arrays of a crossbar."""

from ...contract.geometry import CrossbarGeometry
from .adder_tree import tree_latency

ADDRESS = 1
"""Clock of a slot at which the arrays are addressed: block RAMs are spread wide, so a register is in front of them."""
READ = ADDRESS + 2
"""Clock at which the word that it addresses is at hand, and at which the errors of its fold are needed: one for the
memory and one for the register behind it."""
PRODUCT = READ + 1
"""Clock at which products are at hand."""
SUM = PRODUCT + 1
"""Clock at which the sums of columns include the slot's products, and residuals their change."""
HOLD = PRODUCT - 1
"""Clocks after a slot with `override` in which there is no other one, as its cell is held in one register."""
ROUNDING = 5
"""Clocks that stochastic rounding takes."""


def fetch_latency(geometry: CrossbarGeometry) -> int:
    """Clock of a slot at which the cell at its ``lane`` has been selected."""
    return READ + tree_latency(geometry.lanes)


def write_back(geometry: CrossbarGeometry) -> int:
    """Clock of a slot in which both arrays are written: a slot ``write_back + 1 - ADDRESS`` clocks later reads what it
    wrote."""
    return SUM + (ROUNDING if geometry.rounding == "stochastic" else 0)
