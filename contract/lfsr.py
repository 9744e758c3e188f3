"""The pseudo-random sequence that golden model and RTL share.

A 32-bit Fibonacci LFSR with the primitive polynomial ``x^32 + x^22 + x^2 + x + 1`` (taps from
P. Alfke, "Efficient Shift Registers, LFSR Counters, and Long Pseudo-Random Sequence Generators",
Xilinx XAPP 052). One step shifts the state left by one and inserts the XOR of the tapped bits; one
*draw* is ``LEAP`` steps, after which the low ``LEAP`` bits, all fresh, are the word drawn.

Everything here is plain Python integers: a linear map over GF(2) is the list of the images of the
32 unit vectors.
"""

from functools import cache

from .geometry import CrossbarGeometry
from .hashing import MASK32, hash32

WIDTH = 32
TAPS = (31, 21, 1, 0)
"""State bits whose XOR is shifted in."""
LEAP = 16
"""Steps a draw, and bits in a drawn word."""
SEGMENT_BITS = 28
"""The crossbar of layer ``l`` starts ``l * 2**SEGMENT_BITS`` steps along the master sequence."""
MAX_SEGMENTS = 15
"""Crossbars that fit into one period of ``2**32 - 1`` steps without sharing a segment."""
SEED_STREAM = 0xFFFF
ROUNDING_STREAM = 0xFFFE
READ_STREAM = 0xFFFD
"""Hash streams from which the states are derived: the master state of programming, that of each layer's LFSR for
stochastic rounding, and for read noise."""

Matrix = tuple[int, ...]
"""A linear map over GF(2)^32; ``matrix[i]`` is the image of ``1 << i``."""


def step(state: int) -> int:
    """One step of the LFSR: the definition from which everything else is derived."""
    bit = 0
    for tap in TAPS:
        bit ^= state >> tap
    return (state << 1 | bit & 1) & MASK32


def apply(matrix: Matrix, state: int) -> int:
    """The image of ``state`` (0 .. 2**32-1) under ``matrix``."""
    image = 0
    for bit, column in enumerate(matrix):
        if state >> bit & 1:
            image ^= column
    return image


def compose(second: Matrix, first: Matrix) -> Matrix:
    """The map that applies ``first``, then ``second``."""
    return tuple(apply(second, column) for column in first)


@cache
def jump(steps: int) -> Matrix:
    """The map of ``steps >= 0`` steps, in O(log steps) matrix products."""
    if steps < 0:
        raise ValueError(f"an LFSR cannot step back: steps={steps}")
    if steps == 0:
        return tuple(1 << bit for bit in range(WIDTH))
    if steps == 1:
        return tuple(step(1 << bit) for bit in range(WIDTH))
    half = jump(steps // 2)
    whole = compose(half, half)
    return compose(jump(1), whole) if steps % 2 else whole


def hashed_state(seed: int, stream: int, layer: int) -> int:
    """The non-zero state at which the LFSR of ``stream`` starts in the crossbar ``layer`` for a master ``seed``."""
    return hash32(seed, stream, layer) or 1


def initial_state(seed: int, segment: int) -> int:
    """The non-zero state at which the LFSR of crossbar ``segment`` starts for a master ``seed``."""
    if not 0 <= segment < MAX_SEGMENTS:
        raise ValueError(f"segment={segment}: an LFSR period has segments 0 to {MAX_SEGMENTS - 1}")
    return apply(jump(segment << SEGMENT_BITS), hashed_state(seed, SEED_STREAM, 0))


def initial_states(seed: int, geometry: CrossbarGeometry) -> dict[str, int]:
    """Where the LFSRs of a crossbar start for a master ``seed``, by their names, in the order of its state."""
    return {name: initial_state(seed, geometry.index) if name == "lfsr"
            else hashed_state(seed, {"rounding_lfsr": ROUNDING_STREAM, "read_lfsr": READ_STREAM}[name], geometry.index)
            for name in geometry.lfsrs}
