"""Every kind of device. A new kind is a file and its class in ``KINDS``."""

from collections.abc import Iterable, Iterator
from functools import reduce
from inspect import isabstract
from operator import or_
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from ..contract.errors import ConfigError, key, shown
from ..contract.section import Section
from ..system import toml
from . import published
from .domain_wall import DomainWallDevice
from .ideal import IdealDevice
from .incremental import IncrementalDevice
from .measured import MeasuredDevice
from .mtj import MtjDevice
from .pcm_pair import PcmPairDevice
from .specification import Device

ONE, MANY = "float", "tuple[float, ...]"
"""How pydantic names the two forms of ``PerState``."""


def _by_name(*kinds: type[Device]) -> dict[str, type[Device]]:
    for kind in kinds:
        if isabstract(kind):
            raise TypeError(f"{kind.__name__} lacks {', '.join(sorted(kind.__abstractmethods__))}")
    return {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in kinds}


KINDS = _by_name(IdealDevice, DomainWallDevice, IncrementalDevice, PcmPairDevice, MtjDevice, MeasuredDevice)
"""Every kind of device, by the name that its section gives as ``kind``."""

if TYPE_CHECKING:
    AnyDevice = Device
else:
    AnyDevice = Annotated[reduce(or_, KINDS.values()), Field(discriminator="kind")]
    """As the type of a field of a configuration: a section of the kind that it names."""


class _DeviceFile(Section):
    device: AnyDevice


def filled(section: dict[str, Any]) -> dict[str, Any]:
    """The fields of a ``section`` as a user gives it. Its ``kind`` may be the name of a published device, which then
    has its own figures where the section gives no others."""
    files, kind = published.files(), section.get("kind")
    if not isinstance(kind, str) or kind not in files:
        return section
    return toml.read(files[kind]) | {name: value for name, value in section.items() if name != "kind"}


def parse_device(section: dict[str, Any], name: str) -> Device:
    """A device from the fields of the ``section`` ``device`` in ``name``, as ``filled`` takes it; ``ConfigError`` in
    one line if it is not valid."""
    try:
        return _DeviceFile.model_validate({"device": filled(section)}).device
    except ValidationError as error:
        raise ConfigError(explain(error, name, _DeviceFile)) from None


def section_of(device: Device) -> dict[str, Any]:
    """The fields of a section from which ``device`` is made. Those at their default are left out, but for those of
    size."""
    defaults = parse_device({"kind": device.kind}, device.kind).model_dump(mode="json")
    return {"kind": device.kind} | {name: "none" if value is None else _given(value)
                                    for name, value in device.model_dump(mode="json").items()
                                    if name in ("states", "sub_bits") or value != defaults[name]}


def _given(value: Any) -> Any:
    """``value``; of a section, what is given of it."""
    return {name: entry for name, entry in value.items() if entry is not None} if isinstance(value, dict) else value


def device(kind: str, **fields: Any) -> Device:
    """The device of ``kind``, or the published device of that name, with these ``fields``; ``ConfigError`` in one line
    if it is not valid."""
    return parse_device({"kind": kind} | fields, "device")


def random_section(random: Random, kind: str) -> dict[str, Any]:
    """A valid section ``device`` of ``kind``: every field drawn, extremes included."""
    return {"kind": kind} | KINDS[kind].random_section(random)


def explain(error: ValidationError, name: str, section: type[BaseModel]) -> str:
    """The first of the errors in ``name``, which is no ``section``, in one line that names field and value."""
    first, *others = error.errors()
    if first["loc"][-1:] == (ONE,) and isinstance(first["input"], list | tuple):
        first = others[0]  # of the two that one figure, or many, may be: what was given
    loc = [part for part in first["loc"] if part not in (ONE, MANY)]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{key(part)}" for part in loc).lstrip(".")
    value = first["input"]
    if first["type"] == "value_error" and isinstance(value, tuple) and not any(
            isinstance(entry, dict | BaseModel) for entry in value):
        given = f"={shown(list(value))}"
    else:
        given = "" if isinstance(value, dict | list | tuple | BaseModel) else f"={shown(value)}"
    return f"{name}: {place + given + ': ' if place else ''}{_message(first, section)}"


def _message(error: ErrorDetails, section: type[BaseModel]) -> str:
    """What is wrong with the value of a field."""
    match error["type"]:
        case "union_tag_not_found":
            return f"kind is missing; it must be one of {', '.join(KINDS)}"
        case "union_tag_invalid":
            return f"kind={shown(error['ctx']['tag'])}: must be one of {error['ctx']['expected_tags']}"
        case "extra_forbidden":
            return f"unknown field; allowed are {', '.join(_fields(section, error['loc']))}"
        case "model_type" | "model_attributes_type":
            return "must be a section, with fields of its own"
        case "tuple_type":
            return "must be a list"
    return error["msg"].removeprefix("Value error, ")


def _fields(section: type[BaseModel], place: tuple[int | str, ...]) -> Iterable[str]:
    """The fields of the section that the last element of ``place`` is in, on the way from ``section``."""
    for part in place[:-1]:
        if part in KINDS:
            section = KINDS[str(part)]
        elif isinstance(part, str):
            section = next(sections(section.model_fields[part].annotation))
    return section.model_fields


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field of the type ``annotation`` may hold, or may hold several of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from sections(part)
