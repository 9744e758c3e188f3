"""Runs what a mutant may crash, or keep from ending, in a process of its own."""

import os
import select
import signal
import threading
from collections.abc import Callable


def apart(work: Callable[[], str | None], name: str, patience: float) -> str | None:
    """What ``work`` returns in a copy of this process: None, or a text, of which 4,000 bytes count. If the copy
    crashes, or has not ended after ``patience`` seconds, a text that says so of ``name``, a plural. It is then
    killed, with what it has started; also when this process ends."""
    reader, writer = os.pipe()
    life, held = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        os.close(held)
        threading.Thread(target=_end_with, args=(life,), daemon=True).start()
        try:
            said = work()
        except BaseException as error:  # whatever it is, the mutant has caused it
            said = type(error).__name__
        os.write(writer, (said or "-").encode()[:4000])
        os._exit(0)
    os.close(writer)
    os.close(life)
    try:
        ready, _, _ = select.select([reader], [], [], patience)
        said = os.read(reader, 4096).decode() if ready else ""
        if not ready:
            os.killpg(child, signal.SIGKILL)
    finally:
        os.close(reader)
        os.close(held)
        os.waitpid(child, 0)
    if not said:
        return f"{name} crash" if ready else f"{name} do not end"
    return None if said == "-" else said


def _end_with(life: int) -> None:
    """End this process and what it has started when the other end of the pipe ``life`` is closed."""
    os.read(life, 1)
    os.killpg(os.getpid(), signal.SIGKILL)
