"""The Verilog of a design, with a description of its ports, streams and parameters for people and programs."""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from amaranth.hdl import Shape
from amaranth.lib import data, enum, stream, wiring

from ...config import Experiment
from ...contract.device import DeviceTables
from ...contract.errors import ConfigError, shown
from ...contract.geometry import COUNTER_BITS, CrossbarGeometry
from ...contract.lfsr import WIDTH, initial_states
from ...contract.parameters import parameters
from ...contract.results import Result
from ...design import BankDesign, Design
from ...system.disk import is_full
from ...system.files import read, replace
from ..bank import OPERANDS
from ..bank import beats as shapes_of_beats
from ..component import Component, component
from ..crossbar.controller import SECOND_PASSES
from ..crossbar.layouts import cell_layout, state_bits
from ..crossbar.operations import Operation
from .keywords import KEYWORDS
from .page import markdown
from .verilog import to_verilog
from .wording import BANK, NETWORK, Wording, wording

MOST_BYTES = 1 << 26
"""Of a description."""

BEATS: dict[str, tuple[Any, ...]] = {
    "x": (Operation.FORWARD, Operation.SELECT),
    "z": (Operation.FORWARD,),
    "d": SECOND_PASSES,
    "e": SECOND_PASSES,
}
"""The operations of a crossbar that beats of its streams belong to."""
OF_NETWORKS = ("source", "source_delta_bits", "source_delta_frac", "error_shift", "pooled")
"""Figures of a crossbar that mean nothing in a bank."""


@dataclass(frozen=True, kw_only=True)
class Generated(Result):
    """What ``spinloom generate`` has written."""

    files: tuple[Path, ...]
    """The Verilog first."""


def generate(design: Design, out: str | Path) -> list[Path]:
    """Write ``design`` to the folder ``out``: ``<name>.v``, ``<name>.json``, ``<name>.md``.

    ``<name>`` is the name of the design as a Verilog identifier, and the name of the module. The files are the same
    in every byte in every run and every folder. Each is replaced as a whole. Returns their paths, the Verilog first.
    ``ConfigError`` if the folder cannot be written, or holds a module of this name that is another design's.
    """
    name = module_name(design.name)
    made = component(design)
    prepare(Path(out), name, design)
    document = describe(design, made)
    texts = {
        f"{name}.v": to_verilog(made, name),
        f"{name}.json": json.dumps(document, indent=2) + "\n",
        f"{name}.md": markdown(document, wording(design)),
    }
    return write_files(out, texts)


def prepare(folder: Path, name: str, design: Design) -> None:
    """Make ``folder`` for the module ``name`` of ``design``. ``ConfigError`` if it cannot be made, or holds that module
    of a design of another name: names that differ in what is neither letter nor digit give the same."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None
    path = folder / f"{name}.json"
    try:
        document = json.loads(read(path, MOST_BYTES))
        owner = document[BANK.source if BANK.source in document else NETWORK.source]["name"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return  # it is none
    if owner != design.name:
        raise ConfigError(f"{path}: describes {shown(owner)}, and the module of {shown(design.name)} would have "
                          "the same name; take another folder, or another name")


def write_files(out: str | Path, texts: dict[str, str]) -> list[Path]:
    """Write ``texts``, by name, to the folder ``out``, which is there, each as a whole. Returns their paths.
    ``ConfigError`` if the folder cannot be written."""
    folder = Path(out)
    try:
        for file, text in texts.items():
            replace(folder / file, partial(_write, text))
    except OSError as error:
        if is_full(error):
            raise
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None
    return [folder / file for file in texts]


def _write(text: str, file: BinaryIO) -> None:
    file.write(text.encode())


def module_name(name: str) -> str:
    """The Verilog identifier made of a design's name: what is neither letter nor digit becomes ``_``. Reserved
    words, and what does not begin with a letter, get ``network_`` before them."""
    identifier = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "network"
    return identifier if identifier[0].isalpha() and identifier not in KEYWORDS else f"network_{identifier}"


def describe(design: Design, made: Component) -> dict[str, Any]:
    """The description of ``made``, the component of ``design``, as JSON: ``module``, ``ports``, ``streams``,
    ``operations``, ``protocol``, ``state_words``, ``parameter_words`` and ``tool_versions``. Of a network also
    ``layers``, ``device`` and ``experiment``; of a bank ``beats``, ``crossbars`` and ``bank``."""
    words, streams = wording(design), dict(_streams(made.signature))
    shapes = [_plain_shape(member) for member in streams.values()]
    return {
        "module": module_name(design.name),
        "ports": list(_ports(made, words)),
        "streams": [_describe_stream(name, member, words) for name, member in streams.items()],
        "operations": {kind.__name__: [{"name": item.name, "value": item.value, "meaning": meaning}
                                       for item, meaning in documented(kind)]
                       for shape in shapes for kind in _enumerations(shape)},
        "protocol": list(words.protocol),
        "state_words": [{words.crossbar: number, **_state_words(geometry, words)}
                        for number, geometry in enumerate(design.crossbars)],
        "parameter_words": [{words.crossbar: number, "words": [word._asdict() for word in parameters(geometry)]}
                            for number, geometry in enumerate(design.crossbars)],
        **(_describe_network(design) if isinstance(design, Experiment) else _describe_bank(design)),
        "tool_versions": {"spinloom": version("spinloom"), "amaranth": version("amaranth")},
    }


def _describe_network(experiment: Experiment) -> dict[str, Any]:
    """What a bank does not have."""
    layers = [{"layer": number, **_describe_crossbar(geometry)} for number, geometry in enumerate(experiment.crossbars)]
    for layer, geometry in zip(layers, experiment.crossbars, strict=True):
        layer["derived"] |= {f"initial_{name}": state
                             for name, state in initial_states(experiment.seed, geometry).items()}
    return {
        "slowest_learning_rate_shift": experiment.crossbars[0].learning_rate_shifts[1],
        "layers": layers,
        "device": _describe_device(experiment.device_tables),
        "experiment": experiment.model_dump(mode="json"),
    }


def _describe_bank(design: BankDesign) -> dict[str, Any]:
    """What a network does not have."""
    crossbars = [{"crossbar": number, **_describe_crossbar(geometry), "device": _describe_device(geometry.device)}
                 for number, geometry in enumerate(design.crossbars)]
    for crossbar in crossbars:
        for title in ("parameters", "derived"):
            crossbar[title] = {name: value for name, value in crossbar[title].items() if name not in OF_NETWORKS}
    beats = [{"crossbar": number, "name": name, "stream": "operands" if name in OPERANDS else "answers",
              "operations": [operation.name for operation in BEATS[name]], "width": Shape.cast(shape).width,
              "fields": list(_fields(shape, BANK))}
             for number, shapes in enumerate(shapes_of_beats(design.crossbars))
             for name, shape in shapes.items() if name in BEATS]
    return {"beats": beats, "crossbars": crossbars, "bank": design.description}


def _streams(signature: wiring.Signature, prefix: str = "") -> Iterator[tuple[str, wiring.Member]]:
    """The streams of a signature and of the interfaces in it, whose names stand before theirs."""
    for name, member in signature.members.items():
        if not member.is_signature:
            continue
        if isinstance(member.signature, stream.Signature):
            yield prefix + name, member
        else:
            yield from _streams(member.signature, f"{prefix}{name}__")


def _plain_shape(member: wiring.Member) -> Any:
    return member.signature.members["payload"].shape


def _direction(member: wiring.Member) -> str:
    return "input" if member.flow is wiring.In else "output"


def _ports(made: Component, words: Wording) -> Iterator[dict[str, Any]]:
    yield {"name": "clk", "direction": "input", "width": 1, "signed": False, "meaning": "clock"}
    yield {"name": "rst", "direction": "input", "width": 1, "signed": False, "meaning": "synchronous reset"}
    roles = {"payload": "word", "valid": "the sender offers a word", "ready": "the receiver takes it"}
    for path, member, _ in made.signature.flatten(made):
        shape = Shape.cast(member.shape)
        name, role = "__".join(map(str, path)), path[-1]
        yield {"name": name, "direction": _direction(member), "width": shape.width,
               "signed": shape.signed,
               "meaning": words.members.get(name) or f"stream {name.removesuffix(f'__{role}')}: {roles[role]}"}


def _describe_stream(name: str, member: wiring.Member, words: Wording) -> dict[str, Any]:
    shape = _plain_shape(member)
    return {"name": name, "direction": _direction(member), "meaning": words.members[name],
            "width": Shape.cast(shape).width, "fields": list(_fields(shape, words))}


def _fields(shape: Any, words: Wording, prefix: str = "", offset: int = 0) -> Iterator[dict[str, Any]]:
    """The leaves of a layout, with their offsets from bit 0 of the payload."""
    if not isinstance(shape, data.Layout):
        plain = Shape.cast(shape)
        yield {"name": prefix or "word", "offset": offset, "width": plain.width, "signed": plain.signed,
               "meaning": words.fields[prefix.rpartition(".")[2].partition("[")[0]] if prefix else "see the operations",
               "encoding": shape.__name__ if isinstance(shape, enum.EnumMeta) else None}
        return
    for key, field in shape:
        name = f"{prefix}[{key}]" if isinstance(key, int) else f"{prefix}.{key}".lstrip(".")
        yield from _fields(field.shape, words, name, offset + field.offset)


def _enumerations(shape: Any) -> Iterator[enum.EnumMeta]:
    if isinstance(shape, enum.EnumMeta):
        yield shape
    elif isinstance(shape, data.Layout):
        for _, field in shape:
            yield from _enumerations(field.shape)


def documented(kind: enum.EnumMeta) -> list[tuple[Any, str]]:
    """The items of an enumeration, each with the docstring that follows it in the source."""
    texts = dict(re.findall(r'^ +(\w+) = \d+\n +"""(.*?)"""', inspect.getsource(kind), re.MULTILINE | re.DOTALL))
    return [(item, re.sub(r"\s+", " ", texts[item.name]).replace("``", "`")) for item in kind]


def _state_words(geometry: CrossbarGeometry, words: Wording) -> dict[str, Any]:
    """What LOAD takes and DUMP answers with, in order."""
    return {
        "width": state_bits(geometry),
        "words": [
            {"count": geometry.rows * geometry.cols, "content": "cell",
             "fields": list(_fields(cell_layout(geometry), words))},
            *({"count": 1, "content": name, "width": WIDTH} for name in geometry.lfsrs),
            *({"count": 1, "content": name, "width": COUNTER_BITS} for name in geometry.counters),
        ],
    }


def _describe_device(device: DeviceTables) -> dict[str, Any]:
    return asdict(device) | {"states": device.states}


def _describe_crossbar(geometry: CrossbarGeometry) -> dict[str, Any]:
    own = {name: value for name, value in asdict(geometry).items() if name not in ("device", "index", "window")}
    window = {name: value for name, value in asdict(geometry.window).items() if name not in ("drop", "view")}
    given = {"inputs": geometry.inputs} | window | own
    lowest, highest = geometry.learning_rate_shifts
    return {
        "parameters": given,
        "derived": {
            "rows": geometry.rows,
            "folds": geometry.folds,
            "positions": geometry.positions,
            "outputs": geometry.window.outputs,
            "pooled": geometry.window.pooled,
            "bias_value": geometry.bias_value if geometry.bias else None,
            "g_bits": geometry.device.g_bits,
            "sum_bits": geometry.sum_bits,
            "error_bits": geometry.error_bits,
            "gradient_bits": None if geometry.plain else geometry.gradient_bits,
            "derivative_bits": geometry.derivative_bits,
            "adc_shift": geometry.adc_shift,
            "error_shift": geometry.error_shift if geometry.source else None,
            "update_shifts": [geometry.update_shift(shift) for shift in (lowest, highest)],
            "residual_shift": geometry.residual_shift,
            "memory_bits": geometry.rows * geometry.cols * cell_layout(geometry).size,
        },
    }
