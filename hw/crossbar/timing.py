"""When things happen to a slot on its way through the arrays of a crossbar.

The controller issues a slot in clock cycle 0 of the slot. The constants are clock cycles counted from there.
"""

from ...contract.geometry import CrossbarGeometry
from .adder_tree import tree_latency
from .layouts import banks

ADDRESS = 1
"""The arrays are addressed. Block RAMs are spread wide, so a register is in front of them."""
READ = ADDRESS + 2
"""The word that the slot addresses is at hand: one clock cycle for the memory, one for the register behind it. The
deltas of its fold are needed."""
PRODUCT = READ + 1
"""Products are at hand."""
SUM = PRODUCT + 1
"""The sums of columns include the slot's products, and residuals their change."""
GRADIENT = 1
"""Clock cycles that the sum over positions takes, in a crossbar that has one."""
HOLD = PRODUCT - 1
"""Clock cycles after a slot with `override` in which no other slot may have it: its cell is held in one register."""
ROUNDING = 5
"""Clock cycles that stochastic rounding takes."""


def fetch_latency(geometry: CrossbarGeometry) -> int:
    """When the cell at the slot's ``lane`` has been selected."""
    return READ + tree_latency(geometry.lanes)


def summed(geometry: CrossbarGeometry) -> int:
    """When the sums of columns include the slot's products: `SUM`, if there are no others of other banks."""
    reads = geometry.second_reads
    return SUM + tree_latency(banks(geometry) // reads) + tree_latency(reads)


def change(geometry: CrossbarGeometry) -> int:
    """When the change of a residual is at hand: the product, or its sum over the positions. The next clock cycle has
    the new residual."""
    return PRODUCT + (0 if geometry.plain else GRADIENT)


def write_back(geometry: CrossbarGeometry) -> int:
    """When both arrays are written. A slot that is issued ``write_back + 1 - ADDRESS`` clock cycles later reads what
    this one wrote."""
    return change(geometry) + 1 + (ROUNDING if geometry.rounding == "stochastic" else 0)
