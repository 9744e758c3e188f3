"""Runs that are killed at random moments, and resumed until they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

KILLS = int(os.environ.get("SPINLOOM_KILLS", "1"))
"""Moments at which each command is killed."""
SEED = int(os.environ.get("SPINLOOM_FUZZ_SEED", "1"))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
SECONDS = 300
"""What an undisturbed run may take at most."""
_PROGRAM = [sys.executable, "-m", "spinloom"]
_PER_RUN = 3
"""Times that one run is killed at most, before it may go on to its end."""


def campaign(name: str, folder: Path, arguments: Callable[[Path], list[str]]) -> None:
    """Run the command that ``arguments`` gives for a folder, once undisturbed; then kill it at ``KILLS`` random
    moments, each followed by the command that ``arguments`` gives then. It must end in the same states."""
    random, killed = Random(f"{name} {SEED}"), 0
    begun = time.monotonic()
    whole = folder / "whole"
    _finish(arguments(whole))
    duration, expected = time.monotonic() - begun, states(whole)
    assert expected
    number = 0
    try:
        while killed < KILLS:
            torn = folder / f"torn{number}"
            number += 1
            for _ in range(min(_PER_RUN, KILLS - killed)):
                kind = random.choice(SIGNALS)
                begun = time.monotonic()
                if _kill(arguments(torn), kind, random.uniform(0.3, 1) * duration):
                    duration = time.monotonic() - begun  # the first run may have built a simulator
                    break
                killed += 1
            _finish(arguments(torn))
            assert states(torn) == expected, f"{torn} differs, {name}, seed {SEED}"
            assert not list(torn.rglob("*.tmp"))
    finally:
        print(f"kill {name}: {killed} moments killed, {number} runs, all states equal to an undisturbed run's, "
              f"seed {SEED}")


def states(folder: Path) -> dict[str, bytes]:
    """The bytes of all arrays of all states in ``folder``, by file and name."""
    found = {}
    for path in sorted(folder.rglob("state.npz")):
        with np.load(path) as file:
            found |= {f"{path.relative_to(folder)} {name}": file[name].tobytes() for name in file}
    return found


def _finish(arguments: list[str]) -> None:
    """Run the program to its end, which must be a success."""
    done = subprocess.run([*_PROGRAM, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, (arguments, done.stderr)


def _kill(arguments: list[str], kind: signal.Signals, seconds: float) -> bool:
    """Start the program, and send it the signal ``kind`` after ``seconds``. Returns whether it had ended by itself.
    Otherwise it must end soon, by the signal or with the status of an interruption."""
    with subprocess.Popen([*_PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _, err = process.communicate(timeout=seconds)
            assert process.returncode == 0, (arguments, err)
            return True
        except subprocess.TimeoutExpired:
            process.send_signal(kind)
            _, err = process.communicate(timeout=60)
    # A signal may come before Python has begun with the program, or after the program has ended.
    assert process.returncode in (-kind, 130, 0), (arguments, kind, err)
    return process.returncode == 0
