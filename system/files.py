"""Files that appear complete or not at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write the file ``path``: ``write`` fills a temporary file beside it, opened in binary mode, which then takes its
    place. Whenever the process is killed, ``path`` holds the old content or the new one as a whole."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path: Path, document: Any) -> None:
    """Write ``document`` as indented JSON, as ``replace`` does."""
    replace(path, lambda file: file.write((json.dumps(document, indent=2) + "\n").encode()))
