"""The geometry of a crossbar in a bank: one without a network around it (`hw.bank.Bank`)."""

from dataclasses import replace

from .geometry import CrossbarGeometry
from .widths import divisors

ADCS = 4
"""Most columns that are converted in each clock cycle, unless chosen otherwise: groups of outputs fit 64 bits."""


def banked(geometry: CrossbarGeometry) -> CrossbarGeometry:
    """The geometry as it is in a bank: errors are passed back for the cells that a host asks for, so every cell has a
    derivative of one bit. There is no pooling, and no layer behind."""
    window = replace(geometry.window, pool=(1, 1), pool_stride=(1, 1), view=None)
    finest = geometry.delta_frac + geometry.device.sub_bits - geometry.weight_step  # of a row sum
    return replace(geometry, window=window, source="relu", source_delta_bits=geometry.delta_bits,
                   source_delta_frac=finest)


def narrowed(geometry: CrossbarGeometry, lanes: int) -> CrossbarGeometry:
    """The geometry with as many lanes as can be, and at most so many, and one row a clock cycle; results are the
    same."""
    widest = max(divisor for divisor in divisors(geometry.cols) if divisor <= lanes)
    return replace(geometry, lanes=widest, adcs=max(divisor for divisor in divisors(widest) if divisor <= ADCS),
                   forward_reads=1, second_reads=1)
