"""``python tests/robustness.py LOG... [--document FILE]``: sums up what the fuzzers and the kill tests have told in the
logs of `make fuzz` and `make kill`, and puts the table into a document, between its two marks."""

import re
import sys
from pathlib import Path

BEGIN, END = "<!-- figures: written by make robustness -->\n", "<!-- end of figures -->\n"
_INPUTS = re.compile(r"^(?P<name>.+): (?P<number>\d+) inputs tried(?P<rest>.*)$", re.MULTILINE)
_KILLS = re.compile(r"^kill (?P<name>.+): (?P<number>\d+) moments killed(?P<rest>.*)$", re.MULTILINE)
_ENDED = re.compile(r"(\d+) failed|(\d+) error")


def table(texts: list[str]) -> str:
    """The table in Markdown. ``SystemExit`` if a log tells of a failure, or of nothing at all."""
    rows = ["| what | tried | outcome |", "|---|--:|---|"]
    for text in texts:
        if _ENDED.search(text.rstrip().splitlines()[-1] if text.strip() else "1 error"):
            raise SystemExit("a log tells of failures: there is nothing to put into a table")
        rows += [f"| inputs of {found['name']} | {int(found['number']):,} | a result or one line: all"
                 f"{found['rest']} |" for found in _INPUTS.finditer(text)]
        rows += [f"| kills of {found['name']} | {int(found['number']):,} | resumed to equal states: all"
                 f"{found['rest'].replace(', all states equal to an undisturbed run' + chr(39) + 's', '')} |"
                 for found in _KILLS.finditer(text)]
    if len(rows) == 2:
        raise SystemExit("the logs tell of nothing that was tried")
    return "\n".join(rows) + "\n"


def main(arguments: list[str]) -> None:
    document = None
    if "--document" in arguments:
        place = arguments.index("--document")
        document = Path(arguments[place + 1])
        arguments = arguments[:place] + arguments[place + 2:]
    figures = table([Path(log).read_text(encoding="utf-8") for log in arguments])
    print(figures, end="")
    if document is not None:
        before, rest = document.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        document.write_text(f"{before}{BEGIN}{figures}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
