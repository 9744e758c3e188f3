"""What the integers of a layer look like, and what its cells are: all that its geometry follows from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2, sqrt
from typing import Any, Self

from pydantic import ValidationError

from ..config import Cells, Layer, load_device
from ..contract.errors import ConfigError, key, shown
from ..contract.formats import ActivationFormat
from ..contract.geometry import CrossbarGeometry
from ..contract.window import Window
from ..devices.kinds import KINDS, explain

TERNARY = ActivationFormat(kind="ternary", bits=2, frac=0)
"""-1, 0 and 1."""
INTEGERS = ("weight_step", "z_bits", "z_frac", "delta_bits", "delta_frac", "chi_bits", "chi_frac", "rate_offset")
"""The fields of a layer of an experiment that a layer here has too."""
DRIVES: tuple[Any, ...] = ("unsigned", "signed", "ternary")
"""Kinds of drives, by their numbers in a state."""
CELLS = tuple(Cells.model_fields)
"""Likewise, those of an experiment."""
Z_FRAC = 6
"""The ``z_frac`` of a layer, and the fraction bits of neurons, unless given: activations of 8 bits cover [0, 4)."""


def unsigned(bits: int = 8, frac: int | None = None) -> ActivationFormat:
    """The format of drives ``0 .. 2**bits - 1``, with ``frac`` fraction bits: from 0 to 1 unless given."""
    return _format("unsigned", 1, bits, bits if frac is None else frac)


def signed(bits: int = 8, frac: int | None = None) -> ActivationFormat:
    """The format of drives ``-2**(bits-1) .. 2**(bits-1) - 1``, with ``frac`` fraction bits: from -1 to 1 unless
    given."""
    return _format("signed", 2, bits, bits - 1 if frac is None else frac)


def _format(kind: Any, least: int, bits: int, frac: int) -> ActivationFormat:
    if bits not in range(least, 13):
        raise ConfigError(f"bits={shown(bits)}: {kind} drives have {least} to 12")
    if frac not in range(-16, 25):
        raise ConfigError(f"frac={shown(frac)}: must be -16 to 24")
    return ActivationFormat(kind=kind, bits=bits, frac=frac)


@dataclass(frozen=True, kw_only=True)
class Formats:
    """The formats of a layer, and its cells."""

    layer: Layer
    """Columns, bias and integers. Of an experiment's layer, nothing else counts here."""
    cells: Cells
    drive: ActivationFormat | None
    """Of the rows. None as long as it is open: the first forward pass settles it."""
    z_frac_given: bool
    """Whether ``z_frac`` must stay as it is."""

    @classmethod
    def of(cls, window: Window, bias: bool, *, drive: ActivationFormat | None = None, **given: Any) -> Self:
        """Those of a layer that is applied to ``window``. ``given`` are fields of ``INTEGERS`` and ``CELLS``;
        ``device`` must be there: a device, or what names one (`config.load_device`).

        Unless given, ``weight_step`` is what suits the number of rows, ``z_frac`` is ``Z_FRAC``, or less if column sums
        have no more fraction bits, and other fields are as in an experiment. ``ConfigError`` names the field that is
        wrong.
        """
        for name in given:
            if name not in CELLS + INTEGERS:
                raise ConfigError(f"{key(name)}={shown(given[name])}: unknown format; allowed are drive, "
                                  f"{', '.join(CELLS + INTEGERS)}")
        if "device" not in given:
            raise ConfigError(f"device is missing: give one, such as device=\"domain_wall\"; kinds are "
                              f"{', '.join(KINDS)}")
        if drive is not None and not isinstance(drive, ActivationFormat):
            raise ConfigError(f"drive={shown(drive)}: must be a format, such as spinloom.nn.signed(8)")
        if isinstance(given["device"], str):
            given["device"] = load_device(given["device"])
        integers = {"weight_step": suitable_step(window.inputs + bias), "z_frac": Z_FRAC} | {
            name: value for name, value in given.items() if name in INTEGERS}
        cells = {name: value for name, value in given.items() if name in CELLS}
        made = cls(layer=_section(Layer, {"cols": window.cols, "bias": bias} | integers), cells=_section(Cells, cells),
                   drive=None, z_frac_given="z_frac" in given)
        return made.driven(drive) if drive else made

    def driven(self, drive: ActivationFormat) -> Self:
        """These, with the ``drive``. Unless it was given, ``z_frac`` falls to the fraction bits of column sums."""
        layer, finest = self.layer, drive.frac + self.cells.tables.sub_bits - self.layer.weight_step
        if not self.z_frac_given and layer.z_frac > finest:
            layer = layer.model_copy(update={"z_frac": finest})
        return replace(self, drive=drive, layer=layer)

    @property
    def x(self) -> ActivationFormat:
        """The format of the drive: ``unsigned()`` as long as it is open."""
        return self.drive or unsigned()

    def geometry(self, window: Window, seed: int, index: int) -> CrossbarGeometry:
        """The geometry of the array ``index`` of the master ``seed``, applied to ``window``. The smallest of its
        learning rate shifts is the smallest that is possible. ``ConfigError`` if the formats contradict."""
        return self.cells.alone(self.layer, seed, index, window, self.x)

    @property
    def numbers(self) -> list[int]:
        """As a state has them: kind, width and fraction bits of the drive, kind -1 if it is open, and ``INTEGERS``."""
        drive = [-1, 0, 0] if self.drive is None else [DRIVES.index(self.drive.kind), self.drive.bits, self.drive.frac]
        return [*drive, *(getattr(self.layer, name) for name in INTEGERS)]

    def of_numbers(self, numbers: Sequence[int]) -> Self:
        """These, but with the ``numbers`` of others; ``ConfigError`` if no array can have them."""
        if len(numbers) != 3 + len(INTEGERS) or numbers[0] not in range(-1, len(DRIVES)):
            raise ConfigError(f"formats={shown(numbers)}: not those of an array; the file may be damaged")
        kind, bits, frac, *integers = numbers
        drive = None if kind < 0 else TERNARY if DRIVES[kind] == "ternary" else _format(
            DRIVES[kind], 1 + (DRIVES[kind] == "signed"), bits, frac)
        layer = _section(Layer, self.layer.model_dump() | dict(zip(INTEGERS, integers, strict=True)))
        return replace(self, drive=drive, layer=layer)

    def __str__(self) -> str:
        """In short: ``drive=unsigned8.8, weight_step=-4, z=10.8, delta=9.8, chi=16.12``, widths and fraction bits."""
        layer = self.layer
        return (f"drive={described(self.x)}, weight_step={layer.weight_step}, "
                f"z={layer.z_bits}.{layer.z_frac}, delta={layer.delta_bits}.{layer.delta_frac}, "
                f"chi={layer.chi_bits}.{layer.chi_frac}")


def described(drive: ActivationFormat) -> str:
    """The format of a drive in short: ``unsigned8.6``, width and fraction bits."""
    return f"{drive.kind}{drive.bits}.{drive.frac}"


def suitable_step(rows: int) -> int:
    """A ``weight_step`` with which the column sums of ``rows`` rows neither vanish nor grow: a level is about
    ``1.5 / sqrt(rows)``."""
    return round(log2(1.5 / sqrt(rows)))


def _section(kind: Any, fields: dict[str, Any]) -> Any:
    """A section of ``fields``; ``ConfigError`` in one line if they are not valid."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(explain(error, "formats", kind)) from None
