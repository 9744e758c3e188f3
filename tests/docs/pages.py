"""Pages of the documentation as programs: their code blocks are run in order, as a reader would.

A block is known by what stands behind its fence:

| ``python`` | is executed, with the names of the blocks before it |
| ``console`` | lines that begin with ``$ spinloom`` or ``$ python`` are run; what follows them must be what they print,
  with ``...`` for times |
| ``text`` | what the block before it must have printed |
| ``python slow`` | is executed with the commands only |
| ``diff FILE`` | a change to this file of the package, in places that ``@@`` divides |
| any language with ``FILE`` | a new file: of the package if it has a folder, else where the page is run |

Anything else is only shown. Of changes to the package, which are made in a copy, only commands know.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from typing import NamedTuple

import spinloom

PACKAGE = Path(spinloom.__file__).parent
DOCS = PACKAGE / "docs"


class Block(NamedTuple):
    language: str
    file: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    return [Block(*found) for found in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", page.read_text(), re.M | re.S)]


class Reader:
    """Does what a page says, in ``folder``."""

    def __init__(self, page: Path, folder: Path, *, commands: bool) -> None:
        """``commands`` says whether those of ``console`` are run; they take longest."""
        self.page, self.folder, self.commands = page, folder, commands
        self._names: dict = {"__name__": page.stem}
        self._printed: str | None = ""
        self._packages = folder / "packages"
        self._packages.mkdir()
        (self._packages / "spinloom").symlink_to(PACKAGE, target_is_directory=True)

    def read(self) -> None:
        """Run every block; an ``AssertionError`` if one prints something else than the page shows."""
        with contextlib.chdir(self.folder):
            for block in blocks(self.page):
                self._do(block)

    def _do(self, block: Block) -> None:
        if block.file == "slow" and not self.commands:
            self._printed = None
        elif block.language == "diff":
            file = self._copied() / block.file
            file.write_text(changed(file.read_text(), block.text))
        elif block.file not in ("", "slow"):
            (self._copied() if "/" in block.file else self.folder).joinpath(block.file).write_text(block.text)
        elif block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(block.text, self.page.name, "exec"), self._names)
            self._printed = printed.getvalue()
        elif block.language == "console":
            for command, shown in re.findall(r"^\$ ((?:spinloom|python) .*)\n((?:[^$].*\n|\n)*)", block.text, re.M):
                if self.commands:
                    printed = self._command(command)
                    assert OutputChecker().check_output(shown, printed, ELLIPSIS), f"{command}\n{printed}"
        elif block.language == "text":
            assert self._printed in (block.text, None), self._printed

    def _command(self, command: str) -> str:
        """What a command prints on standard output, or else on standard error."""
        program, *arguments = shlex.split(command)
        done = subprocess.run([sys.executable, *(["-m", program] if program == "spinloom" else []), *arguments],
                              env=os.environ | {"PYTHONPATH": str(self._packages)}, text=True, capture_output=True,
                              check=False, timeout=600)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout or done.stderr

    def _copied(self) -> Path:
        """A copy of the package, in the place of the package."""
        package = self._packages / "spinloom"
        if package.is_symlink():
            package.unlink()
            shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("build", "runs", ".*", "__pycache__"))
        return package


def changed(text: str, difference: str) -> str:
    """``text`` after a ``difference``, whose lines begin with a blank, ``-`` or ``+``; each of its parts fits one place
    only."""
    for part in re.split(r"^@@.*\n", difference, flags=re.M):
        before, after = ("".join(line[1:] + "\n" for line in part.splitlines() if line[:1] != sign) for sign in "+-")
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text
