"""The types of options and arguments: what is nonsense is refused in one line before anything is done."""

import re
from math import isfinite
from typing import Any

import click

from ..config import MAX_EPOCHS, MAX_SEED
from ..contract.errors import SHOWN, shown

MAX_SAMPLES = 100_000_000
"""More than any data set that is trained on here has."""


class _Bounded(click.ParamType):
    """A plain decimal number within bounds."""

    pattern: re.Pattern[str]

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):  # a default
            return value
        number = self._number(value) if self.pattern.fullmatch(value) else None
        if number is None or not self.minimum <= number <= self.maximum:
            raise click.UsageError(f"{_name(param)}={_bare(value)}: must be {self.name} from "
                                   f"{self._text(self.minimum)} to {self._text(self.maximum)}", ctx)
        return number

    def _number(self, text: str) -> Any:
        raise NotImplementedError

    def _text(self, bound: float) -> str:
        raise NotImplementedError


class Whole(_Bounded):
    """A whole number from ``minimum`` to ``maximum``, in decimal digits."""

    name = "a whole number"
    pattern = re.compile(r"[+-]?[0-9]{1,40}")

    def _number(self, text: str) -> int:
        return int(text)

    def _text(self, bound: float) -> str:
        return f"{bound:,}"


class Real(_Bounded):
    """A number from ``minimum`` to ``maximum``, as a decimal fraction, also with an exponent."""

    name = "a number"
    pattern = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")

    def _number(self, text: str) -> float | None:
        number = float(text)
        return number if isfinite(number) else None

    def _text(self, bound: float) -> str:
        return f"{bound:g}"


class Text(click.ParamType):
    """A text that is not empty and holds no null character: names and paths."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            raise click.UsageError(f"{_name(param)}: must not be empty", ctx)
        if "\0" in value:
            raise click.UsageError(f"{_name(param)}={shown(value)}: must not contain a null character", ctx)
        return value


class Printable(click.ParamType):
    """A short text that stands in files and tables; it may be empty."""

    name = "text"
    longest = 40

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if len(value) > self.longest or not value.isprintable():
            raise click.UsageError(f"{_name(param)}={shown(value)}: must be at most {self.longest} characters that can "
                                   "be printed", ctx)
        return value


PRINTABLE = Printable()
EPOCHS, SEED, SAMPLES = Whole(1, MAX_EPOCHS), Whole(0, MAX_SEED), Whole(1, MAX_SAMPLES)


def require_text(command: click.Command) -> None:
    """Make every option and argument of ``command`` that takes a text, and of its subcommands, take a `Text`."""
    for param in command.params:
        if isinstance(param.type, click.types.StringParamType):
            param.type = Text()
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        require_text(below)


def _bare(text: str) -> str:
    """``text`` as it was typed, if it can be shown so."""
    return text if text.isprintable() and len(text) <= SHOWN else shown(text)


def _name(param: click.Parameter | None) -> str:
    """How a user names an option or an argument."""
    return "" if param is None else param.opts[0] if isinstance(param, click.Option) else param.human_readable_name
