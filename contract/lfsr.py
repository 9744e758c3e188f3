"""The pseudo-random sequence that golden model and RTL share.

A 32-bit Fibonacci LFSR with the primitive polynomial ``x^32 + x^22 + x^2 + x + 1`` (taps from P. Alfke, "Efficient
Shift Registers, LFSR Counters, and Long Pseudo-Random Sequence Generators", Xilinx XAPP 052). One step shifts the state
left by one bit and inserts the exclusive or of the tapped bits. One *draw* is ``LEAP`` steps; the low ``LEAP`` bits,
all of them new, are then the word drawn.

Everything here is plain Python integers. A linear map over GF(2) is the tuple of the images of the 32 unit vectors.
"""

from functools import cache

from .geometry import CrossbarGeometry
from .hashing import MASK32, hash32

WIDTH = 32
TAPS = (31, 21, 1, 0)
"""Bits of the state whose exclusive or is shifted in."""
LEAP = 16
"""Steps of a draw, and bits of a drawn word."""
SEGMENT_BITS = 28
"""The crossbar of layer ``l`` starts ``l * 2**SEGMENT_BITS`` steps along the master sequence."""
MAX_SEGMENTS = 15
"""Crossbars that have a segment of their own within the period of ``2**32 - 1`` steps."""
SEED_STREAM = 0xFFFF
ROUNDING_STREAM = 0xFFFE
READ_STREAM = 0xFFFD
NEURON_STREAM = 0xFF
"""Hash streams of initial states: of the master sequence, from which the LFSRs of programming start, and of the LFSRs
for stochastic rounding, for read noise and for the neurons before a layer, one for each layer."""
STREAMS = {"rounding_lfsr": ROUNDING_STREAM, "read_lfsr": READ_STREAM, "neuron_lfsr": NEURON_STREAM}
"""The last three, by the names of the LFSRs in the state of a crossbar."""
LFSRS = "lfsr", *STREAMS
"""The names of all LFSRs that a crossbar can have, that of programming first."""

BLOCK_STREAM = 0xFFFC
"""Hash stream of the seeds of further blocks of ``MAX_SEGMENTS`` crossbars."""

Matrix = tuple[int, ...]
"""A linear map over GF(2)^32; ``matrix[i]`` is the image of ``1 << i``."""


def step(state: int) -> int:
    """One step of the LFSR. Everything else follows from this definition."""
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
    """The map of ``steps >= 0`` steps; takes a number of matrix products of the order of log ``steps``."""
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
    """The state, not 0, at which the LFSR of ``stream`` in the crossbar ``layer`` starts for a master ``seed``."""
    return hash32(seed, stream, layer) or 1


def initial_state(seed: int, segment: int) -> int:
    """The state, not 0, at which the LFSR of programming in the crossbar ``segment`` starts for a master ``seed``."""
    if not 0 <= segment < MAX_SEGMENTS:
        raise ValueError(f"segment={segment}: an LFSR period has segments 0 to {MAX_SEGMENTS - 1}")
    return apply(jump(segment << SEGMENT_BITS), hashed_state(seed, SEED_STREAM, 0))


def numbered(seed: int, number: int) -> tuple[int, int]:
    """The seed and the index of the crossbar ``number`` of any number of them, of the master ``seed``. Those that would
    have no segment of their own are the first ones, and so on, of other seeds, which follow from this one."""
    block, index = divmod(number, MAX_SEGMENTS)
    return hash32(seed, BLOCK_STREAM, block) if block else seed, index


def initial_states(seed: int, geometry: CrossbarGeometry) -> dict[str, int]:
    """The states at which the LFSRs of a crossbar start for a master ``seed``, by the names of ``geometry.lfsrs``."""
    return {name: initial_state(seed, geometry.index) if name == "lfsr"
            else hashed_state(seed, STREAMS[name], geometry.index) for name in geometry.lfsrs}
