"""The clock cycles between the passes of a training sample, from the latencies of the blocks on the way.

Each is the distance of two slots of crossbars' arrays; 1 is the distance of two slots without a pause between them.
Around crossbars that are not plain they hold up to a few clock cycles, as their scans run ahead of the slots.
"""

from ..contract.geometry import CrossbarGeometry
from .basics.queue import LATENCY
from .crossbar.adc import adc_latency
from .crossbar.conductance import row_sum_latency
from .crossbar.crossbar import ANSWERS
from .crossbar.delta_store import store_latency
from .crossbar.error_map import ErrorMap
from .crossbar.position_deltas import PositionDeltas
from .crossbar.row_scan import RowScan
from .crossbar.timing import ADDRESS, SUM, summed, write_back
from .delta_converter import converter_latency
from .loss import LossUnit
from .neuron import Neuron
from .pooling import Pooling

ENDING = 2
"""Clock cycles from the last slot of a second pass until the sums of the cells are asked for."""


def to_next_layer(source: CrossbarGeometry) -> int:
    """From the last slot of a forward pass to the first one of the layer behind that follows from it, if the first
    neuron of the last fold is active."""
    return _to_outputs(source) + Neuron.latency


def to_update(last: CrossbarGeometry) -> int:
    """From the last slot of the last layer's forward pass to the first one of its update. The deltas of the last fold
    wait while those of the fold before are stored."""
    if not last.plain:
        return _to_outputs(last) + last.lanes // last.adcs - 1 + LossUnit.latency + _to_second_pass()
    groups, stalls = last.lanes // last.adcs, 1 if last.folds > 1 else 0
    return _to_outputs(last) + groups - 1 + LossUnit.latency + stalls + store_latency(last)


def to_layer_before(source: CrossbarGeometry, target: CrossbarGeometry, cells: float = 0) -> float:
    """From the slot of the last row of ``target`` that passes an error back to the first slot of the update of
    ``source``. Deltas wait while a fold of ``source`` is stored; those that come in every clock cycle never catch up.
    Unless ``target`` is plain, the sums of so many ``cells`` that have a derivative then leave one after the other."""
    passed: float
    if target.plain:
        passed = row_sum_latency(target) + LATENCY[ANSWERS]
    else:
        passed = row_sum_latency(target) + ENDING + ErrorMap.latency + max(0, cells - 1)
    if not source.plain:
        return passed + converter_latency(target) + _to_second_pass()
    stalls = source.folds - 1 if target.folds == 1 and target.plain else 0
    return passed + converter_latency(target) + stalls + store_latency(source)


def to_next_sample(first: CrossbarGeometry) -> int:
    """From the last slot of the first layer's update to the first one of the next sample's forward pass: the controller
    goes through the states ``update bias``, which is left at once if there is no bias, and ``idle``."""
    return 2 if first.bias else 3


def to_second_fold(geometry: CrossbarGeometry) -> int:
    """From the last slot of a forward pass's first fold, which is read while the drive arrives, to the next fold's
    first: its rows are read from the list of active rows."""
    return 1 if geometry.bias else 2


def update_cycles(geometry: CrossbarGeometry, words: float) -> float:
    """From the first slot of an update of so many words to after the last one. With one port, slots come in bursts as
    long as a word is on its way to the write-back, with pauses as long between them. Unless the geometry is plain, most
    slots write nothing."""
    return words if geometry.ports == 2 or not geometry.plain else 2 * words - (write_back(geometry) - ADDRESS)


def _to_outputs(source: CrossbarGeometry) -> int:
    """To the first group of outputs, behind the pooling if there is one."""
    if source.plain:
        return SUM - 1 + adc_latency(source)
    pooling = Pooling.latency if source.window.pools else 0
    return summed(source) - 1 + adc_latency(source) + LATENCY["block"] + pooling


def _to_second_pass() -> int:
    """From the last delta of a pooled map to the first slot of a second pass at several positions."""
    return Pooling.latency + PositionDeltas.latency + RowScan.latency
