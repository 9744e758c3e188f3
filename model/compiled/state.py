"""The state of crossbars as compiled code has it: their own arrays, and copies of what they count and draw from."""

from collections.abc import Sequence

import numpy as np

from ...contract.geometry import COUNTER_BITS, POSITION_COUNTERS
from ...contract.lfsr import LFSRS
from ..crossbar import Crossbar
from .tables import COUNTS, KINDS, State

NOTHING = np.zeros(0, dtype=np.int16)
"""An array that a state has not."""


def state_of(crossbars: Sequence[Crossbar], arrays: dict[str, np.ndarray], pulses: np.ndarray,
             row_reads: np.ndarray) -> State:
    """The state of ``crossbars``, whose ``arrays`` and ``pulses`` are given as vectors over all of them."""
    return State(
        arrays["g"], arrays.get("g_minus", NOTHING), arrays.get("life", NOTHING), arrays["chi"], pulses,
        lfsrs=np.array([crossbar.lfsrs[name].state if name in crossbar.lfsrs else 0
                        for crossbar in crossbars for name in LFSRS], dtype=np.uint32),
        counters=np.array([crossbar.counters.get(name, 0) for crossbar in crossbars for name in POSITION_COUNTERS],
                          dtype=np.int64),
        row_reads=row_reads)


def give_back(state: State, crossbars: Sequence[Crossbar]) -> None:
    """Let ``crossbars`` have counted and drawn what compiled code has, in the ``state`` that it was given."""
    for crossbar, lfsrs, counters in zip(crossbars, state.lfsrs.reshape(-1, KINDS).tolist(),
                                         state.counters.reshape(-1, COUNTS).tolist(), strict=True):
        for name, lfsr in zip(LFSRS, lfsrs, strict=True):
            if name in crossbar.lfsrs:
                crossbar.lfsrs[name].state = lfsr
        counted = dict(zip(POSITION_COUNTERS, counters, strict=True))
        crossbar.counters.update({name: counted[name] & (1 << COUNTER_BITS) - 1 for name in crossbar.counters})
