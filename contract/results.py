"""Results: what each command answers, as data with names, types and units."""

from dataclasses import dataclass, fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Self

from .errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Result:
    """The base of all results: frozen dataclasses whose fields say what they hold and in which unit.

    The program's tables, its JSON and reports are all made from these fields.
    """

    old_keys: ClassVar[dict[str, str]] = {}
    """Keys that the JSON had in an earlier version, each with the field that it shows now. They are kept for one
    version."""

    def to_json(self) -> dict[str, Any]:
        """The fields in their order, as what JSON can carry, then the old keys. A number that is not finite is None."""
        document = {field.name: plain(getattr(self, field.name)) for field in fields(self)}
        return document | {old: document[name] for old, name in self.old_keys.items()}

    @classmethod
    def from_json(cls, document: Any, name: str) -> Self:
        """The result whose ``to_json`` gave ``document``, in this version or the one before. ``ConfigError``, in one
        line that begins with ``name``, if a field is missing or of another type. Keys that are no field are ignored."""
        from pydantic import TypeAdapter, ValidationError  # only needed to read

        if isinstance(document, dict):
            document = {field: document[old] for old, field in cls.old_keys.items() if old in document} | document
        try:
            return TypeAdapter(cls).validate_python(document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ConfigError(f"{name}: {place + ': ' if place else ''}{first['msg']}") from None


def plain(value: Any) -> Any:
    """``value`` as dictionaries, lists, text and numbers; of these, None for what is not finite."""
    if isinstance(value, Result):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
