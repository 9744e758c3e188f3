"""The fields that a sweep may give: those of a configuration by their dotted names, and what a run is told besides.

``layers.0.cols`` is a field of the first layer, ``layers.-1.cols`` of the last, ``layers.cols`` of all of them.
``device`` is a whole device: what names one, or a section. Besides there are ``config`` and ``samples``.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from ...config import Experiment, edited, parse
from ...contract.errors import ConfigError
from ...devices.kinds import sections

CONFIG, SAMPLES, DEVICE = "config", "samples", "device"
"""A preset or a file; how many samples are trained on in an epoch; a device."""
NAME = "name"
"""The one field that no sweep may give: it decides nothing, and names the configuration."""
_INDEX = re.compile(r"-?[0-9]{1,4}")


def flat(section: dict[str, Any], is_value: Callable[[Any], bool] = lambda value: not isinstance(value, dict),
         place: str = "") -> dict[str, Any]:
    """What ``section`` gives, by the dotted names of the fields. ``is_value`` tells a value from a section with fields;
    an empty section is a value. ``place`` is put before names."""
    found: dict[str, Any] = {}
    for name, value in section.items():
        found |= {place + name: value} if is_value(value) or not value else flat(value, is_value, f"{place}{name}.")
    return found


def require_known(names: Iterable[str]) -> None:
    """``ConfigError`` unless ``names`` are fields that a sweep may give together."""
    for name in names:
        _require_known(name)
        inner = next((other for other in names if other.startswith(f"{name}.")), None)
        if inner and name != DEVICE:
            raise ConfigError(f"{name}: given as a whole, and by its field {inner}; give one of the two")


def _require_known(name: str) -> None:
    models: list[type[BaseModel]] = [Experiment]
    place = ""
    for part in name.split(".") if name not in (CONFIG, SAMPLES) else ():
        if place != "layers" or not _INDEX.fullmatch(part):
            known = dict.fromkeys(field for model in models for field in model.model_fields)
            if not place:
                known = dict.fromkeys([CONFIG, SAMPLES, *(field for field in known if field != NAME)])
            if part not in known:
                raise ConfigError(f"{name}: unknown field; {place or 'a sweep'} can give {', '.join(known) or 'none'}")
            models = [section for model in models if part in model.model_fields
                      for section in sections(model.model_fields[part].annotation)]
        place = f"{place}.{part}".lstrip(".")


def applied(fields: dict[str, Any], experiment: Experiment) -> Experiment:
    """``experiment`` with ``fields``, by their dotted names. A device of another kind keeps nothing of the one before,
    and a field of one layer goes before that of all. ``ConfigError`` if that is not valid, or if two names stand for
    the same field of a layer."""
    document, changed, given = experiment.model_dump(), dict[str, Any](), dict[tuple[Any, ...], str]()
    if fields.get("device.kind", experiment.device.kind) != experiment.device.kind:
        document[DEVICE] = {}
    for name in sorted(fields, key=_is_of_a_layer):
        for path in _paths(name, len(experiment.layers)):
            if _is_of_a_layer(name) and (other := given.setdefault(tuple(path), name)) != name:
                raise ConfigError(f"{name}: names the same field as {other}; give one of them")
            section = changed
            for part in path[:-1]:
                section = section.setdefault(part, {})
            section[path[-1]] = fields[name]
    return parse(edited(document, changed), experiment.name)


def value(name: str, experiment: Experiment) -> Any:
    """What ``experiment`` has in the field ``name``. None if it has no such field, or if that differs from layer to
    layer."""
    found = []
    with suppress(ConfigError):
        for path in _paths(name, len(experiment.layers)):
            section: Any = experiment.model_dump(mode="json")
            for part in path:
                section = section.get(part) if isinstance(section, dict) else section[part] if section else None
            found.append(section)
    return found[0] if found and all(each == found[0] for each in found) else None


def _is_of_a_layer(name: str) -> bool:
    """Whether the field ``name`` is that of one layer."""
    first, *rest = name.split(".")
    return first == "layers" and bool(rest) and _INDEX.fullmatch(rest[0]) is not None


def _paths(name: str, layers: int) -> Iterator[list[Any]]:
    """The ways from an experiment of so many ``layers`` to the field ``name``: one, or one for each layer."""
    first, *rest = name.split(".")
    if first != "layers" or not rest:
        yield [first, *rest]
    elif _INDEX.fullmatch(rest[0]):
        index = int(rest[0])
        if not -layers <= index < layers:
            raise ConfigError(f"{name}: there are only the layers 0 to {layers - 1}")
        yield [first, index % layers, *rest[1:]]
    else:
        yield from ([first, index, *rest] for index in range(layers))
