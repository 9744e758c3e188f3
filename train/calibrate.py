"""The ranges of ADCs, chosen from the data that a trained network sees."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ..config import Experiment, Layer
from ..contract.geometry import BOUNDS, CrossbarGeometry
from ..contract.results import Result
from ..model.network import Network
from ..model.ranges import finest, limited
from ..system import files, toml
from . import data, run_folder
from .loop import test_accuracy

HEAD = b"# Made by spinloom calibrate.\n"
"""The first line of its files, by which they are known."""


@dataclass(frozen=True, kw_only=True)
class AdcRange(Result):
    """The range of the ADCs of a layer."""

    layer: int
    z_bits: int
    z_frac_before: int
    z_frac: int
    """Width, which stays, and fraction bits before and after."""
    largest: float
    """The largest magnitude among the outputs that count, as a number."""
    limited_before: float
    limited: float
    """Percentage of the outputs that the ADC, or the neuron behind it, limits."""


@dataclass(frozen=True, kw_only=True)
class CalibrateResult(Result):
    """What `run` has chosen."""

    ranges: tuple[AdcRange, ...]
    accuracy_before: float
    accuracy: float
    """Percent of the test samples that are predicted correctly, with the ranges before and after."""


def run(folder: str | Path, *, data_dir: str | Path | None = None, samples: int = 1000,
        out: str | Path | None = None, overwrite: bool = False) -> CalibrateResult:
    """Choose ``z_frac`` of every layer of the network in the run folder ``folder``, the first layer first, from its
    first training samples: the finest with which at most `model.ranges.BEYOND` of the outputs are limited. The run
    stays as it is. The experiment with these ranges goes to the TOML file ``out``, if that is given.

    What a neuron limits counts too: with ``relu``, what is above its range, and nothing below 0. ``hard_tanh`` keeps
    its range, which is its function. ``ConfigError`` if the folder is not that of a run, or if ``out`` is there already
    and was not made so, unless ``overwrite``.
    """
    folder = Path(folder)
    if out is not None:
        files.require_ours(out, lambda head: head.startswith(HEAD), overwrite)
    record = run_folder.read_record(folder)
    dataset = data.load(record.experiment, data_dir)
    count = data.taken(samples, len(dataset.train.labels), "training samples")
    xs = data.drive(dataset.train.images[:count], record.experiment.input.format)

    def restored(experiment: Experiment) -> Network:
        network = Network(experiment)
        run_folder.read_state(folder, record, network)
        return network

    experiment, ranges = record.experiment, []
    for index in range(len(experiment.layers)):
        chosen = _range(restored(experiment), index, xs)
        experiment = experiment.replaced(layers={index: {"z_frac": chosen.z_frac}})
        ranges.append(chosen)
    if out is not None:
        document = toml.text_of(experiment.model_dump(mode="json", exclude_none=True))
        files.replace(Path(out), lambda file: file.write(HEAD + document.encode()))
    before, after = (round(test_accuracy(restored(each), dataset), 3) for each in (record.experiment, experiment))
    return CalibrateResult(ranges=tuple(ranges), accuracy_before=before, accuracy=after)


def _range(network: Network, index: int, xs: torch.Tensor) -> AdcRange:
    """The range of the ADCs of layer ``index`` for the samples ``xs``, with those of the layers before as they are."""
    crossbar, layer = network.crossbars[index], network.experiment.layers[index]
    sums = crossbar.column_sums(network.forward(xs)[0][index].x).double().flatten()
    sums, top = sums * 2.0 ** -(layer.z_frac + crossbar.geometry.adc_shift), _top(layer)
    sizes = sums.clamp(min=0) if layer.neuron == "relu" else sums.abs()
    frac = None if layer.neuron == "hard_tanh" else finest(sizes, top)
    frac = layer.z_frac if frac is None else _possible(frac, layer, crossbar.geometry)
    return AdcRange(layer=index, z_bits=layer.z_bits, z_frac_before=layer.z_frac, z_frac=frac,
                    largest=sizes.max().item(), limited_before=limited(sizes, top, layer.z_frac),
                    limited=limited(sizes, top, frac))


def _top(layer: Layer) -> int:
    """The largest output that neither the ADC nor the neuron of ``layer`` limits."""
    adc = (1 << layer.z_bits - 1) - 1
    return min(adc, (1 << layer.activation_bits) - 1) if layer.neuron == "relu" else adc


def _possible(frac: int, layer: Layer, geometry: CrossbarGeometry) -> int:
    """``frac``, or the nearest that ``layer`` can have."""
    last = layer.neuron is None
    lowest = {None: 0, "sigmoid": 0, "stochastic": 0, "ternary": 1}.get(layer.neuron, BOUNDS["z_frac"][0])
    highest = min(layer.z_frac + geometry.adc_shift, layer.z_bits - 1 if last else BOUNDS["z_frac"][-1])
    return max(lowest, min(frac, highest))
