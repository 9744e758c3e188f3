"""Tables of plain text, for terminals."""

from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any
from unicodedata import east_asian_width

from ..contract.errors import one_line


def table(rows: Mapping[str, Any]) -> str:
    """A line a row: its name, and its value behind."""
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def columns(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a row, under the names of the columns, which are the keys of the first row; numbers to the right."""
    cells = [[_cell(value) for value in row.values()] for row in rows]
    names = list(rows[0]) if rows else []
    widths = [max(len(line[index]) for line in [names, *cells]) for index in range(len(names))]
    right = [isinstance(value, int | float) for value in (rows[0].values() if rows else ())]
    return "\n".join("  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in
                               zip(line, widths, right, strict=True)).rstrip() for line in [names, *cells])


def si(value: float, unit: str) -> str:
    """A quantity with the prefix with which it is easiest to read."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0), ("m", 1e-3), ("u", 1e-6),
                         ("n", 1e-9)):
        if value >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value / 1e-12:.3g} p{unit}"


def cut(text: str, most: int) -> str:
    """``text`` in one printable line of at most ``most`` columns, of which wide letters (of Chinese, say) take
    two; the last one is an ellipsis if some are left out."""
    line = one_line(text[:4 * most])
    ends = list(accumulate(2 if east_asian_width(letter) in "WF" else 1 for letter in line))
    if len(text) <= 4 * most and (not ends or ends[-1] <= most):
        return line
    return line[:bisect(ends, most - 1)] + "…"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
