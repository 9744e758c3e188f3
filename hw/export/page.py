"""The description of a design, for people."""

import json
from collections.abc import Iterator
from typing import Any

from ...render.markdown import table
from .wording import Wording

FIELDS = ("bits", "field", "type", "meaning")
"""The columns of a table of fields."""


def markdown(document: dict[str, Any], words: Wording) -> str:
    """What ``generate.describe`` returned, in Markdown."""
    tools = ", ".join(f"{tool} {number}" for tool, number in document["tool_versions"].items())
    return "\n\n".join([
        *_module(document, document[f"{words.crossbar}s"]),
        *_streams(document),
        *_words(document, words.crossbar),
        *_crossbars(document[f"{words.crossbar}s"], words.crossbar),
        *_device(document),
        "## Configuration",
        "```json\n" + json.dumps(document[words.source], indent=2) + "\n```",
        f"Made with {tools}.",
    ]) + "\n"


def _module(document: dict[str, Any], crossbars: list[dict[str, Any]]) -> Iterator[str]:
    shapes = ", ".join(
        f"{crossbar['parameters']['inputs']} inputs" + (" and a bias" if crossbar["parameters"]["bias"] else "")
        + f" to {crossbar['parameters']['cols']} columns"
        + (f" at {crossbar['derived']['positions']} positions" if crossbar["derived"]["positions"] > 1 else "")
        for crossbar in crossbars)
    yield f"# {document['module']}"
    yield f"Module `{document['module']}` in `{document['module']}.v`: {shapes}."
    yield "## Protocol"
    yield "\n".join(f"- {line}" for line in document["protocol"])
    yield "## Ports"
    yield table(("port", "direction", "width", "meaning"),
                [(f"`{port['name']}`", port["direction"], port["width"], port["meaning"])
                 for port in document["ports"]])


def _streams(document: dict[str, Any]) -> Iterator[str]:
    """The streams, what their words hold, and what the operations mean."""
    yield "## Streams"
    for entry in document["streams"]:
        yield f"### {entry['name']} ({entry['direction']})"
        yield entry["meaning"]
        yield table(FIELDS, _field_rows(entry["fields"]))
    if "beats" in document:
        yield "## Beats"
    for beats in document.get("beats", ()):
        yield (f"Crossbar {beats['crossbar']}, `{beats['name']}` on `{beats['stream']}`, of "
               f"{', '.join(beats['operations'])}, in the low {beats['width']} bits:")
        yield table(FIELDS, _field_rows(beats["fields"]))
    for kind, items in document["operations"].items():
        yield f"## {kind}"
        yield table(("value", "name", "meaning"),
                    [(item["value"], f"`{item['name']}`", item["meaning"]) for item in items])


def _words(document: dict[str, Any], what: str) -> Iterator[str]:
    """The words of states and parameters of everything that is ``what``."""
    yield "## State words"
    for state in document["state_words"]:
        yield f"{what.capitalize()} {state[what]}, in the low {state['width']} bits of a word:"
        yield table(("words", "content", "bits"), map(_state_row, state["words"]))
    yield "## Run-time parameters"
    for parameters in document["parameter_words"]:
        yield f"{what.capitalize()} {parameters[what]}:"
        yield table(("parameter", "bits", "value"), [
            (f"`{word['name']}`", f"{word['bits'] - 1}:0", word["value"]) for word in parameters["words"]])


def _crossbars(crossbars: list[dict[str, Any]], what: str) -> Iterator[str]:
    """The figures of everything that is ``what``, and their devices if each has its own."""
    yield f"## {what.capitalize()}s"
    columns = [f"{what} {crossbar[what]}" for crossbar in crossbars]
    for title in (title for title in ("parameters", "derived", "device") if title in crossbars[0]):
        yield table((title, *columns), [(f"`{name}`", *(_plain(crossbar[title][name]) for crossbar in crossbars))
                                        for name in crossbars[0][title]])


def _device(document: dict[str, Any]) -> Iterator[str]:
    """The device of a network."""
    if "device" in document:
        yield "## Device"
        yield table(("table", "value"),
                    [(f"`{name}`", _plain(value)) for name, value in document["device"].items()])


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
