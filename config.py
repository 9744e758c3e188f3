"""The description of an experiment: typed, validated, loaded from TOML or built in Python.

``load("mnist-dw5")`` reads a preset, ``load("path/to/mine.toml")`` a file. A device may have a file of its own; then
the experiment says ``device = "mine.toml"``, relative to its own folder. ``Experiment.crossbars`` holds the integers
from which golden model and RTL are built. ``Experiment.replaced`` makes a variant of an experiment.
"""

from dataclasses import replace
from functools import cached_property
from math import floor, prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from .contract import names
from .contract.converters import GAIN_FRAC, OFFSET_FRAC
from .contract.device import SIGMA_BITS, SIGMA_FRAC, DeviceTables
from .contract.errors import ConfigError, shown
from .contract.formats import ActivationFormat, Neuron, neuron_format
from .contract.geometry import BOUNDS, MAX_SIDE, CrossbarGeometry, Loss, Residual, Rounding, described
from .contract.hashing import CELL_STREAM, COLUMN_STREAM, SHUFFLE_STREAM, hash_base, sample_order
from .contract.lfsr import MAX_SEGMENTS, READ_STREAM
from .contract.parameters import design_digest
from .contract.permutation import permuted_order
from .contract.section import Section
from .contract.shapes import LayerShape, topology
from .contract.widths import divisors, index_bits
from .contract.window import MAX_MAP_CELLS, MAX_MAP_SIDE, Shape, Window
from .contract.wires import RATIO_FRAC
from .devices import published
from .devices.kinds import KINDS, AnyDevice, explain, filled, parse_device
from .devices.specification import MAX_G_BITS, Device
from .system import toml

PRESETS = Path(__file__).parent / "configs"
"""Where the presets are."""
MAX_EPOCHS = READ_STREAM - SHUFFLE_STREAM
"""Most epochs: so many have an order of the data of their own."""
MAX_SEED = (1 << 32) - 1
MAX_BATCH = 1 << 24
MAX_SPREAD = 4096
"""Of initial states, in levels: more than any device has states."""
MAX_SIGMA = ((1 << SIGMA_BITS) - 1) / (1 << SIGMA_FRAC)
"""Of noise and offsets, in least significant bits of the ADC."""
MAX_NONLINEARITY = 256
"""Most segments of the codes of an ADC."""
MAX_DEVICES = 8
"""Of a cell."""
MAX_WEIGHT = 64
"""Of one of them."""
RATES = 15
"""By how much the largest learning rate shift exceeds the smallest, where no experiment says which there are."""


def _within(allowed: range) -> AfterValidator:
    """Of a whole number that must be one of ``allowed``."""
    def check(value: int) -> int:
        if value not in allowed:
            raise ValueError(f"must be {described(allowed)}")
        return value
    return AfterValidator(check)


def _pair(least: int) -> BeforeValidator:
    """Of a pair of whole numbers from ``least`` on, for which one number may stand."""
    def check(given: Any) -> Any:
        pair = (given, given) if type(given) is int else given
        if not _whole(pair, 2) or not all(least <= side <= MAX_MAP_SIDE for side in pair):
            raise ValueError(f"must be {least} to {MAX_MAP_SIDE:,}, or two such numbers, [vertical, horizontal]")
        return pair
    return BeforeValidator(check)


def _sides(given: Any) -> Any:
    """Check that ``given`` is a map."""
    most_channels = BOUNDS["cols"][-1]
    if not _whole(given, 3) or not all(1 <= side <= MAX_MAP_SIDE for side in given[:2]) \
            or not 1 <= given[2] <= most_channels:
        raise ValueError("must be three numbers, [height, width, channels], of which height and width are 1 to "
                         f"{MAX_MAP_SIDE:,} and channels are 1 to {most_channels:,}")
    if prod(given) > MAX_MAP_CELLS:
        raise ValueError(f"has {prod(given):,} cells; at most {MAX_MAP_CELLS:,} are possible")
    return given


def _whole(given: Any, count: int) -> bool:
    """Whether ``given`` are ``count`` whole numbers."""
    return isinstance(given, tuple) and len(given) == count and all(type(number) is int for number in given)


Pair = tuple[int, int]
"""Vertical, horizontal."""
Map = Annotated[Shape, BeforeValidator(_sides)]
"""Height, width, channels."""


class Input(Section):
    """What drives the first crossbar."""

    map: Map | None = None
    """Height, width and channels of a sample. Unless given, it is no map, but a row of ``count`` inputs."""
    count: Annotated[int, Field(ge=1, le=MAX_MAP_CELLS)]
    """Inputs of a sample, the bias not counted: pixels times channels of an image. ``map`` gives it too."""
    kind: Literal["unsigned", "signed", "ternary"] = "unsigned"
    """Format of the drive."""
    bits: Annotated[int, Field(ge=1, le=12)] = 8
    """Width of the drive; ternary inputs have 2."""

    @property
    def format(self) -> ActivationFormat:
        """The format of the drive. Unsigned inputs cover [0, 1), signed ones [-1, 1), ternary ones {-1, 0, 1}."""
        if self.kind == "ternary":
            return ActivationFormat(kind="ternary", bits=2, frac=0)
        return ActivationFormat(kind=self.kind, bits=self.bits, frac=self.bits - (self.kind == "signed"))

    @property
    def shape(self) -> Shape:
        """What drives the first layer, as a map."""
        return self.map or (1, 1, self.count)

    @model_validator(mode="before")
    @classmethod
    def _counted(cls, section: Any) -> Any:
        """``count`` follows from ``map``."""
        if not isinstance(section, dict) or section.get("count") is not None:
            return section
        sides = section.get("map")
        if sides is None:
            raise ValueError("needs a count of inputs, such as count=784, or a map, such as map=[28, 28, 1]")
        sides = tuple(sides) if isinstance(sides, list) else sides
        return section | {"count": prod(sides) if _whole(sides, 3) else 1}  # what is no map is refused as such

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "signed" and self.bits < 2:
            raise ValueError(f"bits={self.bits}: a signed input needs at least 2")
        if self.map and prod(self.map) != self.count:
            raise ValueError(f"map={list(self.map)}: has {prod(self.map)} cells; count={self.count} must be left out, "
                             "or be the same")
        return self


class UpdateRule(Section):
    """How residuals become write pulses, and what is carried over."""

    rounding: Rounding = "threshold"
    """``threshold``: the residual is truncated to whole multiples of the threshold. ``stochastic``: it is rounded up or
    down by the switching curve of the device, and nothing is left over; ``residual`` must then be ``none``."""
    threshold: Annotated[float, Field(gt=0, le=1 << 24)] = 1.0
    """Residual, in levels, from which on a cell is programmed: the noise tolerance margin."""
    residual: Residual = "verified"
    """What is taken off the residual of a programmed cell. ``verified``: the change that is read back. ``nominal``: the
    change that was asked for (open loop). ``none``: all of it."""


class WriteRule(Section):
    """Ex-situ program-and-verify."""

    margin: Annotated[float, Field(ge=0, le=1 << 16)] = 0.25
    """Accepted distance from the nominal state, in levels."""
    max_attempts: Annotated[int, Field(ge=1, le=255)] = 16
    """Write pulses that are spent on a cell before it is given up."""


class Host(Section):
    """Training from outside. A host works out the gradients of each mini-batch from the machine's integers, its
    optimiser makes increments of them, and ``apply`` adds these to the residuals. The learning rate of epoch ``e``,
    ``2**-learning_rate_shifts[e]``, is in levels."""

    optimizer: Literal["sgd", "adam"] = "adam"
    """Plain gradient descent, or Adam."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Of Adam: decay of the mean of the gradient, and of the mean of its square."""
    epsilon: Annotated[float, Field(gt=0, le=1)] = 1e-8
    """Of Adam: what is added to the root of the mean square."""


class Transfer(Section):
    """Ex-situ training: a precursor is trained, and the states of its cells are written into fresh devices."""

    precursor: AnyDevice | None = None
    """Device of the precursor, one in each cell, which must have as many states as a cell of the experiment. Unless
    given, the precursor's cells are those of the experiment."""


class Synapse(Section):
    """Several devices in each cell, whose conductances are added up. Either field says how many, and how they are
    written."""

    slices: Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_WEIGHT)], ...],
                      Field(min_length=2, max_length=MAX_DEVICES)] | None = None
    """By what each device counts, in units of the last: powers of two, never ascending, the last one 1. A programmed
    cell has those devices pulsed that its new state needs changed."""
    turns: Annotated[int, Field(ge=2, le=MAX_DEVICES)] | None = None
    """So many devices that count alike. A programmed cell has one of them pulsed, which is drawn."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.slices is None) == (self.turns is None):
            raise ValueError("needs either slices, such as [8, 4, 2, 1], or turns, such as 4")
        weights = self.weights
        if any(weight & weight - 1 for weight in weights) or list(weights) != sorted(weights, reverse=True) \
                or weights[-1] != 1:
            raise ValueError(f"slices={list(weights)}: must be powers of two, never ascending, and end with 1, such as "
                             "[8, 4, 2, 1]")
        return self

    @property
    def weights(self) -> tuple[int, ...]:
        """By what the devices of a cell count."""
        return self.slices or (1,) * (self.turns or 1)

    def of(self, device: DeviceTables) -> DeviceTables:
        """The tables of a cell of several devices of the tables ``device``. ``ValueError`` if there can be none."""
        if device.pair:
            raise ValueError("synapse: its cells are of single devices, and the device is a pair; use another kind")
        if device.life_bits:
            raise ValueError("synapse: cells of several devices do not age; leave out device.ageing, or the synapse")
        for place, weight in enumerate(self.weights):
            reach = 1 + (device.states - 1) * sum(self.weights[place + 1:])
            if weight > reach:
                raise ValueError(f"synapse.slices={list(self.weights)}: a device that counts {weight} leaves gaps, as "
                                 f"those behind it reach {reach - 1} levels; use at most "
                                 f"{1 << reach.bit_length() - 1}, or more states")
        cell = device.sliced(self.weights, in_turn=self.turns is not None)
        if cell.g_bits > MAX_G_BITS:
            raise ValueError(f"synapse: the conductance of a cell would be {cell.g_bits} bits wide, at most "
                             f"{MAX_G_BITS} are possible; lower device.sub_bits, or take fewer devices")
        return cell


Spread = Annotated[float, Field(ge=0, le=MAX_SPREAD)]
"""Of initial states, in levels."""


class Converters(Section):
    """What all converters share. The resolution of the ADCs of a layer is its ``z_bits``. That of the DACs is
    ``input.bits``, or ``activation_bits`` behind a neuron, unless it is given."""

    read_noise: Annotated[float, Field(ge=0, le=MAX_SIGMA)] = 0.0
    """Standard deviation of the noise of the reading of a column, in least significant bits of the ADC."""
    offset: Annotated[float, Field(ge=0, le=MAX_SIGMA)] = 0.0
    """Standard deviation of the offset that is fixed in the converter of each column, likewise."""
    gain: Annotated[float, Field(ge=0, le=((1 << SIGMA_BITS) - 1) / (1 << GAIN_FRAC))] = 0.0
    """Standard deviation of the gain that is fixed in the converter of each column: 0.02 for 2 %."""
    nonlinearity: Annotated[tuple[Annotated[float, Field(ge=-MAX_SIGMA, le=MAX_SIGMA)], ...],
                            Field(max_length=MAX_NONLINEARITY)] = ()
    """What the transfer curve of every ADC adds in equal segments of its codes, the lowest first, in least significant
    bits: a power of two of figures."""
    wire_ratio: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Resistance of a wire between two cells, as a share of that of a device at its largest conductance."""
    row_dac_bits: Annotated[int, Field(ge=1, le=16)] | None = None
    """Resolution of the DACs that drive the rows; that of the drive unless given."""
    column_dac_bits: Annotated[int, Field(ge=1, le=16)] | None = None
    """Resolution of the DACs that drive the columns in a backward pass; that of the delta unless given."""

    def fields(self, seed: int, index: int) -> dict[str, Any]:
        """The fields of the geometry of the crossbar ``index`` of a network with the master ``seed``."""
        def units(figure: float, frac: int) -> int:
            return floor(figure * (1 << frac) + 0.5)

        offset, gain = units(self.offset, OFFSET_FRAC), units(self.gain, GAIN_FRAC)
        return {
            "read_noise": units(self.read_noise, SIGMA_FRAC), "offset": offset, "gain": gain,
            "column_seed": hash_base(seed, COLUMN_STREAM + index) if offset or gain else 0,
            "nonlinearity": tuple(units(figure, OFFSET_FRAC) for figure in self.nonlinearity),
            "wires": units(self.wire_ratio, RATIO_FRAC),
            "row_dac_bits": self.row_dac_bits or 0, "column_dac_bits": self.column_dac_bits or 0}


class Store(Section):
    """A memory for samples beside the machine, which can then train from it (docs/store.md)."""

    memory: Literal["block_ram", "sdram", "axi"]
    """Block RAM of the FPGA; an SDRAM of its board; or the memory of a system on chip, read through AXI4."""
    words: Annotated[int, Field(ge=16, le=1 << 24)]
    """Words of 32 bits that it holds; of an SDRAM, as many as its chip has."""
    samples: Annotated[int, Field(ge=1, le=1 << 24)] = 1 << 16
    """Most samples of a set in it."""

    @property
    def sizes(self) -> tuple[int, int]:
        """Bits of the address of a word, and most samples of a set: what a machine's design depends on."""
        return index_bits(self.words), self.samples


class Crossbar(Section):
    """A crossbar and its converters, and how it is applied to the map before it."""

    kind: Literal["dense", "conv"] = "dense"
    """``dense``: applied once, to the whole map before it. ``conv``: applied to windows of it."""
    cols: Annotated[int, _within(BOUNDS["cols"])]
    """Columns: neurons of the layer; of a convolution, its channels."""
    kernel: Annotated[Pair, _pair(1)] | None = None
    """Of a convolution: height and width of its window."""
    stride: Annotated[Pair, _pair(1)] = (1, 1)
    """Of a convolution: distance of its windows."""
    padding: Annotated[Pair, _pair(0)] = (0, 0)
    """Of a convolution: rows and columns of cells that are not driven, on each side of the map."""
    drop: bool = False
    """Whether cells at the edge that no window reaches may be left out, and steps be larger than windows."""
    rate_offset: Annotated[int, Field(ge=-15, le=15)] = 0
    """What is added to the layer's learning rate shift: 1 halves its learning rate."""
    lanes: Annotated[int, _within(BOUNDS["cols"])] | None = None
    """Columns that are worked on in each clock cycle; all of them unless given."""
    adcs: Annotated[int, _within(BOUNDS["cols"])] | None = None
    """Columns that are converted in each clock cycle; unless given, the largest divisor of the lanes up to 8."""
    bias: bool = False
    """Whether there is a bias row."""
    weight_step: Annotated[int, Field(ge=-16, le=4)] = -4
    """log2 of the weight that one level stands for."""
    z_bits: Annotated[int, _within(BOUNDS["z_bits"])] = 10
    z_frac: Annotated[int, _within(BOUNDS["z_frac"])] = 8
    """Width and fraction bits of the output of the ADC."""
    delta_bits: Annotated[int, _within(BOUNDS["delta_bits"])] = 9
    delta_frac: Annotated[int, _within(BOUNDS["delta_frac"])] = 8
    """Width and fraction bits of the delta."""
    chi_bits: Annotated[int, _within(BOUNDS["chi_bits"])] = 16
    chi_frac: Annotated[int, _within(BOUNDS["chi_frac"])] = 12
    """Width and fraction bits of the residual, in levels."""
    ports: Literal[1, 2] = 2
    """Ports of the memories that hold the arrays. With one port, an update takes two clock cycles for each word; the
    results are the same."""
    forward_reads: Annotated[int, Field(ge=1, le=64)] = 1
    """Rows that a forward pass reads in each clock cycle. Results are the same."""
    second_reads: Annotated[int, Field(ge=1, le=64)] = 1
    """Rows that backward pass and update read in each clock cycle. Results are the same."""

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.kind == "conv" and self.kernel is None:
            raise ValueError("kind='conv': needs a kernel, such as kernel=5")
        self._refuse("conv", "kernel", "stride", "padding", "drop")
        return self

    def _refuse(self, kind: str, *names: str) -> None:
        """``ValueError`` if a field of ``names`` is given, and this is not of the ``kind`` that has them."""
        for name in names if self.kind != kind else ():
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                value = list(value) if isinstance(value, tuple) else value
                raise ValueError(f"{name}={value}: a layer of kind={self.kind!r} has none; use kind={kind!r}, or leave "
                                 "it out")

    @property
    def columns_at_once(self) -> tuple[int, int]:
        """The lanes and the ADCs, given or not."""
        lanes = self.cols if self.lanes is None else self.lanes
        return lanes, max([d for d in divisors(lanes) if d <= 8], default=1) if self.adcs is None else self.adcs

    def window(self, before: Shape) -> Window:
        """Where it is applied to the map ``before``; ``ValueError`` if it does not fit."""
        if self.kernel is None:
            return Window.dense(before, self.cols)
        return Window(map=before, cols=self.cols, kernel=self.kernel, stride=self.stride, padding=self.padding,
                      drop=self.drop)


class Layer(Crossbar):
    """A crossbar, and the neurons behind it."""

    pool: Annotated[Pair, _pair(1)] | None = None
    """Behind a convolution: height and width of the window of a max pooling."""
    pool_stride: Annotated[Pair, _pair(1)] | None = None
    """Distance of its windows; as large as the window unless given."""
    map: Map | None = None
    """Of a dense layer: height, width and channels as which the next layer sees its columns."""
    neuron: Neuron | None = None
    """The neurons; ``relu`` unless given. The last layer has none, as the loss follows it."""
    activation_bits: Annotated[int, Field(ge=1, le=12)] = 8
    """Width of the neuron's output; ternary neurons have 2, stochastic ones 1."""

    @model_validator(mode="after")
    def _pooled(self) -> Self:
        self._refuse("conv", "pool", "pool_stride")
        self._refuse("dense", "map")
        if self.pool_stride and not self.pool:
            raise ValueError(f"pool_stride={list(self.pool_stride)}: there is no pooling without pool")
        return self

    def window(self, before: Shape) -> Window:
        """Where the layer is applied to the map ``before``; ``ValueError`` if it does not fit."""
        pool = self.pool or (1, 1)
        return replace(super().window(before), view=self.map, pool=pool, pool_stride=self.pool_stride or pool)


class Cells(Section):
    """What the crossbars of a network share: their devices, and how these begin, are written and are read."""

    device: AnyDevice
    init_spread: Spread = 1.0
    update: UpdateRule = UpdateRule()
    write: WriteRule = WriteRule()
    converters: Converters = Converters()
    synapse: Synapse | None = None

    @cached_property
    def tables(self) -> DeviceTables:
        """The integer tables of a cell: of the device, or of several."""
        tables = self.device.compile(certain=self.update.rounding == "stochastic")
        if self.synapse is None:
            return tables
        if self.update.rounding == "stochastic":
            raise ConfigError("update.rounding='stochastic': rounds by the switching of one device; with a section "
                              "synapse use rounding='threshold'")
        try:
            return self.synapse.of(tables)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def alone(self, layer: Crossbar, seed: int, index: int, window: Window, x: ActivationFormat) -> CrossbarGeometry:
        """As ``crossbar``, without a network around it: ``x`` is the format of what drives it, and the smallest of its
        learning rate shifts is the smallest that is possible."""
        bits = x.frac + layer.delta_frac + layer.weight_step + layer.rate_offset
        lowest = max(0, layer.chi_frac - bits)
        return self.crossbar(layer, seed, index, window=window, x=x, source=None, source_delta_bits=0,
                             source_delta_frac=0, learning_rate_shifts=(lowest, lowest + RATES))

    def crossbar(self, layer: Crossbar, seed: int, index: int, *, window: Window, batch: int = 1,
                 **fields: Any) -> CrossbarGeometry:
        """The geometry of the crossbar of ``layer``, the layer ``index`` of a network with the master ``seed``, which
        is applied to ``window`` and programmed after every ``batch`` samples. ``fields`` are those of the geometry that
        do not follow from these. ``ConfigError`` if it is not possible."""
        device, (lanes, adcs) = self.tables, layer.columns_at_once
        centre = (device.states - 1) / 2
        init = [s for s in range(device.states) if abs(s - centre) <= self.init_spread]
        if not init:
            raise ConfigError(f"init_spread={self.init_spread}: no state lies within it; use at least 0.5")
        return CrossbarGeometry(
            index=index, window=window, device=device, init_states=(init[0], init[-1]),
            bias=layer.bias, cols=layer.cols, weight_step=layer.weight_step, z_bits=layer.z_bits, z_frac=layer.z_frac,
            delta_bits=layer.delta_bits, delta_frac=layer.delta_frac, chi_bits=layer.chi_bits, chi_frac=layer.chi_frac,
            rate_offset=layer.rate_offset, threshold=floor(self.update.threshold * 2.0**layer.chi_frac + 0.5),
            rounding=self.update.rounding, residual=self.update.residual,
            margin=floor(self.write.margin * 2.0**device.sub_bits + 0.5), max_attempts=self.write.max_attempts,
            cell_seed=hash_base(seed, CELL_STREAM + index) if device.differs else 0,
            lanes=lanes, adcs=adcs, ports=layer.ports, forward_reads=layer.forward_reads,
            second_reads=layer.second_reads, relaxation=self._relaxation(index, window.inputs + layer.bias, batch),
            **self.converters.fields(seed, index), **fields)

    def _relaxation(self, index: int, rows: int, batch: int) -> int:
        """`Retention.share` of the layer ``index``; 0 if cells keep their levels."""
        if self.device.retention is None:
            return 0
        if self.synapse is not None:
            raise ConfigError("synapse: cells of several devices do not relax; leave out device.retention, or the "
                              "synapse")
        try:
            return self.device.retention.share(rows, batch)
        except ValueError as error:
            raise ConfigError(f"layers[{index}]: {error}") from None


class Experiment(Section):
    """A network, the devices it trains in, and how it is trained."""

    name: Annotated[str, AfterValidator(names.check)] = "unnamed"
    """Name of the preset, or of the file without its ending, unless given. Folders and files of the experiment have it
    too."""
    dataset: Annotated[str, Field(min_length=1, max_length=200)] = "digits"
    """``digits``, ``mnist``, or the name of another data set (`train.data.load`)."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 1
    """Master seed: all random numbers follow from it."""
    epochs: Annotated[int, Field(ge=1, le=MAX_EPOCHS)] = 5
    """Epochs of the training."""
    batch: Annotated[int, Field(ge=1, le=MAX_BATCH)] = 1
    """Samples of a mini-batch, whose updates are accumulated before cells are programmed."""
    order: Literal["hashed", "permuted"] = "hashed"
    """The order of the samples: by ascending hash, or permuted, which a machine computes by itself."""
    store: Store | None = None
    """A memory for samples. Unless given, the machine has none."""
    learning_rate_shifts: Annotated[tuple[Annotated[int, Field(ge=0, le=31)], ...], Field(min_length=1)] = (6,)
    """The learning rate of epoch ``e`` is ``2**-learning_rate_shifts[e]``; later epochs have the last one."""
    init_spread: Spread = 1.0
    """Initial states are uniform among those within this many levels of 0."""
    loss: Loss = "cross_entropy"
    """The loss behind the last layer."""
    input: Input
    device: AnyDevice
    """The device in all cells."""
    update: UpdateRule = UpdateRule()
    write: WriteRule = WriteRule()
    converters: Converters = Converters()
    synapse: Synapse | None = None
    """Several devices in each cell. Unless given, a cell has one, or a pair."""
    host: Host | None = None
    """Training from outside. Unless given, the machine trains itself."""
    transfer: Transfer | None = None
    """Training ex situ. Unless given, the devices are trained in situ."""
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_SEGMENTS)]

    @field_validator("dataset")
    @classmethod
    def _printable(cls, dataset: str) -> str:
        if not dataset.isprintable():
            raise ValueError("must not contain characters that cannot be printed")
        return dataset

    @field_validator("layers")
    @classmethod
    def _neurons(cls, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        if layers[-1].neuron is not None:
            raise ValueError(f"the last layer has neuron={layers[-1].neuron!r}; it must have none, the loss follows it")
        return tuple(layer if layer.neuron or layer is layers[-1] else layer.model_copy(update={"neuron": "relu"})
                     for layer in layers)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for index, layer in enumerate(self.layers[:-1]):
            if layer.neuron == "hard_tanh" and layer.activation_bits < 2:
                raise ValueError(f"layers[{index}].activation_bits={layer.activation_bits}: hard_tanh needs at least 2")
            if layer.neuron in ("sigmoid", "stochastic") and layer.z_frac < 0:
                raise ValueError(f"layers[{index}].z_frac={layer.z_frac}: a {layer.neuron} neuron needs at least 0")
            if layer.neuron == "ternary" and layer.z_frac < 1:
                raise ValueError(f"layers[{index}].z_frac={layer.z_frac}: a ternary neuron needs at least 1")
        last = self.layers[-1]
        if not 0 <= last.z_frac < last.z_bits:
            raise ValueError(f"layers[{len(self.layers) - 1}].z_frac={last.z_frac}: "
                             f"must be 0 to z_bits-1={last.z_bits - 1}")
        if self.loss == "cross_entropy" and not 1 <= last.delta_frac < last.delta_bits:
            raise ValueError(f"layers[{len(self.layers) - 1}].delta_frac={last.delta_frac}: cross-entropy needs "
                             f"1 to delta_bits-1={last.delta_bits - 1}")
        if self.transfer and self.transfer.precursor:
            states = self.transfer.precursor.compile().states
            if states != self.device_tables.states:
                raise ValueError(f"transfer.precursor has {states} states; "
                                 f"{'the device has' if self.synapse is None else 'a cell has'} "
                                 f"{self.device_tables.states}")
        self.crossbars  # noqa: B018 - derives, and thereby checks, every width
        return self

    @cached_property
    def cells(self) -> Cells:
        """What all crossbars share."""
        return Cells(device=self.device, init_spread=self.init_spread, update=self.update, write=self.write,
                     converters=self.converters, synapse=self.synapse)

    @property
    def device_tables(self) -> DeviceTables:
        """The integer tables of the device."""
        return self.cells.tables

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """Where every layer is applied. All shapes of the network follow from them."""
        found: list[Window] = []
        shape = self.input.shape
        for index, layer in enumerate(self.layers):
            try:
                window = layer.window(shape)
            except ValueError as error:
                field, sides = (f"layers[{index - 1}].map", "[4, 4, 8]") if index else ("input.map", "[8, 8, 1]")
                remedy = f"; give {field}, such as {sides}" if layer.kernel and shape[:2] == (1, 1) else ""
                raise ConfigError(f"layers[{index}].{error}{remedy}") from None
            if (rows := window.inputs + layer.bias) > MAX_SIDE:
                wide = "x".join(map(str, window.kernel))
                place, needs = (f".kernel={wide}", f"windows of {wide} cells in {window.map[2]:,} channels need") \
                    if layer.kernel else ("", f"{window.inputs:,} inputs need")
                raise ConfigError(f"layers[{index}]{place}: {needs} {rows:,} rows{' with the bias' * layer.bias}; an "
                                  f"array has 1 to {MAX_SIDE:,}")
            shape = window.pooled
            if prod(shape) > MAX_MAP_CELLS:
                raise ConfigError(f"layers[{index}].cols={layer.cols}: makes outputs of {prod(shape):,} cells, "
                                  f"{' x '.join(map(str, shape))}; at most {MAX_MAP_CELLS:,} are possible")
            found.append(window)
        if shape[:2] != (1, 1):
            field = f"map={list(shape)}" if self.layers[-1].map else f"kind={self.layers[-1].kind!r}"
            raise ConfigError(f"layers[{len(found) - 1}].{field}: the outputs of the last layer are {shape[0]} x "
                              f"{shape[1]}; they must be 1 x 1: of a dense layer, or by pooling over all of them")
        return tuple(found)

    @cached_property
    def crossbars(self) -> tuple[CrossbarGeometry, ...]:
        """The geometry of the crossbar of every layer."""
        crossbars: list[CrossbarGeometry] = []
        x, source = self.input.format, None
        for (index, layer), window in zip(enumerate(self.layers), self.windows, strict=True):
            before = crossbars[-1] if crossbars else None
            crossbars.append(self.cells.crossbar(
                layer, self.seed, index, window=window, batch=self.batch, x=x, source=source,
                source_delta_bits=before.delta_bits if before else 0,
                source_delta_frac=before.delta_frac if before else 0,
                learning_rate_shifts=(min(self.learning_rate_shifts), max(self.learning_rate_shifts))))
            source = layer.neuron
            if source is not None:
                x = neuron_format(source, layer.activation_bits, layer.z_frac)
        return tuple(crossbars)

    @property
    def shapes(self) -> tuple[LayerShape, ...]:
        """The shapes of every layer, for people."""
        return tuple(LayerShape.of(layer.kind, geometry)
                     for layer, geometry in zip(self.layers, self.crossbars, strict=True))

    @property
    def topology(self) -> str:
        """The network in the usual short form, such as ``784-250-10`` or ``16C5-MP2-32C5-MP2-128-10``."""
        return topology(self.shapes)

    @property
    def precursor(self) -> "Experiment":
        """What is trained before a transfer: this experiment, with the precursor's device, one in each cell, if there
        is one."""
        device = self.transfer.precursor if self.transfer else None
        cells = {"device": device, "synapse": None} if device else {}
        return self.replaced(name=names.extended(self.name, "-precursor"), transfer=None, **cells)

    def replaced(self, **fields: Any) -> "Experiment":
        """This experiment with other ``fields``, validated again. ``ConfigError`` in one line if it is not valid.

        A dictionary changes a section that there is: ``replaced(device={"sigma": 0.3})`` leaves the other fields of
        the device alone. ``layers`` takes a dictionary too, from the index of a layer to the fields that change:
        ``replaced(layers={0: {"lanes": 8}, -1: {"z_frac": 4}})``. Anything else takes the place of what was there.
        """
        return parse(edited(self.model_dump(), fields), fields.get("name", self.name))

    @cached_property
    def design_digest(self) -> int:
        """What tells its machine from others (`contract.parameters.design_digest`)."""
        return design_digest(self.crossbars, self.loss, None if self.store is None else self.store.sizes)

    def require_store(self) -> Store:
        """Its memory for samples. ``ConfigError`` unless it has one, and takes the samples in an order that a machine
        computes."""
        if self.store is None:
            raise ConfigError('store: the machine has no memory for samples; add [store] with memory = "block_ram", '
                              '"sdram" or "axi", and words')
        if self.order != "permuted":
            raise ConfigError(f'order="{self.order}": a machine that trains from its memory computes the order itself; '
                              'set order = "permuted"')
        return self.store

    def require_in_situ(self) -> None:
        """``ConfigError`` if the devices do not train in the machine itself."""
        for section in ("host", "transfer"):
            if getattr(self, section):
                raise ConfigError(f"{self.name}: has a section {section}, and only networks that train in situ can be "
                                  "trained here; spinloom train and spinloom cosim take this one")

    def learning_rate_shift(self, epoch: int) -> int:
        """The learning rate of ``epoch``, from 0, as ``n`` of ``2**-n``."""
        return self.learning_rate_shifts[min(epoch, len(self.learning_rate_shifts) - 1)]

    def sample_order(self, epoch: int, count: int) -> np.ndarray:
        """The order in which ``epoch``, from 0, takes ``count`` samples: int64 (count,), a permutation."""
        return {"hashed": sample_order, "permuted": permuted_order}[self.order](self.seed, epoch, count)


def edited(before: Any, change: Any) -> Any:
    """The document ``before``, of dictionaries, tuples and plain values, after ``change``, as `Experiment.replaced`
    takes it."""
    if isinstance(change, BaseModel):
        return change.model_dump()
    if isinstance(change, list | tuple):
        return [edited(None, entry) for entry in change]
    if isinstance(change, dict) and isinstance(before, dict):
        return before | {name: edited(before.get(name), value) for name, value in change.items()}
    if isinstance(change, dict) and isinstance(before, tuple):
        layers = list(before)
        for index, fields in change.items():
            if not -len(layers) <= index < len(layers):
                raise ConfigError(f"layers[{index}]: there are only the layers 0 to {len(layers) - 1}")
            layers[index] = edited(layers[index], fields)
        return layers
    return change


def parse(document: dict, name: str) -> Experiment:
    """The experiment in a parsed TOML document. Without a name of its own it gets one that is made of ``name``.
    ``ConfigError`` in one line if it is not valid."""
    try:
        return Experiment.model_validate({"name": names.made_of(name)} | document)
    except ValidationError as error:
        raise ConfigError(explain(error, name, Experiment)) from None


def load(source: str, device: str | dict[str, Any] | None = None) -> Experiment:
    """The experiment that ``source`` names: a preset, or the path of a TOML file, which must end in ``.toml``.

    If given, ``device`` takes the place of the experiment's: the fields of a device, or what names one, as for
    ``load_device``. ``ConfigError`` if there is no such experiment or device, or if it is not valid.
    """
    path = _experiment_path(source)
    document = toml.read(path)
    if "crossbars" in document:
        raise ConfigError(f"{source}: describes a bank of crossbars, without a network; estimate, synth, and generate "
                          "without --axi can take it")
    return parse({"name": names.made_of(path.stem)} | with_device(document, path, device), source)


def with_device(document: dict[str, Any], path: Path, device: str | dict[str, Any] | None) -> dict[str, Any]:
    """The ``document`` in the file ``path``, with what ``device`` names, if given, or what its own device names."""
    if device is not None:
        return document | {"device": load_device(device).model_dump() if isinstance(device, str) else filled(device)}
    given = document.get("device")
    if isinstance(given, str):
        return document | {"device": _referred(given, path).model_dump()}
    return document | {"device": filled(given)} if isinstance(given, dict) else document


def load_device(source: str, folder: Path = Path()) -> Device:
    """The device that ``source`` names. ``ConfigError`` if there is none.

    A kind (``KINDS``) stands for the device with the defaults of its fields, a preset for the preset's device, the name
    of a published device for that. Anything else is the path of a TOML file, relative to ``folder``: that of a device,
    which holds the fields of the section ``device``, or that of an experiment, which has such a section.
    """
    if source in KINDS:
        return parse_device({"kind": source}, source)
    shipped = published.files() | _presets()
    if toml.is_name(source):
        path = folder / source
    elif source in shipped:
        path = shipped[source]
    else:
        raise ConfigError(f"no device {shown(source)}; a device is a file, whose name must end in {toml.SUFFIX}, or "
                          f"that of a kind ({', '.join(KINDS)}), of a published device "
                          f"({', '.join(published.files())}) or of a preset ({', '.join(_presets())})")
    document = toml.read(path)
    if "layers" in document or "crossbars" in document:
        if "device" not in document:
            raise ConfigError(f"{path}: an experiment without a section device")
        document = document["device"]
        if isinstance(document, str):
            raise ConfigError(f"{path} takes its device from {shown(document)}; name the file that describes it")
    return parse_device(document, str(path))


def _referred(source: str, path: Path) -> Device:
    """The device that the experiment in the file ``path`` names by ``device = source``."""
    try:
        return load_device(source, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: device={shown(source)}: {error}") from None


def _presets() -> dict[str, Path]:
    """The files of the presets by their names."""
    return {preset.stem: preset for preset in sorted(PRESETS.glob("*.toml"))}


def _experiment_path(source: str) -> Path:
    if toml.is_name(source):
        return Path(source)
    if source not in _presets():
        raise ConfigError(f"no preset {shown(source)}; presets are {', '.join(_presets())}; a file's name must end in "
                          f"{toml.SUFFIX}")
    return _presets()[source]
