"""The trainer that runs compiled code in the place of a network's own training."""

import numpy as np
import torch

from ...contract.geometry import CrossbarGeometry
from ...contract.pulses import PULSE, PULSE_WORDS
from ..network import Network
from . import steps
from .state import NO_TRACE, arrays_of, give_back, state_of
from .tables import SAMPLE, TRACED, Samples, State, layer_records, scratch, tables

ROOM = 1 << 16
"""Traced write pulses after which compiled code comes back, at the end of a sample. So many stay in a cache."""


class CompiledTrainer:
    """Trains a ``Network`` in place of its own ``train_span``, and predicts in place of its ``predict``, to the same
    bits.

    It works on the network's own arrays, without a copy. The first trainer on a machine takes some seconds, in which
    the code is compiled. Numba keeps it, so later ones take far less than a second.
    """

    def __init__(self, network: Network) -> None:
        """A trainer for ``network``; ``ValueError`` unless that is on the CPU."""
        if network.torch_device.type != "cpu":
            raise ValueError(f"the network is on the PyTorch device {network.torch_device}; the compiled trainer "
                             "runs on the CPU only")
        self.network, self.experiment, self.torch_device = network, network.experiment, network.torch_device
        geometries = [crossbar.geometry for crossbar in network.crossbars]
        self._layers = layer_records(geometries)
        self._arrays = arrays_of({name: array.numpy() for name, array in network.arrays.items()},
                                 network.pulses.numpy())
        self._tables = tables(network)
        self._scratch = scratch(geometries, self._layers)
        self._trace, self._limit = NO_TRACE, 0
        nothing = torch.zeros((0, self.experiment.input.count), dtype=torch.int16), np.zeros(0, dtype=np.int64)
        self.train_span(*nothing, nothing[1], range(0), 0)  # compiles

    def train_span(self, xs: torch.Tensor, labels: np.ndarray, order: np.ndarray, span: range,
                   learning_rate_shift: int) -> np.ndarray:
        """As ``Network.train_span``; ``xs`` is taken without a copy if it is int16."""
        if self.network.recorder is not None and not self._limit:
            self._make_trace()
        samples, state = self._samples(xs, labels, order[span.start:span.stop]), self._state()
        done, count = -1, len(samples.chosen)
        while done < count:
            done = steps.train(self._layers, state, self._tables, self._scratch, samples, max(0, done), count,
                               learning_rate_shift, self.experiment.batch, span.start, len(order))
            self._record(state)
        give_back(state, self.network.crossbars)
        self.network.row_reads = state.row_reads.reshape(2, -1).tolist()
        return samples.predictions

    def predict(self, xs: torch.Tensor) -> torch.Tensor:
        """As ``Network.predict``."""
        samples = self._samples(xs, np.zeros(len(xs), dtype=np.int64), np.arange(len(xs)))
        steps.predict(self._layers, self._state(), self._tables, self._scratch, samples, len(xs))
        return torch.from_numpy(samples.predictions)

    def _samples(self, xs: torch.Tensor, labels: np.ndarray, chosen: np.ndarray) -> Samples:
        """The samples ``chosen`` of all; ``ValueError`` unless their drives ``xs`` fit the network."""
        drives = np.ascontiguousarray(xs.numpy(), dtype=np.int16)
        needed = len(labels), self.experiment.input.count
        if drives.shape != needed:  # compiled code does not check its indices
            raise ValueError(f"samples of shape {drives.shape}: {needed[0]} labels and {needed[1]} inputs "
                             f"need {needed}")
        return Samples(drives.ravel(), labels[chosen].astype(np.int64), chosen.astype(np.int64),
                       np.empty(len(chosen), dtype=np.int64))

    def _state(self) -> State:
        """The state of the network: its own arrays, and copies of what it counts and draws from."""
        recorder = self.network.recorder
        return state_of(self.network.crossbars, self._arrays,
                        row_reads=np.array(self.network.row_reads, dtype=np.int64).ravel(),
                        trace=self._trace, limit=self._limit, sample=recorder.sample if recorder else 0)

    def _make_trace(self) -> None:
        """Make room for a trace: for ``ROOM`` pulses, and for what a sample may add. Little of that is ever used, and
        so little of it becomes memory."""
        most = sum(crossbar.pulses.numel() * most_pulses(crossbar.geometry) for crossbar in self.network.crossbars)
        self._trace, self._limit = np.empty((ROOM + most) * PULSE_WORDS, dtype=np.int64), ROOM

    def _record(self, state: State) -> None:
        """Give what has been traced to the network's recorder."""
        recorder = self.network.recorder
        if recorder is not None:
            words = self._trace[:state.tracing[TRACED] * PULSE_WORDS]
            recorder.extend(words.astype("<i8").view(PULSE))
            recorder.sample = int(state.tracing[SAMPLE])
            state.tracing[TRACED] = 0


def most_pulses(geometry: CrossbarGeometry) -> int:
    """Write pulses that a visit of a cell may take, on each of its devices."""
    device = geometry.single.device
    return (1 if device.pulse == "landing" else device.states - 1) + (geometry.max_attempts if device.pair else 0)
