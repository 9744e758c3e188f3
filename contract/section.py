"""The sections of TOML files: the base class of what describes experiments, devices and costs."""

import re
from typing import Any
from unicodedata import category

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

LARGEST = 1e12
"""Largest magnitude of a figure: products of a few such figures stay finite."""
MOST_FIGURES = 4096
"""Longest list of figures."""


class Section(BaseModel):
    """A section: no other fields than its own, each of its own type.

    Texts are no numbers, and numbers are no truth values. Every figure lies in -``LARGEST`` to
    ``LARGEST``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _tuples(cls, section: Any) -> Any:
        """Lists, as files have them, are tuples here."""
        if not isinstance(section, dict):
            return section
        return {name: tuple(value) if isinstance(value, list) else value for name, value in section.items()}

    @field_validator("*")
    @classmethod
    def _bounded(cls, value: Any) -> Any:
        figures = value if isinstance(value, tuple) else (value,)
        if len(figures) > MOST_FIGURES:
            raise ValueError(f"has {len(figures)} values, at most {MOST_FIGURES} are possible")
        if isinstance(value, str) and any(category(letter) in ("Cc", "Cs") for letter in re.sub(r"[\n\t]", "", value)):
            raise ValueError("must not contain control characters")
        for figure in figures:
            if isinstance(figure, float) and abs(figure) > LARGEST:
                raise ValueError(f"must lie in {-LARGEST:g} to {LARGEST:g}")
        return value
