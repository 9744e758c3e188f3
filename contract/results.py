"""Results: what each command answers, as data with names, types and units."""

from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Result:
    """The base of all results: frozen dataclasses whose fields say what they hold and in which unit.

    The program's tables, its JSON and reports are all made from these fields.
    """

    old_keys: ClassVar[dict[str, str]] = {}
    """Keys that the JSON had in an earlier version, each with the field that it shows now. They are kept for one
    version."""

    def to_json(self) -> dict[str, Any]:
        """The fields in their order, as what JSON can carry, then the old keys."""
        document = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return document | {old: document[name] for old, name in self.old_keys.items()}


def _plain(value: Any) -> Any:
    """``value`` as dictionaries, lists, text and numbers."""
    if isinstance(value, Result):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value
