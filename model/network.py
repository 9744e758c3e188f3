"""The network: crossbars in a row, neurons between them, the loss at the end."""

from itertools import pairwise

import numpy as np
import torch

from ..config import Experiment
from .crossbar import Crossbar
from .fixed import round_shift, saturate
from .loss import Loss, predict
from .neuron import Neuron


class Network:
    """A machine that trains in place, sample by sample (arithmetic 7.1)."""

    def __init__(self, experiment: Experiment, torch_device: torch.device | str = "cpu") -> None:
        self.experiment = experiment
        self.torch_device = torch.device(torch_device)
        geometries = experiment.crossbars
        self.crossbars = [Crossbar(geometry, experiment.seed, torch_device) for geometry in geometries]
        self.arrays = _joined(self.crossbars)
        """The arrays of all crossbars by name, each in one vector, layer by layer, row-major."""
        self.neurons = [Neuron(before, after, torch_device) for before, after in pairwise(geometries)]
        self.loss = Loss(experiment.loss, geometries[-1], torch_device)
        self.row_reads = [[0] * len(geometries), [0] * len(geometries)]
        """Rows that training has had to read, a number a crossbar: those with a drive or a derivative, and the bias,
        forward, and then those of them that were read once more backward, as there was an error."""

    @property
    def bound_cycles(self) -> int:
        """Cycles in which a crossbar's memory passes over all these rows twice, forward and backward, a row in a cycle
        a fold: what the RTL is measured by."""
        return 2 * self._cycles(self.row_reads[0])

    @property
    def read_cycles(self) -> int:
        """Of these, the cycles for rows that had to be read: without an error there is no second pass."""
        return sum(map(self._cycles, self.row_reads))

    def _cycles(self, rows: list[int]) -> int:
        return sum(count * crossbar.geometry.folds for count, crossbar in zip(rows, self.crossbars, strict=True))

    def train(self, x: torch.Tensor, label: int, learning_rate_shift: int, program: bool = True) -> int:
        """Train on one sample, ``x`` int64 (inputs,), at the learning rate ``2**-learning_rate_shift``.

        Returns the prediction before the update. With ``program`` False the change is only accumulated.
        """
        drives, derivatives = [x], [x]  # the rows of the first crossbar count by their drive alone
        z = self.crossbars[0].forward(x)
        for crossbar, neuron in zip(self.crossbars[1:], self.neurons, strict=True):
            x, y = neuron(z)
            z = crossbar.forward(x)
            drives.append(x)
            derivatives.append(y)

        d = self.loss.error(z, label)
        for layer in reversed(range(len(self.crossbars))):
            crossbar, x, y = self.crossbars[layer], drives[layer], derivatives[layer]
            active = int((x | y).count_nonzero()) + crossbar.geometry.bias
            self.row_reads[0][layer] += active
            self.row_reads[1][layer] += active * bool(d.any())
            e = crossbar.backward(d, y != 0) if layer else None
            crossbar.update(x, d, learning_rate_shift, program)
            if layer:
                d = saturate(round_shift(e * y, crossbar.geometry.error_shift), crossbar.geometry.source_delta_bits)
        return int(predict(z))

    def program(self) -> None:
        """Program every cell whose residual has reached the threshold: the end of a mini-batch."""
        for crossbar in self.crossbars:
            crossbar.program()

    def apply(self, layer: int, dw: torch.Tensor) -> None:
        """``Crossbar.apply`` of one layer."""
        self.crossbars[layer].apply(dw)

    def train_span(self, xs: torch.Tensor, labels: np.ndarray, order: np.ndarray, span: range,
                   learning_rate_shift: int) -> np.ndarray:
        """Train on the samples ``order[i]``, ``i`` in ``span``, of an epoch that takes ``order``, int64 (n,), from
        first to last. ``xs`` (samples, inputs) and ``labels`` (samples,) are integers; mini-batches are counted from
        the start of the epoch. Returns the predictions before the updates, int64 (len(span),)."""
        batch = self.experiment.batch
        predictions = np.empty(len(span), dtype=np.int64)
        for i in span:
            chosen = int(order[i])
            predictions[i - span.start] = self.train(xs[chosen], int(labels[chosen]), learning_rate_shift, batch == 1)
            if batch > 1 and ((i + 1) % batch == 0 or i + 1 == len(order)):
                self.program()
        return predictions

    def infer(self, x: torch.Tensor) -> int:
        """The prediction for one sample, ``x`` int64 (inputs,), counted as the hardware counts it."""
        z = self.crossbars[0].forward(x)
        for crossbar, neuron in zip(self.crossbars[1:], self.neurons, strict=True):
            z = crossbar.forward(neuron(z)[0])
        return int(predict(z))

    def predict(self, xs: torch.Tensor) -> torch.Tensor:
        """Predictions int64 (n,) for samples (n, inputs); the state, counters and LFSRs included, stays as it
        is."""
        z = self.crossbars[0].evaluate(xs)
        for crossbar, neuron in zip(self.crossbars[1:], self.neurons, strict=True):
            z = crossbar.evaluate(neuron(z)[0])
        return predict(z)

    def state(self) -> dict[str, np.ndarray]:
        """The complete state, as the arrays ``layer{l}_g``, ``layer{l}_chi``, ... of arithmetic 8."""
        return {f"layer{layer}_{name}": array
                for layer, crossbar in enumerate(self.crossbars) for name, array in crossbar.state().items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Restore what ``state()`` returned; other arrays are ignored. ``StateError`` as ``Crossbar.load``."""
        for layer, crossbar in enumerate(self.crossbars):
            prefix = f"layer{layer}_"
            crossbar.load({name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)})


def _joined(crossbars: list[Crossbar]) -> dict[str, torch.Tensor]:
    """Give the crossbars' arrays of a name one memory: vectors, of which the crossbars then hold views."""
    vectors = {name: torch.cat([crossbar.arrays[name].flatten() for crossbar in crossbars])
               for name in crossbars[0].arrays}
    parts = [vector.split([crossbar.g.numel() for crossbar in crossbars]) for vector in vectors.values()]
    for crossbar, *views in zip(crossbars, *parts, strict=True):
        crossbar.move({name: view.view(crossbar.g.shape) for name, view in zip(vectors, views, strict=True)})
    return vectors
