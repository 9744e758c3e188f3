"""Tables in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[int] = ()) -> str:
    """A table with the columns ``header``, of which those with the numbers ``right``, from 0, stand to the right. Lines
    end in a line feed, but for the last one."""
    to_right = set(right)
    rule = ["--:" if index in to_right else "---" for index in range(len(header))]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [header, rule, *rows])
