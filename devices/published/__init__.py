"""Devices with published figures: a file each, which says where they come from and how they became figures of Spinloom.

Names are those of the files. What was published, and that the files follow from it, is in the tests
(`tests/devices/published.py`).
"""

from pathlib import Path


def files() -> dict[str, Path]:
    """The files of the published devices by their names."""
    return {file.stem: file for file in sorted(Path(__file__).parent.glob("*.toml"), key=lambda file: file.stem)}
