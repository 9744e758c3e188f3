"""The cache of what was built. Entries are named by the digest of whatever they were built from.

Verilator's own library takes two thirds of the build of a small design. Its objects are kept and lent to every build
with the same options.
"""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...system.temporary import temporary_folder


def digest(recipe: list[Any]) -> str:
    """The name of what is built by ``recipe``, which JSON can carry."""
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:24]


def publish(temporary: Path, folder: Path) -> None:
    """Move a complete temporary folder to where others look for it, unless somebody else was faster."""
    with suppress(OSError):
        temporary.rename(folder)


def lend_runtime(runtime: Path, build: Path) -> None:
    """Copy the objects of Verilator's library from ``runtime``, if they are there, to the folder of a build."""
    if runtime.is_dir():
        shutil.copytree(runtime, build, dirs_exist_ok=True, copy_function=shutil.copyfile)


def keep_runtime(build: Path, runtime: Path) -> None:
    """Keep the objects of Verilator's library that a build has compiled, unless they are there."""
    if runtime.is_dir():
        return
    with temporary_folder("build-", runtime.parent) as objects:
        for compiled in build.glob("verilated*.o"):
            shutil.copyfile(compiled, objects / compiled.name)
        publish(objects, runtime)
