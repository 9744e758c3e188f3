"""The network: crossbars one after the other, pooling and neurons between them, the loss at the end."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from ..config import Experiment
from .crossbar import Crossbar
from .fixed import round_shift, saturate
from .lfsr import Lfsr
from .loss import Loss, predict
from .neuron import Neuron
from .recorder import Recorder

CHUNK = 1 << 22
"""Rows of windows that a prediction gathers at a time, in the largest layer."""


class LayerPass(NamedTuple):
    """What a forward pass through a layer leaves for the way back. Leading axes count samples."""

    x: torch.Tensor
    """Drive of its windows: (..., positions, inputs)."""
    y: torch.Tensor
    """Derivatives of the cells of its map: (..., cells). No neuron drives the first crossbar; its cells count by their
    drive alone, and it stands here."""
    winner: torch.Tensor | None
    """Winners of its pooling, if there is one: (..., places, cols)."""


class Network:
    """A network that trains in its crossbars, sample by sample (arithmetic 7.1)."""

    def __init__(self, experiment: Experiment, torch_device: torch.device | str = "cpu") -> None:
        self.experiment = experiment
        self.torch_device = torch.device(torch_device)
        geometries = experiment.crossbars
        self.crossbars = [Crossbar(geometry, experiment.seed, torch_device) for geometry in geometries]
        self.arrays = _joined(self.crossbars)
        """The arrays of the state by name. Each is one vector over all crossbars, layer by layer, row-major."""
        self.pulses = torch.cat([crossbar.pulses.flatten() for crossbar in self.crossbars])
        """Write pulses that each cell has been given, int32, likewise; no part of the state."""
        self.recorder: Recorder | None = None
        """What keeps the write pulses, once they are recorded."""
        each = [crossbar.pulses for crossbar in self.crossbars]
        for crossbar, pulses in zip(self.crossbars, _parts(self.pulses, each), strict=True):
            crossbar.pulses, crossbar.first = pulses, int(pulses.storage_offset())
        self.neurons = [Neuron(before, after, torch_device) for before, after in pairwise(geometries)]
        self.loss = Loss(experiment.loss, geometries[-1], torch_device)
        self.row_reads = [[0] * len(geometries), [0] * len(geometries)]
        """Reads of rows that training needed: in the forward pass and in the second pass, a number for each crossbar.
        A read takes ``forward_reads`` rows at a time, or ``second_reads``.

        Each position of a sample needs the rows with a drive or a derivative that is not 0, and the bias row. The
        second pass reads them again at the positions with an error, those whose delta is not 0 everywhere.
        """

    def record(self) -> Recorder:
        """Record the write pulses from now on. Returns what keeps them."""
        self.recorder = Recorder()
        for crossbar in self.crossbars:
            crossbar.programmer.record(self.recorder)
        return self.recorder

    @property
    def bound_cycles(self) -> int:
        """Lower bound of the clock cycles of the RTL: the memory of a crossbar reads what a sample needs in both
        passes, one fold in a clock cycle. A crossbar of one position that reads one row at a time counts as if every
        sample had an error."""
        forward, second = self.row_reads
        alike = [geometry.positions == geometry.forward_reads == geometry.second_reads == 1
                 for geometry in (crossbar.geometry for crossbar in self.crossbars)]
        return self._cycles(forward) + self._cycles(
            [first if same else reads for first, reads, same in zip(forward, second, alike, strict=True)])

    @property
    def read_cycles(self) -> int:
        """Clock cycles for the reads that there were in fact: as ``bound_cycles``, but a sample whose delta is 0
        everywhere has no second pass."""
        return sum(map(self._cycles, self.row_reads))

    def _cycles(self, reads: list[int]) -> int:
        """Clock cycles for ``reads`` of each crossbar."""
        return sum(count * crossbar.geometry.folds for count, crossbar in zip(reads, self.crossbars, strict=True))

    def forward(self, x: torch.Tensor) -> tuple[list[LayerPass], torch.Tensor]:
        """The forward pass of samples with the drives ``x``, integers (..., inputs): what it leaves of each layer, and
        the outputs ``z`` of the last, int64 (..., cols)."""
        return self._through(x, [crossbar.forward for crossbar in self.crossbars],
                             [crossbar.lfsrs.get("neuron_lfsr") for crossbar in self.crossbars])

    def _through(self, x: torch.Tensor, crossbars: Sequence[Callable[[torch.Tensor], torch.Tensor]],
                 firing: Sequence[Lfsr | None]) -> tuple[list[LayerPass], torch.Tensor]:
        """``forward``, in which ``crossbars`` make the outputs of the drives of windows, and the neurons before each
        draw from ``firing``."""
        z, y, passes = x, x, []
        for layer, (crossbar, outputs) in enumerate(zip(self.crossbars, crossbars, strict=True)):
            if layer:
                x, y = self.neurons[layer - 1](z, firing[layer])
            drive = crossbar.windows.gather(x)
            z, winner = crossbar.windows.pool(outputs(drive))
            passes.append(LayerPass(drive, y, winner))
        return passes, z

    def train(self, x: torch.Tensor, label: int, learning_rate_shift: int, program: bool = True) -> int:
        """Train on one sample, with the drive ``x``, integers (inputs,), at the learning rate
        ``2**-learning_rate_shift``.

        Returns the prediction before the update. If ``program`` is False, the update is only accumulated.
        """
        if self.recorder is not None:
            self.recorder.next_samples()
        passes, z = self.forward(x)
        delta = self.loss.delta(z, label)
        for layer in reversed(range(len(self.crossbars))):
            crossbar, (x, cells, winner) = self.crossbars[layer], passes[layer]
            d, y = crossbar.windows.spread(delta, winner), crossbar.windows.gather(cells)
            self._count_reads(layer, x | y, d)
            if layer:
                delta = self.delta_before(layer, crossbar.backward(d, y != 0), cells)
            crossbar.update(x, d, learning_rate_shift, program)
        return int(predict(z))

    def delta_before(self, layer: int, e: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The delta (..., cells) of the map that drives ``layer``, from the sums ``e`` (..., positions, inputs) of the
        rows of its windows and the derivatives ``y`` (..., cells)."""
        geometry = self.crossbars[layer].geometry
        sums = self.crossbars[layer].windows.fold(e)
        return saturate(round_shift(sums * y, geometry.error_shift), geometry.source_delta_bits)

    def _count_reads(self, layer: int, needed: torch.Tensor, d: torch.Tensor) -> None:
        """Count the reads of the rows ``needed`` (positions, inputs) for the deltas ``d`` (positions, cols)."""
        geometry = self.crossbars[layer].geometry
        rows = [count + geometry.bias for count in needed.count_nonzero(dim=1).tolist()]
        errors = d.any(dim=1).tolist()
        self.row_reads[0][layer] += sum(-(-count // geometry.forward_reads) for count in rows)
        self.row_reads[1][layer] += sum(-(-count // geometry.second_reads)
                                        for count, error in zip(rows, errors, strict=True) if error)

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
        """The prediction for one sample with the drive ``x``, integers (inputs,). Counters count it, as in the RTL."""
        return int(predict(self.forward(x)[1]))

    def predict(self, xs: torch.Tensor) -> torch.Tensor:
        """The predictions, int64 (n,), for samples (n, inputs). The state stays as it is, counters and LFSRs too."""
        crossbars = [partial(crossbar.evaluate, read_lfsr=crossbar.copied("read_lfsr")) for crossbar in self.crossbars]
        firing = [crossbar.copied("neuron_lfsr") for crossbar in self.crossbars]
        largest = max(crossbar.windows.driven.numel() for crossbar in self.crossbars)
        parts = xs.split(max(1, CHUNK // largest))
        return torch.cat([predict(self._through(part, crossbars, firing)[1]) for part in parts])

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


def _joined(crossbars: list[Crossbar]) -> dict[str, torch.Tensor]:
    """Move the arrays of all ``crossbars`` that have the same name into one vector; returns the vectors by name. The
    crossbars keep views of them."""
    arrays = [crossbar.arrays for crossbar in crossbars]
    vectors = {name: torch.cat([each[name].flatten() for each in arrays]) for name in arrays[0]}
    parts = [_parts(vector, [each[name] for each in arrays]) for name, vector in vectors.items()]
    for crossbar, *views in zip(crossbars, *parts, strict=True):
        crossbar.move(dict(zip(vectors, views, strict=True)))
    return vectors


def _parts(vector: torch.Tensor, arrays: list[torch.Tensor]) -> list[torch.Tensor]:
    """The views of ``vector`` that have the shapes of ``arrays``, one after the other."""
    parts = vector.split([array.numel() for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]
