"""The bank of crossbars that a model has in hardware, and the file that describes it."""

from pathlib import Path
from typing import Any

import torch

from ..config import Cells, Crossbar
from ..contract.bank import banked, narrowed
from ..contract.errors import ConfigError
from ..contract.geometry import CrossbarGeometry
from ..contract.lfsr import numbered
from ..contract.section import Section
from ..contract.window import Window
from ..devices.kinds import section_of
from ..system import files, toml
from .array import Array, ArrayError, arrays, require_arrays
from .formats import INTEGERS

LANES = 16
"""Most columns of an array that hardware works on in each clock cycle, unless given."""


def bank(model: torch.nn.Module, *, lanes: int = LANES) -> tuple[CrossbarGeometry, ...]:
    """The geometries of the bank that ``model`` has in hardware, one for each array. ``ArrayError`` as `to_backend`."""
    return tuple(map(banked, geometries(arrays(model), lanes)))


def save_bank(model: torch.nn.Module, path: str | Path, *, lanes: int = LANES) -> None:
    """Write the TOML file that describes ``bank(model, lanes=lanes)``: ``spinloom estimate``, ``synth`` and
    ``generate`` take it. An older file is replaced as a whole.

    ``ArrayError`` as `to_backend`, or if the model has no arrays; ``ConfigError`` unless the name ends in .toml, and if
    nothing can be written there.
    """
    path, found = Path(path), require_arrays(model)
    if not toml.is_name(path.name):
        raise ConfigError(f"{path}: the name of a bank's file must end in .toml")
    seed, shared = found[0].seed, found[0].formats.cells
    document = {"seed": seed, **_cells(shared), "crossbars": [
        _placed(array, seed, position) | _crossbar(array, geometry) | _cells(array.formats.cells, shared)
        for position, (array, geometry) in enumerate(zip(found, geometries(found, lanes), strict=True))]}
    try:
        files.replace(path, lambda file: file.write(toml.text_of(document).encode()))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def geometries(found: list[Array], lanes: int) -> tuple[CrossbarGeometry, ...]:
    """Those of the arrays ``found`` in hardware."""
    if not isinstance(lanes, int) or lanes < 1:
        raise ArrayError(f"lanes={lanes}: must be at least 1, and a whole number")
    made = []
    for array in found:
        made.append(narrowed(array.geometry, lanes))
        if made[-1].counters != array.crossbar.geometry.counters:
            raise ArrayError(f"array {array.index} is a convolution that fits its map at one position only: "
                             "in hardware that is a Linear")
    return tuple(made)


def _placed(array: Array, seed: int, position: int) -> dict[str, Any]:
    """Seed and number of an array, unless they follow from the ``seed`` of the bank and the ``position``."""
    place = array.seed, array.index
    return {} if place == numbered(seed, position) else dict(zip(("seed", "number"), place, strict=True))


def _crossbar(array: Array, geometry: CrossbarGeometry) -> dict[str, Any]:
    """What the file says of an array, which has ``geometry`` in hardware, and of what drives it."""
    layer, window, x = array.formats.layer, geometry.window, geometry.x
    placing = () if window == Window.dense(window.map, window.cols) else ("kernel", "stride", "padding", "drop")
    fields = {"cols": window.cols, "kind": "conv" if placing else "dense",
              **{name: getattr(window, name) for name in placing},
              "lanes": geometry.lanes, "adcs": geometry.adcs, "bias": layer.bias,
              **{name: getattr(layer, name) for name in INTEGERS}}
    drive = {"map": window.map} if window.map[:2] != (1, 1) else {"count": window.cells}
    return {name: value for name, value in fields.items() if value != Crossbar.model_fields[name].default} | {
        "input": drive | {"kind": x.kind, "bits": x.bits, "frac": x.frac}}


def _cells(cells: Cells, shared: Cells | None = None) -> dict[str, Any]:
    """What the file says of ``cells``: what differs from those that are ``shared``, or else from what goes without
    saying."""
    given: dict[str, Any] = {}
    for name, field in Cells.model_fields.items():
        value = getattr(cells, name)
        if value == (field.default if shared is None else getattr(shared, name)):
            continue
        if name == "device":
            given[name] = section_of(value)
        else:
            given[name] = value.model_dump(exclude_defaults=True) if isinstance(value, Section) else value
    return given
