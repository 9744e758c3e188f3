"""What a field is drawn from: a list of values, or a range of numbers."""

import json
from math import exp, floor, log
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from ...contract.errors import ConfigError, shown
from ...contract.section import LARGEST, Section
from ...devices.kinds import explain

Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


class Range(Section):
    """Numbers from one to another, both possible. If both are whole, so are all."""

    lowest: int | Number = Field(alias="from")
    highest: int | Number = Field(alias="to")
    log: bool = False
    """Whether equal ratios are equally likely, instead of equal differences."""

    @classmethod
    def of(cls, name: str, section: dict[str, Any]) -> Self:
        """The range that the field ``name`` is given. ``ConfigError`` in one line if it is none."""
        try:
            return cls.model_validate(section)
        except ValidationError as error:
            raise ConfigError(explain(error, name, cls)) from None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.lowest < self.highest:
            raise ValueError(f"from={self.lowest}, to={self.highest}: is empty; from must be less than to")
        if self.log and self.lowest <= 0:
            raise ValueError(f"from={self.lowest}: a range with log must begin above 0")
        return self

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return isinstance(self.lowest, int) and isinstance(self.highest, int)

    def at(self, share: float) -> float:
        """The number at ``share``, in [0, 1), of the range."""
        low, high = self.lowest, self.highest + self.whole
        value = exp(log(low) + share * (log(high) - log(low))) if self.log else low + share * (high - low)
        return min(max(floor(value) if self.whole else value, self.lowest), self.highest)


def is_choice(value: Any) -> bool:
    """Whether ``value``, of a section of fields, is what one field is drawn from."""
    return not isinstance(value, dict) or "from" in value or "to" in value


def require_values(name: str, values: Any) -> None:
    """``ConfigError`` unless ``values``, which the field ``name`` is given, are a list that is not empty, without
    repetitions."""
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{name}={shown(values)}: must be a list of at least one value")
    texts = [label(value) for value in values]
    for text in texts:
        if texts.count(text) > 1:
            raise ConfigError(f"{name}: has {text} twice")


def label(value: Any) -> str:
    """``value`` as a text that tells it from others."""
    return json.dumps(value, separators=(",", ":"), default=str)
