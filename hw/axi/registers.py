"""The registers that a host sees. Of one table are made the hardware, the register map for people, the C header and the
Python constants."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from amaranth.hdl import Shape
from amaranth.lib import data, enum

WORD_BITS = 32
ADDRESS_BITS = 12
"""Width of an address in bytes: the registers have a page of 4 KiB to themselves."""
POP_VALID = WORD_BITS - 1
"""Bit of a word read from a ``POP`` register that tells a beat from nothing."""


class Access(Enum):
    """What reads and writes of a register do. All others are refused (``SLVERR``) and do nothing."""

    CONSTANT = "constant", "reads answer with a constant of the design"
    READ = "read", "reads answer with what the hardware says"
    WRITE = "read, write", "a write replaces the bytes that its strobes name; reads answer with the present value"
    PUSH = "push", "a write, of all bytes, is a beat for the hardware; it is refused while the one before waits"
    POP = "pop", f"a read takes a beat and answers with it, bit {POP_VALID} set, or with 0 if there is none"

    def __init__(self, label: str, meaning: str) -> None:
        self.label = label
        self.meaning = meaning


@dataclass(frozen=True, kw_only=True)
class Register:
    """One word of the map. ``ValueError`` unless its layout fits."""

    offset: int
    """Address in bytes."""
    name: str
    access: Access
    layout: data.StructLayout
    """The fields, from bit 0 on."""
    meaning: str
    value: dict[str, int] = field(default_factory=dict)
    """By field: what a ``CONSTANT`` is, and what a ``WRITE`` register holds after a reset, if not 0."""

    def __post_init__(self) -> None:
        room = POP_VALID if self.access is Access.POP else WORD_BITS
        if self.layout.size > room:
            raise ValueError(f"register {self.name}: its fields have {self.layout.size} bits, at most {room} fit")
        if self.offset % (WORD_BITS // 8) or not 0 <= self.offset < 1 << ADDRESS_BITS:
            raise ValueError(f"register {self.name}: offset={self.offset:#x} must be a multiple of {WORD_BITS // 8} "
                             f"below {1 << ADDRESS_BITS:#x}")

    @property
    def bits(self) -> int:
        """``value`` as a word."""
        return self.layout.const(self.value).as_value().value

    def fields(self) -> Iterator[tuple[str, int, Shape, enum.EnumMeta | None]]:
        """Name, offset, shape and encoding of every field."""
        for name, place in self.layout:
            yield name, place.offset, Shape.cast(place.shape), (
                place.shape if isinstance(place.shape, enum.EnumMeta) else None)


def pushed(offset: int, name: str, layout: data.StructLayout, meaning: str) -> tuple[Register, ...]:
    """The registers of a beat to send: ``name``, whose write sends it, and ``<name>_high`` for what does not fit."""
    if layout.size <= WORD_BITS:
        return Register(offset=offset, name=name, access=Access.PUSH, layout=layout, meaning=meaning),
    low, high = (data.StructLayout({part: width}) for part, width in
                 (("low", WORD_BITS), ("high", layout.size - WORD_BITS)))
    return (Register(offset=offset, name=name, access=Access.PUSH, layout=low,
                     meaning=f"{meaning}: bits {WORD_BITS - 1}:0; the others are those of `{name}_high`"),
            Register(offset=offset + 4, name=f"{name}_high", access=Access.WRITE, layout=high,
                     meaning=f"bits from {WORD_BITS} on of what is written to `{name}` next"))


def popped(offset: int, name: str, width: int, meaning: str) -> tuple[Register, ...]:
    """The registers of a beat to take: ``name``, whose read takes it, and ``<name>_high`` for what does not fit."""
    low, high = (data.StructLayout({part: bits}) for part, bits in (("low", POP_VALID), ("high", width - POP_VALID)))
    return (Register(offset=offset, name=name, access=Access.POP, layout=low,
                     meaning=f"{meaning}: bits {POP_VALID - 1}:0"),
            Register(offset=offset + 4, name=f"{name}_high", access=Access.READ, layout=high,
                     meaning=f"bits from {POP_VALID} on of what was read from `{name}` last"))


def check(registers: tuple[Register, ...]) -> None:
    """``ValueError`` if two registers share a name or an offset."""
    for what in ("name", "offset"):
        seen = set()
        for register in registers:
            value = getattr(register, what)
            if value in seen:
                raise ValueError(f"register {register.name}: {what}={value!r} is taken")
            seen.add(value)


def summary(registers: tuple[Register, ...]) -> list[tuple]:
    """The rows of a table: offset, name, access, meaning."""
    return [(f"`{register.offset:#05x}`", f"`{register.name}`", register.access.label, register.meaning)
            for register in registers]


def constants(registers: tuple[Register, ...], prefix: str) -> list[tuple[str, int, str]]:
    """Name, value and meaning of every constant that a driver needs: the offset of each register, the position and mask
    of each field, the value of each item of an encoding, and the word of each constant of the design."""
    found = [(f"{prefix}_SIZE", 1 << ADDRESS_BITS, "bytes of address space")]
    encodings: dict[str, enum.EnumMeta] = {}
    for register in registers:
        name = f"{prefix}_{register.name.upper()}"
        found.append((name, register.offset, f"{register.access.label}: {register.meaning}"))
        for label, offset, shape, encoding in register.fields():
            found += [(f"{name}_{label.upper()}_SHIFT", offset, ""),
                      (f"{name}_{label.upper()}_MASK", (1 << shape.width) - 1 << offset, "")]
            if encoding is not None:
                encodings[label] = encoding
        if register.access is Access.POP:
            found.append((f"{name}_VALID_MASK", 1 << POP_VALID, "a beat was taken"))
        if register.access is Access.CONSTANT:
            found.append((f"{name}_VALUE", register.bits, ""))
    for label, encoding in encodings.items():
        found += [(f"{prefix}_{label.upper()}_{item.name}", item.value, "") for item in encoding]
    return found


def c_header(registers: tuple[Register, ...], prefix: str) -> str:
    """The constants as a C header."""
    guard = f"{prefix}_REGISTERS_H"
    lines = [f"#define {name} {value:#x}u" + (f" /* {meaning} */" if meaning else "")
             for name, value, meaning in constants(registers, prefix)]
    return "\n".join([f"#ifndef {guard}", f"#define {guard}", "", *lines, "", f"#endif /* {guard} */"]) + "\n"


def python_module(registers: tuple[Register, ...], title: str) -> str:
    """The constants as a Python module, named without a prefix."""
    lines = [f"{name.removeprefix('_')} = {value:#x}" + (f"  # {meaning}" if meaning else "")
             for name, value, meaning in constants(registers, "")]
    return "\n".join([f'"""{title}"""', "", *lines]) + "\n"
