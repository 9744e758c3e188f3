"""The state of crossbars as compiled code has it: their own arrays, and copies of what they count and draw from."""

from collections.abc import Sequence

import numpy as np

from ...contract.geometry import COUNTER_BITS, POSITION_COUNTERS
from ...contract.lfsr import LFSRS
from ..crossbar import Crossbar
from .tables import COUNTS, KINDS, State

NOTHING = np.zeros(0, dtype=np.int16)
"""An array that there is not."""
NO_TRACE = np.zeros(0, dtype=np.int64)


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""The first fields of a ``State``."""


def arrays_of(arrays: dict[str, np.ndarray], pulses: np.ndarray) -> Arrays:
    """As vectors, from the arrays of a crossbar or a network and its ``pulses``."""
    g, g_minus, slices, chi = (arrays.get(name, NOTHING).reshape(-1) for name in ("g", "g_minus", "slices", "chi"))
    return g, g_minus, slices, chi, pulses.reshape(-1)


def state_of(crossbars: Sequence[Crossbar], arrays: Arrays, row_reads: np.ndarray, trace: np.ndarray = NO_TRACE,
             limit: int = 0, sample: int = 0) -> State:
    """The state of ``crossbars``, whose ``arrays``, by ``arrays_of``, are vectors over all of them. Write pulses are
    traced in ``trace``, if there is a ``limit``; ``sample`` samples have been trained."""
    wired = any(crossbar.geometry.wires for crossbar in crossbars)
    return State(
        *arrays,
        read_g=np.concatenate([crossbar.read_g().numpy().astype(np.int16).ravel() for crossbar in crossbars])
        if wired else arrays[0],
        lfsrs=np.array([crossbar.lfsrs[name].state if name in crossbar.lfsrs else 0
                        for crossbar in crossbars for name in LFSRS], dtype=np.uint32),
        counters=np.array([crossbar.counters.get(name, 0) for crossbar in crossbars for name in POSITION_COUNTERS],
                          dtype=np.int64),
        row_reads=row_reads, trace=trace, tracing=np.array([limit, sample, 0], dtype=np.int64))


def give_back(state: State, crossbars: Sequence[Crossbar]) -> None:
    """Let ``crossbars`` have counted and drawn what compiled code has, in the ``state`` that it was given."""
    for crossbar, lfsrs, counters in zip(crossbars, state.lfsrs.reshape(-1, KINDS).tolist(),
                                         state.counters.reshape(-1, COUNTS).tolist(), strict=True):
        for name, lfsr in zip(LFSRS, lfsrs, strict=True):
            if name in crossbar.lfsrs:
                crossbar.lfsrs[name].state = lfsr
        counted = dict(zip(POSITION_COUNTERS, counters, strict=True))
        crossbar.counters.update({name: counted[name] & (1 << COUNTER_BITS) - 1 for name in crossbar.counters})
