"""The network: crossbars one after the other, neurons between them, the loss at the end."""

from itertools import pairwise

import numpy as np
import torch

from ..config import Experiment
from .crossbar import Crossbar
from .fixed import round_shift, saturate
from .loss import Loss, predict
from .neuron import Neuron


class Network:
    """A network that trains in its crossbars, sample by sample (arithmetic 7.1)."""

    def __init__(self, experiment: Experiment, torch_device: torch.device | str = "cpu") -> None:
        self.experiment = experiment
        self.torch_device = torch.device(torch_device)
        geometries = experiment.crossbars
        self.crossbars = [Crossbar(geometry, experiment.seed, torch_device) for geometry in geometries]
        self.arrays = _joined(self.crossbars)
        """The arrays of the state by name. Each is one vector over all crossbars, layer by layer, row-major."""
        self.neurons = [Neuron(before, after, torch_device) for before, after in pairwise(geometries)]
        self.loss = Loss(experiment.loss, geometries[-1], torch_device)
        self.row_reads = [[0] * len(geometries), [0] * len(geometries)]
        """Rows that training had to read: in the forward pass and in the backward pass, a number for each crossbar.

        Each sample needs the rows with a drive or a derivative that is not 0, and the bias row. The backward pass reads
        the same rows again, unless the delta is 0 everywhere.
        """

    @property
    def bound_cycles(self) -> int:
        """Lower bound of the clock cycles of the RTL: 2 x sum of rows x folds. The memory of a crossbar reads every row
        that a sample needs twice, forward and backward, one fold in a clock cycle."""
        return 2 * self._cycles(self.row_reads[0])

    @property
    def read_cycles(self) -> int:
        """Clock cycles for the rows that were in fact read: as ``bound_cycles``, but a sample whose delta is 0
        everywhere has no second pass."""
        return sum(map(self._cycles, self.row_reads))

    def _cycles(self, rows: list[int]) -> int:
        """Clock cycles for ``rows`` of each crossbar."""
        return sum(count * crossbar.geometry.folds for count, crossbar in zip(rows, self.crossbars, strict=True))

    def train(self, x: torch.Tensor, label: int, learning_rate_shift: int, program: bool = True) -> int:
        """Train on one sample, with the drive ``x`` int64 (inputs,), at the learning rate ``2**-learning_rate_shift``.

        Returns the prediction before the update. If ``program`` is False, the update is only accumulated.
        """
        drives, derivatives = [x], [x]  # no neuron drives the first crossbar; its rows count by their drive alone
        z = self.crossbars[0].forward(x)
        for crossbar, neuron in zip(self.crossbars[1:], self.neurons, strict=True):
            x, y = neuron(z)
            z = crossbar.forward(x)
            drives.append(x)
            derivatives.append(y)

        d = self.loss.delta(z, label)
        for layer in reversed(range(len(self.crossbars))):
            crossbar, x, y = self.crossbars[layer], drives[layer], derivatives[layer]
            active = int((x | y).count_nonzero()) + crossbar.geometry.bias
            self.row_reads[0][layer] += active
            self.row_reads[1][layer] += active * bool(d.any())
            before = _delta_before(crossbar, d, y) if layer else d
            crossbar.update(x, d, learning_rate_shift, program)
            d = before
        return int(predict(z))

    def program(self) -> None:
        """End a mini-batch: program every cell whose residual has reached the threshold."""
        for crossbar in self.crossbars:
            crossbar.program()

    def apply(self, layer: int, dw: torch.Tensor) -> None:
        """``Crossbar.apply`` of the crossbar of ``layer``."""
        self.crossbars[layer].apply(dw)

    def train_span(self, xs: torch.Tensor, labels: np.ndarray, order: np.ndarray, span: range,
                   learning_rate_shift: int) -> np.ndarray:
        """Train on the part ``span`` of an epoch.

        ``xs`` (samples, inputs) and ``labels`` (samples,) are all samples, integers. The epoch takes them in ``order``,
        int64 (n,); this call takes ``order[i]`` for every ``i`` in ``span``. Mini-batches begin where the epoch begins,
        and the last one ends with it. Returns the predictions before each update, int64 (len(span),).
        """
        batch = self.experiment.batch
        predictions = np.empty(len(span), dtype=np.int64)
        for i in span:
            chosen = int(order[i])
            predictions[i - span.start] = self.train(xs[chosen], int(labels[chosen]), learning_rate_shift, batch == 1)
            if batch > 1 and ((i + 1) % batch == 0 or i + 1 == len(order)):
                self.program()
        return predictions

    def infer(self, x: torch.Tensor) -> int:
        """The prediction for one sample with the drive ``x`` int64 (inputs,). Counters count it, as in the RTL."""
        z = self.crossbars[0].forward(x)
        for crossbar, neuron in zip(self.crossbars[1:], self.neurons, strict=True):
            z = crossbar.forward(neuron(z)[0])
        return int(predict(z))

    def predict(self, xs: torch.Tensor) -> torch.Tensor:
        """The predictions, int64 (n,), for samples (n, inputs). The state stays as it is, counters and LFSRs too."""
        z = self.crossbars[0].evaluate(xs)
        for crossbar, neuron in zip(self.crossbars[1:], self.neurons, strict=True):
            z = crossbar.evaluate(neuron(z)[0])
        return predict(z)

    def state(self) -> dict[str, np.ndarray]:
        """The complete state, as arrays by name: ``layer{l}_g``, ``layer{l}_chi``, ... (arithmetic 8)."""
        return {f"layer{layer}_{name}": array
                for layer, crossbar in enumerate(self.crossbars) for name, array in crossbar.state().items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Restore what ``state()`` returned; arrays of other names are ignored. ``StateError`` as in
        ``Crossbar.load``."""
        for layer, crossbar in enumerate(self.crossbars):
            prefix = f"layer{layer}_"
            crossbar.load({name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)})


def _delta_before(crossbar: Crossbar, d: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The delta of the layer before ``crossbar``, from the delta ``d`` of its columns and the derivatives ``y`` of its
    rows."""
    e = crossbar.backward(d, y != 0)
    return saturate(round_shift(e * y, crossbar.geometry.error_shift), crossbar.geometry.source_delta_bits)


def _joined(crossbars: list[Crossbar]) -> dict[str, torch.Tensor]:
    """Move the arrays of all ``crossbars`` that have the same name into one vector; returns the vectors by name. The
    crossbars keep views of them."""
    vectors = {name: torch.cat([crossbar.arrays[name].flatten() for crossbar in crossbars])
               for name in crossbars[0].arrays}
    parts = [vector.split([crossbar.g.numel() for crossbar in crossbars]) for vector in vectors.values()]
    for crossbar, *views in zip(crossbars, *parts, strict=True):
        crossbar.move({name: view.view(crossbar.g.shape) for name, view in zip(vectors, views, strict=True)})
    return vectors
