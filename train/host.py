"""Training from outside: gradients and an optimiser on the host, rounding and devices in the machine.

The machine classifies the samples of a mini-batch. From its integers the host works out the exact gradient of every
cell. Its optimiser makes an increment of each gradient, and ``apply`` adds the increments to the residuals. So any
optimiser can train an array that keeps nothing in its residuals, as GXNOR-Net does with Adam (Deng et al., 2018, arXiv
1705.09283).
"""

import numpy as np
import torch

from ..contract.errors import ConfigError
from ..model.gradient import gradient, increments
from ..model.loss import predict
from ..model.network import Network


class HostTrainer:
    """Trains ``network`` in place of its own ``train_span``.

    The gradients are sums of products of integers, and exact. The optimiser works in float64, in a fixed order of
    operations, so a run is repeatable.
    """

    def __init__(self, network: Network) -> None:
        """``ConfigError`` unless the experiment of ``network`` has a ``host``."""
        if network.experiment.host is None:
            raise ConfigError(f"{network.experiment.name}: has no section host")
        self.network = network
        self.rule = network.experiment.host
        shapes = [crossbar.g.shape for crossbar in network.crossbars]
        self._mean = [torch.zeros(shape, dtype=torch.float64, device=network.torch_device) for shape in shapes]
        self._square = [torch.zeros(shape, dtype=torch.float64, device=network.torch_device) for shape in shapes]
        self._steps = 0

    def train_span(self, xs: torch.Tensor, labels: np.ndarray, order: np.ndarray, span: range,
                   learning_rate_shift: int) -> np.ndarray:
        """As ``Network.train_span``. ``span`` must begin with a mini-batch, and end with one or with the epoch."""
        predictions = []
        for start in range(span.start, span.stop, self.network.experiment.batch):
            chosen = order[start:min(start + self.network.experiment.batch, span.stop)]
            batch, increments = self.increments(xs[chosen].to(torch.int64), labels[chosen], learning_rate_shift)
            if self.network.recorder is not None:
                self.network.recorder.next_samples(len(chosen))
            for crossbar, dw in zip(self.network.crossbars, increments, strict=True):
                crossbar.apply(dw)
            predictions.append(batch)
        return np.concatenate(predictions) if predictions else np.empty(0, dtype=np.int64)

    def increments(self, xs: torch.Tensor, labels: np.ndarray,
                   learning_rate_shift: int) -> tuple[np.ndarray, list[torch.Tensor]]:
        """As ``levels``, but the increments are int64, in units of the residual, as ``Crossbar.apply`` takes them."""
        predictions, levels = self.levels(xs, labels, learning_rate_shift)
        return predictions, [increments(dw, crossbar.geometry)
                             for crossbar, dw in zip(self.network.crossbars, levels, strict=True)]

    def levels(self, xs: torch.Tensor, labels: np.ndarray,
               learning_rate_shift: int) -> tuple[np.ndarray, list[torch.Tensor]]:
        """Let the machine classify a mini-batch, ``xs`` int64 (n, inputs) with ``labels`` (n,), and take a step of the
        optimiser. Returns the predictions, int64 (n,), and for each crossbar the increments of its cells in levels,
        float64 (rows, cols)."""
        gradients, predictions = self._gradients(xs, labels)
        self._steps += 1
        rates = [2.0 ** -(learning_rate_shift + crossbar.geometry.rate_offset) for crossbar in self.network.crossbars]
        return predictions, [-rate * self._step(layer, mean)
                             for layer, (rate, mean) in enumerate(zip(rates, gradients, strict=True))]

    def state(self) -> dict[str, np.ndarray]:
        """The state of the optimiser: that of the network is not in it."""
        arrays = {"host_steps": np.array(self._steps)}
        for layer, (mean, square) in enumerate(zip(self._mean, self._square, strict=True)):
            arrays |= {f"host_mean{layer}": mean.cpu().numpy().copy(),
                       f"host_square{layer}": square.cpu().numpy().copy()}
        return arrays

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Restore what ``state()`` returned; ``KeyError`` if something is missing, ``ValueError`` if it does not
        fit."""
        steps = state["host_steps"]
        if steps.shape != () or not np.issubdtype(steps.dtype, np.integer) or steps < 0:
            raise ValueError("host_steps must be one integer, 0 or more")
        kept = [(f"host_{name}{layer}", tensor) for name, tensors in (("mean", self._mean), ("square", self._square))
                for layer, tensor in enumerate(tensors)]
        for name, tensor in kept:
            array = state[name]
            if array.shape != tuple(tensor.shape) or array.dtype.kind != "f" or not np.isfinite(array).all():
                raise ValueError(f"{name} must hold finite numbers of shape {tuple(tensor.shape)}")
        self._steps = int(steps)
        for name, tensor in kept:
            tensor.copy_(torch.from_numpy(state[name].astype(np.float64)))

    def _step(self, layer: int, gradient: torch.Tensor) -> torch.Tensor:
        """What the optimiser makes of the ``gradient`` of a crossbar, for a learning rate of 1."""
        if self.rule.optimizer == "sgd":
            return gradient
        # Kingma and Ba, 2015 (arXiv 1412.6980), algorithm 1.
        first, second = self.rule.betas
        mean, square = self._mean[layer], self._square[layer]
        mean.mul_(first).add_(gradient * (1 - first))
        square.mul_(second).add_(gradient * gradient * (1 - second))
        corrected = mean / (1 - first**self._steps)
        return corrected / ((square / (1 - second**self._steps)).sqrt() + self.rule.epsilon)

    def _gradients(self, xs: torch.Tensor, labels: np.ndarray) -> tuple[list[torch.Tensor], np.ndarray]:
        """The gradients, means over a mini-batch, of each crossbar, float64 (rows, cols), and the predictions."""
        network = self.network
        passes, z = network.forward(xs)
        delta = torch.stack([network.loss.delta(row, int(label)) for row, label in zip(z, labels, strict=True)])

        gradients: list[torch.Tensor] = []
        for layer in reversed(range(len(network.crossbars))):
            crossbar, (x, y, winner) = network.crossbars[layer], passes[layer]
            d = crossbar.windows.spread(delta, winner)
            gradients.append(gradient(crossbar.geometry, x, d, len(x)))
            if layer:
                delta = network.delta_before(layer, crossbar.row_sums(d), y)
        return gradients[::-1], predict(z).cpu().numpy()
