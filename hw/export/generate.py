"""The Verilog of a network, with a description of its ports, streams and parameters for people and programs."""

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
from ...contract.errors import ConfigError, shown
from ...contract.geometry import COUNTER_BITS, COUNTERS, CrossbarGeometry
from ...contract.lfsr import WIDTH, initial_states
from ...contract.parameters import parameters
from ...contract.results import Result
from ...render.markdown import table
from ...system.disk import is_full
from ...system.files import read, replace
from ..crossbar.layouts import cell_layout, state_bits
from ..network import Network
from .keywords import KEYWORDS
from .verilog import to_verilog

MOST_BYTES = 1 << 26
"""Of a description."""
MEMBERS = {
    "command": "operations, carried out in order",
    "x": "the drive of the first crossbar",
    "result": "the answer to each sample, in order",
    "state_in": "words that APPLY, WRITE, LOAD and CONFIGURE take",
    "state_out": "words that DUMP answers with",
    "idle": "every command taken has been carried out and its effects have reached the memories",
}
"""What the members of the network's signature mean."""

FIELDS = {
    "boost": "learning rate 2**-(slowest_learning_rate_shift - boost)",
    "chi": "residual",
    "correct": "whether the prediction is the label",
    "derivative": "derivative of the neuron that drives the row",
    "g": "conductance level",
    "g_minus": "level of the device of a pair that counts negative",
    "label": "class of the sample; ignored by INFER but for `correct`",
    "last": "this beat is the last of its sample",
    "layer": "crossbar that APPLY, WRITE, LOAD, DUMP and CONFIGURE are meant for",
    "operation": "what to do",
    "prediction": "class predicted before the update",
    "row": "row of the first crossbar, without the bias row; ascending within a sample",
    "x": "what drives the row",
}
"""What the fields of payloads mean."""

PROTOCOL = (
    "One clock, `clk`, rising edge; `rst` is synchronous, active high.",
    "A word moves on a stream in every clock cycle in which `valid` and `ready` are both 1. Once `valid` is 1 it stays "
    "so, with the payload unchanged, until the word has moved; `valid` never waits for `ready`.",
    "The arrays start at zero and the LFSRs at 1: LOAD every layer before the first sample.",
    "A sample is one command (INFER, TRAIN or ACCUMULATE) and its beats on `x`: the rows whose drive is not zero, "
    "ascending, `last` on the final one; a sample without any is one beat of zero. Commands and beats may come in any "
    "order relative to each other. `result` answers once a sample, in the order of the commands.",
    "LOAD and DUMP move the complete state of a layer: the cells row by row, the LFSRs, then the counters, a word "
    "each, in the low bits. WRITE takes a state (0 to states-1) a cell, APPLY an increment of the residual (signed, in "
    "its units), row by row. CONFIGURE takes the run-time parameters, a word each, in the order of their table; the "
    "machine starts with those of its configuration. A command that moves words waits until everything before it is "
    "done, and `state_in` and `state_out` belong to it alone.",
)
"""How the machine is driven."""


@dataclass(frozen=True, kw_only=True)
class Generated(Result):
    """What ``spinloom generate`` has written."""

    files: tuple[Path, ...]
    """The Verilog first."""


def generate(experiment: Experiment, out: str | Path) -> list[Path]:
    """Write the network of ``experiment`` to the folder ``out``: ``<name>.v``, ``<name>.json``, ``<name>.md``.

    ``<name>`` is the name of the experiment as a Verilog identifier, and the name of the module. The files are the same
    in every byte in every run and every folder. Each is replaced as a whole. Returns their paths, the Verilog first.
    ``ConfigError`` if the folder cannot be written, or holds a module of this name that is another experiment's.
    """
    name = module_name(experiment.name)
    prepare(Path(out), name, experiment)
    network = Network(geometries=experiment.crossbars, loss=experiment.loss)
    document = describe(experiment, network)
    texts = {
        f"{name}.v": to_verilog(network, name),
        f"{name}.json": json.dumps(document, indent=2) + "\n",
        f"{name}.md": markdown(document),
    }
    return write_files(out, texts)


def prepare(folder: Path, name: str, experiment: Experiment) -> None:
    """Make ``folder`` for the module ``name`` of ``experiment``. ``ConfigError`` if it cannot be made, or holds that
    module of an experiment of another name: names that differ in what is neither letter nor digit give the same."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from None
    path = folder / f"{name}.json"
    try:
        owner = json.loads(read(path, MOST_BYTES))["experiment"]["name"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return  # it is none
    if owner != experiment.name:
        raise ConfigError(f"{path}: describes {shown(owner)}, and the module of {shown(experiment.name)} would have "
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
    """The Verilog identifier made of an experiment's name: what is neither letter nor digit becomes ``_``. Reserved
    words, and what does not begin with a letter, get ``network_`` before them."""
    identifier = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "network"
    return identifier if identifier[0].isalpha() and identifier not in KEYWORDS else f"network_{identifier}"


def describe(experiment: Experiment, network: Network) -> dict[str, Any]:
    """The description of ``network`` as JSON: ``module``, ``ports``, ``streams``, ``operations``, ``protocol``,
    ``state_words``, ``parameter_words``, ``layers``, ``device``, ``experiment`` and ``tool_versions``."""
    members = network.signature.members
    streams = {name: member for name, member in members.items() if _is_stream(member)}
    shapes = [_plain_shape(member) for member in streams.values()]
    return {
        "module": module_name(experiment.name),
        "ports": list(_ports(network)),
        "streams": [_describe_stream(name, member) for name, member in streams.items()],
        "operations": {kind.__name__: [{"name": item.name, "value": item.value, "meaning": meaning}
                                       for item, meaning in documented(kind)]
                       for shape in shapes for kind in _enumerations(shape)},
        "protocol": list(PROTOCOL),
        "state_words": [_state_words(geometry) for geometry in experiment.crossbars],
        "parameter_words": [_parameter_words(geometry) for geometry in experiment.crossbars],
        "slowest_learning_rate_shift": experiment.crossbars[0].learning_rate_shifts[1],
        "layers": [_describe_layer(geometry, experiment.seed) for geometry in experiment.crossbars],
        "device": asdict(experiment.device_tables) | {"states": experiment.device_tables.states},
        "experiment": experiment.model_dump(mode="json"),
        "tool_versions": {"spinloom": version("spinloom"), "amaranth": version("amaranth")},
    }


def _is_stream(member: wiring.Member) -> bool:
    return member.is_signature and isinstance(member.signature, stream.Signature)


def _plain_shape(member: wiring.Member) -> Any:
    return member.signature.members["payload"].shape


def _direction(member: wiring.Member) -> str:
    return "input" if member.flow is wiring.In else "output"


def _ports(network: Network) -> Iterator[dict[str, Any]]:
    yield {"name": "clk", "direction": "input", "width": 1, "signed": False, "meaning": "clock"}
    yield {"name": "rst", "direction": "input", "width": 1, "signed": False, "meaning": "synchronous reset"}
    roles = {"payload": "word", "valid": "the sender offers a word", "ready": "the receiver takes it"}
    for path, member, _ in network.signature.flatten(network):
        shape = Shape.cast(member.shape)
        stream_name, role = path[0], path[-1]
        yield {"name": "__".join(map(str, path)), "direction": _direction(member), "width": shape.width,
               "signed": shape.signed,
               "meaning": f"stream {stream_name}: {roles[role]}" if len(path) == 2 else MEMBERS[stream_name]}


def _describe_stream(name: str, member: wiring.Member) -> dict[str, Any]:
    shape = _plain_shape(member)
    return {"name": name, "direction": _direction(member), "meaning": MEMBERS[name], "width": Shape.cast(shape).width,
            "fields": list(_fields(shape))}


def _fields(shape: Any, prefix: str = "", offset: int = 0) -> Iterator[dict[str, Any]]:
    """The leaves of a layout, with their offsets from bit 0 of the payload."""
    if not isinstance(shape, data.Layout):
        plain = Shape.cast(shape)
        yield {"name": prefix or "word", "offset": offset, "width": plain.width, "signed": plain.signed,
               "meaning": FIELDS[prefix.rpartition(".")[2]] if prefix else "see the operations",
               "encoding": shape.__name__ if isinstance(shape, enum.EnumMeta) else None}
        return
    for key, field in shape:
        yield from _fields(field.shape, f"{prefix}.{key}".lstrip("."), offset + field.offset)


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


def _state_words(geometry: CrossbarGeometry) -> dict[str, Any]:
    """What LOAD takes and DUMP answers with, in order."""
    return {
        "layer": geometry.index,
        "width": state_bits(geometry),
        "words": [
            {"count": geometry.rows * geometry.cols, "content": "cell", "fields": list(_fields(cell_layout(geometry)))},
            *({"count": 1, "content": name, "width": WIDTH} for name in geometry.lfsrs),
            *({"count": 1, "content": name, "width": COUNTER_BITS} for name in COUNTERS),
        ],
    }


def _parameter_words(geometry: CrossbarGeometry) -> dict[str, Any]:
    """What CONFIGURE takes, in order, and what the machine starts with."""
    return {"layer": geometry.index, "words": [word._asdict() for word in parameters(geometry)]}


def _describe_layer(geometry: CrossbarGeometry, seed: int) -> dict[str, Any]:
    given = {name: value for name, value in asdict(geometry).items() if name not in ("device", "index")}
    lowest, highest = geometry.learning_rate_shifts
    return {
        "layer": geometry.index,
        "parameters": given,
        "derived": {
            "rows": geometry.rows,
            "folds": geometry.folds,
            "bias_value": geometry.bias_value if geometry.bias else None,
            "g_bits": geometry.device.g_bits,
            "sum_bits": geometry.sum_bits,
            "error_bits": geometry.error_bits,
            "derivative_bits": geometry.derivative_bits,
            "adc_shift": geometry.adc_shift,
            "error_shift": geometry.error_shift if geometry.source else None,
            "update_shifts": [geometry.update_shift(shift) for shift in (lowest, highest)],
            "residual_shift": geometry.residual_shift,
            "memory_bits": geometry.rows * geometry.cols * cell_layout(geometry).size,
            **{f"initial_{name}": state for name, state in initial_states(seed, geometry).items()},
        },
    }


def markdown(document: dict[str, Any]) -> str:
    """What ``describe`` returned, for people."""
    module, layers = document["module"], document["layers"]
    shapes = ", ".join(
        f"{layer['parameters']['inputs']} inputs" + (" and a bias" if layer["parameters"]["bias"] else "")
        + f" to {layer['parameters']['cols']} columns" for layer in layers)
    parts = [
        f"# {module}",
        f"Module `{module}` in `{module}.v`: {shapes}.",
        "## Protocol",
        "\n".join(f"- {line}" for line in document["protocol"]),
        "## Ports",
        table(("port", "direction", "width", "meaning"),
              [(f"`{port['name']}`", port["direction"], port["width"], port["meaning"])
               for port in document["ports"]]),
        "## Streams",
    ]
    for entry in document["streams"]:
        parts += [f"### {entry['name']} ({entry['direction']})", entry["meaning"],
                  table(("bits", "field", "type", "meaning"), _field_rows(entry["fields"]))]
    for kind, items in document["operations"].items():
        parts += [f"## {kind}", table(("value", "name", "meaning"), [
            (item["value"], f"`{item['name']}`", item["meaning"]) for item in items])]
    parts.append("## State words")
    for state in document["state_words"]:
        parts += [f"Layer {state['layer']}, in the low {state['width']} bits of a word:",
                  table(("words", "content", "bits"), map(_state_row, state["words"]))]
    parts.append("## Run-time parameters")
    for layer in document["parameter_words"]:
        parts += [f"Layer {layer['layer']}:", table(("parameter", "bits", "value"), [
            (f"`{word['name']}`", f"{word['bits'] - 1}:0", word["value"]) for word in layer["words"]])]
    parts.append("## Layers")
    columns = [f"layer {layer['layer']}" for layer in layers]
    for title in ("parameters", "derived"):
        parts.append(table((title, *columns), [(f"`{name}`", *(_plain(layer[title][name]) for layer in layers))
                                               for name in layers[0][title]]))
    tools = ", ".join(f"{tool} {number}" for tool, number in document["tool_versions"].items())
    parts += [
        "## Device",
        table(("table", "value"), [(f"`{name}`", _plain(value)) for name, value in document["device"].items()]),
        "## Configuration",
        "```json\n" + json.dumps(document["experiment"], indent=2) + "\n```",
        f"Made with {tools}.",
    ]
    return "\n\n".join(parts) + "\n"


def _state_row(word: dict[str, Any]) -> tuple[Any, ...]:
    fields = word.get("fields")
    bits = (", ".join(f"{_bits(field)} `{field['name']}` ({_type(field)})" for field in fields) if fields
            else f"{word['width'] - 1}:0")
    return word["count"], word["content"], bits


def _field_rows(fields: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [(_bits(field), f"`{field['name']}`", field["encoding"] or _type(field), field["meaning"])
            for field in fields]


def _bits(field: dict[str, Any]) -> str:
    high = field["offset"] + field["width"] - 1
    return f"{high}:{field['offset']}" if field["width"] > 1 else str(high)


def _type(field: dict[str, Any]) -> str:
    return f"{'signed' if field['signed'] else 'unsigned'} {field['width']}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
