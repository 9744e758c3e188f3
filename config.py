"""The description of an experiment: typed, validated, loaded from TOML or built in Python.

``load("mnist-dw5")`` reads a preset, ``load("path/to/mine.toml")`` a file. A device may have a file of its own, which
``device = "mine.toml"`` refers to, relative to the experiment's. ``Experiment.crossbars`` derives, once, the integers
from which golden model and RTL are built.
"""

import tomllib
from functools import cached_property
from math import floor
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .contract.device import SIGMA_BITS, SIGMA_FRAC, DeviceTables
from .contract.errors import ConfigError
from .contract.geometry import ActivationFormat, CrossbarGeometry, Loss, Neuron, Residual, Rounding, neuron_format
from .contract.hashing import CELL_STREAM, hash_base
from .contract.lfsr import MAX_SEGMENTS
from .contract.widths import divisors
from .devices.specification import KINDS, Device

_ONE, _MANY = "float", "tuple[float, ...]"
"""How pydantic names the two forms of ``PerState``."""
PRESETS = Path(__file__).parent / "configs"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Section):
    """What drives the first crossbar."""

    count: Annotated[int, Field(ge=1)]
    """Inputs a sample, without the bias."""
    kind: Literal["unsigned", "signed", "ternary"] = "unsigned"
    bits: Annotated[int, Field(ge=1, le=12)] = 8
    """Width; ternary inputs have 2."""

    @property
    def format(self) -> ActivationFormat:
        """An unsigned input covers [0, 1), a signed one [-1, 1), a ternary one {-1, 0, 1}."""
        if self.kind == "ternary":
            return ActivationFormat(kind="ternary", bits=2, frac=0)
        return ActivationFormat(kind=self.kind, bits=self.bits, frac=self.bits - (self.kind == "signed"))

    @model_validator(mode="after")
    def _check(self):
        if self.kind == "signed" and self.bits < 2:
            raise ValueError(f"bits={self.bits}: a signed input needs at least 2")
        return self


class UpdateRule(_Section):
    """How a requested change of weight becomes write pulses, and what is carried over."""

    rounding: Rounding = "threshold"
    """``threshold`` truncates the residual to whole multiples of the threshold; ``stochastic`` rounds it up or down by
    the switching curve of the device, and leaves nothing over (``residual`` is then ``none``)."""
    threshold: Annotated[float, Field(gt=0, le=1 << 24)] = 1.0
    """Residual, in levels, from which on a cell is programmed: the noise tolerance margin."""
    residual: Residual = "verified"
    """``verified`` subtracts the change read back, ``nominal`` the change asked for (open loop), ``none`` drops it."""


class WriteRule(_Section):
    """Ex-situ program-and-verify."""

    margin: Annotated[float, Field(ge=0, le=1 << 16)] = 0.25
    """Accepted distance from the nominal state, in levels."""
    max_attempts: Annotated[int, Field(ge=1, le=255)] = 16
    """Write pulses spent on a cell before it is given up."""


class Host(_Section):
    """Training from outside: a host works the gradients of each mini-batch out of the machine's integers, and hands the
    increments that its optimiser makes of them to ``apply``. Its learning rate, ``2**-learning_rate_shifts[e]``, is
    in levels."""

    optimizer: Literal["sgd", "adam"] = "adam"
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Of Adam: decay of the mean gradient and of its mean square."""
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """Of Adam: added to the root of the mean square."""


class Transfer(_Section):
    """Ex-situ training: a precursor is trained, and the states of its cells are written into fresh devices."""

    precursor: Device | None = None
    """Device of the precursor, of as many states; the experiment's own unless given."""


class Converters(_Section):
    """What all converters of the array share. The resolution of the ADCs is each layer's ``z_bits``; that of the DACs
    is ``input.bits`` and, behind a neuron, ``activation_bits``."""

    read_noise: Annotated[float, Field(ge=0, le=((1 << SIGMA_BITS) - 1) / (1 << SIGMA_FRAC))] = 0.0
    """Standard deviation of the noise of a reading of a column, in least significant bits of the ADC."""


class Layer(_Section):
    """One crossbar, its converters and the neurons behind it."""

    cols: int
    lanes: int | None = None
    """Columns worked on in parallel; all of them unless given."""
    adcs: int | None = None
    """Columns converted a cycle; the largest divisor of the lanes up to 8 unless given."""
    bias: bool = False
    neuron: Neuron | None = None
    """``relu`` unless given; the last layer has none, the loss follows it."""
    activation_bits: Annotated[int, Field(ge=1, le=12)] = 8
    """Width of the neuron's output; ternary neurons have 2."""
    weight_step: Annotated[int, Field(ge=-16, le=4)] = -4
    """log2 of the weight that one level stands for."""
    z_bits: int = 10
    z_frac: int = 8
    """Width and fraction bits of the ADC's output."""
    delta_bits: int = 9
    delta_frac: int = 8
    """Width and fraction bits of the error at the columns."""
    chi_bits: int = 16
    chi_frac: int = 12
    """Width and fraction bits of the residual, in levels."""
    ports: Literal[1, 2] = 2
    """Ports of the memories that hold the arrays. With one, an update takes two clocks a word; results are the same."""


class Experiment(_Section):
    """A network, the devices it trains in, and how it is trained."""

    name: str = "unnamed"
    dataset: str = "digits"
    """``digits``, ``mnist``, or the prefix of a data set in IDX format."""
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 1
    epochs: Annotated[int, Field(ge=1)] = 5
    batch: Annotated[int, Field(ge=1)] = 1
    """Samples whose updates are accumulated before cells are programmed."""
    learning_rate_shifts: Annotated[tuple[Annotated[int, Field(ge=0, le=31)], ...], Field(min_length=1)] = (6,)
    """The learning rate of epoch ``e`` is ``2**-learning_rate_shifts[e]``; the last one stays."""
    init_spread: Annotated[float, Field(ge=0)] = 1.0
    """Initial states are uniform among those within this many levels of zero."""
    loss: Loss = "cross_entropy"
    input: Input
    device: Device
    update: UpdateRule = UpdateRule()
    write: WriteRule = WriteRule()
    converters: Converters = Converters()
    host: Host | None = None
    """Training by the machine itself unless given."""
    transfer: Transfer | None = None
    """Training in situ unless given."""
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_SEGMENTS)]

    @field_validator("layers")
    @classmethod
    def _neurons(cls, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        if layers[-1].neuron is not None:
            raise ValueError(f"the last layer has neuron={layers[-1].neuron!r}; it must have none, the loss follows it")
        return tuple(layer if layer.neuron or layer is layers[-1] else layer.model_copy(update={"neuron": "relu"})
                     for layer in layers)

    @model_validator(mode="after")
    def _consistent(self):
        for index, layer in enumerate(self.layers[:-1]):
            if layer.neuron == "hard_tanh" and layer.activation_bits < 2:
                raise ValueError(f"layers[{index}].activation_bits={layer.activation_bits}: hard_tanh needs at least 2")
            if layer.neuron == "sigmoid" and layer.z_frac < 0:
                raise ValueError(f"layers[{index}].z_frac={layer.z_frac}: a sigmoid neuron needs at least 0")
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
                raise ValueError(f"transfer.precursor has {states} states; the device has {self.device_tables.states}")
        self.crossbars  # noqa: B018 - derives, and thereby checks, every width
        return self

    @cached_property
    def device_tables(self) -> DeviceTables:
        """The compiled device, shared by all crossbars."""
        return self.device.compile(certain=self.update.rounding == "stochastic")

    @cached_property
    def crossbars(self) -> tuple[CrossbarGeometry, ...]:
        """The geometry of every layer's crossbar."""
        device = self.device_tables
        centre = (device.states - 1) / 2
        init = [s for s in range(device.states) if abs(s - centre) <= self.init_spread]
        if not init:
            raise ConfigError(f"init_spread={self.init_spread}: no state lies within it; use at least 0.5")
        crossbars: list[CrossbarGeometry] = []
        inputs, x, source = self.input.count, self.input.format, None
        for index, layer in enumerate(self.layers):
            lanes = layer.cols if layer.lanes is None else layer.lanes
            before = crossbars[-1] if crossbars else None
            crossbars.append(CrossbarGeometry(
                index=index, inputs=inputs, bias=layer.bias, cols=layer.cols, lanes=lanes,
                adcs=layer.adcs if layer.adcs is not None else max([d for d in divisors(lanes) if d <= 8], default=1),
                x=x, source=source, weight_step=layer.weight_step,
                z_bits=layer.z_bits, z_frac=layer.z_frac,
                delta_bits=layer.delta_bits, delta_frac=layer.delta_frac,
                source_delta_bits=before.delta_bits if before else 0,
                source_delta_frac=before.delta_frac if before else 0,
                chi_bits=layer.chi_bits, chi_frac=layer.chi_frac,
                threshold=floor(self.update.threshold * 2.0**layer.chi_frac + 0.5),
                rounding=self.update.rounding, residual=self.update.residual,
                margin=floor(self.write.margin * 2.0**device.sub_bits + 0.5),
                max_attempts=self.write.max_attempts,
                init_states=(init[0], init[-1]),
                learning_rate_shifts=(min(self.learning_rate_shifts), max(self.learning_rate_shifts)),
                cell_seed=hash_base(self.seed, CELL_STREAM + index) if device.differs else 0,
                read_noise=floor(self.converters.read_noise * (1 << SIGMA_FRAC) + 0.5),
                device=device, ports=layer.ports,
            ))
            inputs, source = layer.cols, layer.neuron
            if source is not None:
                x = neuron_format(source, layer.activation_bits, layer.z_frac)
        return tuple(crossbars)

    @property
    def precursor(self) -> "Experiment":
        """What is trained before a transfer: this experiment, with the precursor's device."""
        device = self.transfer.precursor if self.transfer else None
        return self.replaced(name=f"{self.name}-precursor", transfer=None, device=device or self.device)

    def replaced(self, **fields: Any) -> "Experiment":
        """This experiment with other ``fields``, validated again. ``ConfigError`` in one line if it is not valid.

        A dictionary changes a section that there is: ``replaced(device={"sigma": 0.3})`` leaves the other fields of
        the device alone. ``layers`` takes a dictionary too, from the index of a layer to the fields that change:
        ``replaced(layers={0: {"lanes": 8}, -1: {"z_frac": 4}})``. Anything else takes the place of what was there.
        """
        return parse(_edited(self.model_dump(), fields), fields.get("name", self.name))

    def require_in_situ(self) -> None:
        """``ConfigError`` if the network is trained from outside."""
        for section in ("host", "transfer"):
            if getattr(self, section):
                raise ConfigError(f"{self.name}: has a section {section}, and only networks that train in situ can be "
                                  "trained here; spinloom train and spinloom cosim take this one")

    def learning_rate_shift(self, epoch: int) -> int:
        """The shift of ``epoch``, counted from 0."""
        return self.learning_rate_shifts[min(epoch, len(self.learning_rate_shifts) - 1)]


def _edited(before: Any, change: Any) -> Any:
    """``before``, of dictionaries, tuples and plain values, after ``change``, as `Experiment.replaced` takes it."""
    if isinstance(change, BaseModel):
        return change.model_dump()
    if isinstance(change, list | tuple):
        return [_edited(None, entry) for entry in change]
    if isinstance(change, dict) and isinstance(before, dict):
        return before | {name: _edited(before.get(name), value) for name, value in change.items()}
    if isinstance(change, dict) and isinstance(before, tuple):
        layers = list(before)
        for index, fields in change.items():
            if not -len(layers) <= index < len(layers):
                raise ConfigError(f"layers[{index}]: there are only the layers 0 to {len(layers) - 1}")
            layers[index] = _edited(layers[index], fields)
        return layers
    return change


def _allowed(place: tuple) -> list[str]:
    """The fields of the section that the last element of ``place`` is in."""
    if len(place) == 1:
        return list(Experiment.model_fields)
    sections = {"input": Input, "update": UpdateRule, "write": WriteRule, "converters": Converters, "host": Host,
                "transfer": Transfer, "layers": Layer,
                "device": KINDS.get(place[1])}
    return list(sections[place[0]].model_fields)


def _explain(error: ValidationError, name: str) -> str:
    """The first of the errors in ``name``, in one line that names field and value."""
    first, *others = error.errors()
    if first["loc"][-1:] == (_ONE,) and isinstance(first["input"], list | tuple):
        first = others[0]  # of the two that one figure, or many, may be: what was given
    loc = [part for part in first["loc"] if part not in (_ONE, _MANY)]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "union_tag_not_found":
        message = f"kind is missing; it must be one of {', '.join(KINDS)}"
    if first["type"] == "extra_forbidden":
        message = f"unknown field; allowed are {', '.join(_allowed(first['loc']))}"
    told = first["type"] == "value_error" or isinstance(first["input"], dict | list | tuple)
    given = "" if told else f"={first['input']!r}"
    return f"{name}: {place + given + ': ' if place else ''}{message}"


def parse(document: dict, name: str) -> Experiment:
    """An experiment from a parsed TOML document; ``ConfigError`` in one line if it is not valid."""
    try:
        return Experiment.model_validate({"name": name} | document)
    except ValidationError as error:
        raise ConfigError(_explain(error, name)) from None


class _DeviceFile(_Section):
    device: Device


def parse_device(document: dict, name: str) -> Device:
    """A device from the fields of the section ``device``; ``ConfigError`` in one line if it is not valid."""
    try:
        return _DeviceFile(device=document).device
    except ValidationError as error:
        raise ConfigError(_explain(error, name)) from None


def load(source: str, device: str | dict[str, Any] | None = None) -> Experiment:
    """The experiment of a preset's name or a TOML file's path; if given, ``device`` takes the place of its own: the
    fields of one, or what names one for ``load_device``. ``ConfigError`` if there is none."""
    path = _experiment_path(source)
    document = _read(path)
    if device is not None:
        document["device"] = load_device(device).model_dump() if isinstance(device, str) else device
    elif isinstance(document.get("device"), str):
        document["device"] = load_device(document["device"], path.parent).model_dump()
    return parse(document, path.stem)


def load_device(source: str, folder: Path = Path()) -> Device:
    """The device that ``source`` names: a kind, with the defaults of its fields; a preset, which has one; or the path,
    relative to ``folder``, of a TOML file, that of a device, which holds the fields of the section ``device``, or that
    of an experiment, which has such a section. ``ConfigError`` if there is none."""
    if source in KINDS:
        return parse_device({"kind": source}, source)
    path = folder / source if Path(source).suffix == ".toml" else PRESETS / f"{source}.toml"
    if path.parent == PRESETS and not path.is_file():
        raise ConfigError(f"no device {source!r}; a device is a file, whose name must end in .toml, or that of a kind "
                          f"({', '.join(KINDS)}) or of a preset ({_presets()})")
    document = _read(path)
    if "layers" in document:
        document = document.get("device", {})
        if isinstance(document, str):
            raise ConfigError(f"{path} takes its device from {document}; name that instead")
    return parse_device(document, str(path))


def _presets() -> str:
    return ", ".join(sorted(preset.stem for preset in PRESETS.glob("*.toml")))


def _experiment_path(source: str) -> Path:
    path = Path(source)
    if path.suffix == ".toml":
        return path
    path = PRESETS / f"{source}.toml"
    if not path.is_file():
        raise ConfigError(f"no preset {source!r}; presets are {_presets()}; a file's name must end in .toml")
    return path


def _read(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
