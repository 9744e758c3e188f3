"""The trainer that runs compiled code in the place of a network's own training."""

import numpy as np
import torch

from ...contract.geometry import COUNTER_BITS, POSITION_COUNTERS
from ..network import Network
from . import steps
from .tables import COUNTS, KINDS, LFSRS, Samples, State, layer_records, scratch, tables


class CompiledTrainer:
    """Trains a ``Network`` in place of its own ``train_span``, to the same bits.

    It works on the network's own arrays, without a copy. The first trainer on a machine takes some seconds, in which
    the code is compiled. Numba keeps it, so later ones take far less than a second.
    """

    def __init__(self, network: Network) -> None:
        """A trainer for ``network``; ``ValueError`` unless that is on the CPU."""
        if network.torch_device.type != "cpu":
            raise ValueError(f"the network is on the PyTorch device {network.torch_device}; the compiled trainer "
                             "runs on the CPU only")
        self.network = network
        geometries = [crossbar.geometry for crossbar in network.crossbars]
        self._layers = layer_records(geometries)
        arrays = {name: array.numpy() for name, array in network.arrays.items()}
        self._arrays = arrays["g"], arrays.get("g_minus", np.zeros(0, dtype=np.int16)), arrays["chi"]
        self._tables = tables(network)
        self._scratch = scratch(geometries, self._layers)
        self._inputs = geometries[0].window.cells
        self.train_span(torch.zeros((1, self._inputs), dtype=torch.int16), np.zeros(1, dtype=np.int64),
                        np.zeros(1, dtype=np.int64), range(0), 0)  # compiles

    def train_span(self, xs: torch.Tensor, labels: np.ndarray, order: np.ndarray, span: range,
                   learning_rate_shift: int) -> np.ndarray:
        """As ``Network.train_span``; ``xs`` is taken without a copy if it is int16."""
        drives = np.ascontiguousarray(xs.numpy(), dtype=np.int16)
        needed = len(labels), self._inputs
        if drives.shape != needed:  # compiled code does not check its indices
            raise ValueError(f"samples of shape {drives.shape}: {needed[0]} labels and {needed[1]} inputs "
                             f"need {needed}")
        chosen = order[span.start:span.stop].astype(np.int64)
        predictions = np.empty(len(chosen), dtype=np.int64)

        crossbars = self.network.crossbars
        state = State(
            *self._arrays,
            lfsrs=np.array([crossbar.lfsrs[name].state if name in crossbar.lfsrs else 0
                            for crossbar in crossbars for name in LFSRS], dtype=np.uint32),
            counters=np.array([crossbar.counters.get(name, 0) for crossbar in crossbars for name in POSITION_COUNTERS],
                              dtype=np.int64),
            row_reads=np.array(self.network.row_reads, dtype=np.int64).ravel())
        steps.train(self._layers, state, self._tables, self._scratch,
                    Samples(drives.ravel(), labels[chosen].astype(np.int64), chosen, predictions), len(chosen),
                    learning_rate_shift, self.network.experiment.batch, span.start, len(order))
        for crossbar, lfsrs, counters in zip(crossbars, state.lfsrs.reshape(-1, KINDS).tolist(),
                                             state.counters.reshape(-1, COUNTS).tolist(), strict=True):
            for name, lfsr in zip(LFSRS, lfsrs, strict=True):
                if name in crossbar.lfsrs:
                    crossbar.lfsrs[name].state = lfsr
            counted = dict(zip(POSITION_COUNTERS, counters, strict=True))
            crossbar.counters.update({name: counted[name] & (1 << COUNTER_BITS) - 1 for name in crossbar.counters})
        self.network.row_reads = state.row_reads.reshape(2, -1).tolist()
        return predictions
