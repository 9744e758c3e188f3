"""Samples in the memory of a system on chip: the registers of a network that trains from it, and the way there."""

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ..store.access import access_layout
from ..store.feeder import feed_layout, report_layout
from ..store.memory import MemoryInterface
from .drain import Drain
from .lite import Response
from .read_master import AxiReadMemory, AxiReadSignature
from .registers import WORD_BITS, Access, Register, popped

AXI_ADDRESS_BITS = 64
"""Of addresses on ``m_axi``. A system connects as many of the low bits as it has."""
AXI_DATA_BITS = 64
"""Of a beat on ``m_axi``."""
Sizes = tuple[int, int]
"""Bits of the address of a word of the memory, and most samples of a set: `config.Store.sizes`."""

STATUS = ("feed_free", "access_free", "report_valid", "crc_valid")
"""What the register ``status`` says besides."""
CRC = "crc"
"""The register of the stream ``digest``: the register of that name tells designs apart."""
FEED = {
    "base": "word of the memory at which the set begins",
    "count": "samples of the set",
    "first": "place of the first sample in the order",
    "last": "place of the last sample",
    "key": "of the permutation of the epoch",
    "batch": "samples of a mini-batch; 1 unless `operation` is ACCUMULATE",
    "filled": "samples of the mini-batch that came before",
}
REPORT = {
    "samples": "samples that were taken",
    "correct": "samples that were predicted correctly",
    "cycles": "clock cycles that it took",
    "stalls": "clock cycles in which the network waited for a sample",
}
"""Fields of a feed, and of a report, that have a register of their own, and what they mean."""


def stored_registers(geometries: tuple[CrossbarGeometry, ...], sizes: Sizes) -> tuple[Register, ...]:
    """What an ``AxiNetwork`` on stored samples has besides the registers of every one."""
    address_bits, most = sizes
    struct = data.StructLayout
    return (
        Register(offset=0x80, name="store", access=Access.CONSTANT, layout=struct({"samples": 25, "address_bits": 6}),
                 value={"samples": most, "address_bits": address_bits},
                 meaning="most samples of a set, and bits of the address of a word of the memory"),
        Register(offset=0x84, name="memory_response", access=Access.READ, layout=struct({"response": Response}),
                 meaning="the first answer of the memory that was not OKAY, since a feed or an access was begun"),
        Register(offset=0x88, name="memory_base", access=Access.WRITE, layout=struct({"address": WORD_BITS}),
                 meaning="where the memory begins, in bytes, a multiple of 4 KiB: bits 31:0"),
        Register(offset=0x8C, name="memory_base_high", access=Access.WRITE,
                 layout=struct({"address": AXI_ADDRESS_BITS - WORD_BITS}), meaning="bits from 32 on of `memory_base`"),
        *_apart(0x90, "feed", Access.PUSH, feed_layout(geometries, address_bits, most), FEED,
                "begins a feed, which the registers `feed_...` describe: what is done on its samples"),
        Register(offset=0xB0, name="stop", access=Access.PUSH, layout=struct({"stop": 1}),
                 meaning="1 lets the feed end after the samples that were begun"),
        *_apart(0xB4, "report", Access.POP, report_layout(most, stoppable=True), REPORT,
                "ends a feed, and clears the registers `report_...`: whether a sample was not what had been stored"),
        *_apart(0xC8, "access", Access.PUSH, struct({name: shape for name, shape in
                                                     access_layout(address_bits).members.items() if name != "write"}),
                {"address": "the first of these words"}, "asks for the CRC-32 of so many words of the memory"),
        *popped(0xD0, CRC, WORD_BITS, "the CRC-32 of the words that were asked for"),
    )


def _apart(offset: int, name: str, access: Access, layout: data.StructLayout, apart: dict[str, str],
           meaning: str) -> Iterator[Register]:
    """The registers of a beat of ``layout``: one for each of the fields ``apart``, called ``<name>_<field>``, and
    ``name``, which has the others, and moves the beat."""
    kind = Access.WRITE if access is Access.PUSH else Access.READ
    for place, (field, means) in enumerate(apart.items()):
        yield Register(offset=offset + 4 * place, name=f"{name}_{field}", access=kind,
                       layout=data.StructLayout({field: layout.members[field]}), meaning=f"of the {name}: {means}",
                       value={"batch": 1} if field == "batch" else {})
    yield Register(offset=offset + 4 * len(apart), name=name, access=access, meaning=meaning, layout=data.StructLayout(
        {field: shape for field, shape in layout.members.items() if field not in apart}))


class SystemMemory(wiring.Component):
    """An `AxiReadMemory` whose user may be reset at any time: with ``drop``, see `Drain`. Its ports are those of the
    two."""

    def __init__(self, *, address_bits: int) -> None:
        self.memory = AxiReadMemory(address_bits=address_bits, data_bits=AXI_DATA_BITS,
                                    axi_address_bits=AXI_ADDRESS_BITS)
        super().__init__({
            "port": In(MemoryInterface(address_bits)),
            "axi": Out(AxiReadSignature(address_bits=AXI_ADDRESS_BITS, data_bits=AXI_DATA_BITS)),
            "base": In(AXI_ADDRESS_BITS),
            "response": Out(Response),
            "clear": In(1),
            "drop": In(1),
            #: Words that were dropped may still come.
            "busy": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = self.memory
        m.submodules.drain = drain = Drain(address_bits=len(memory.port.commands.payload.address))
        wiring.connect(m, wiring.flipped(self.port), drain.port)
        wiring.connect(m, drain.memory, memory.port)
        wiring.connect(m, memory.axi, wiring.flipped(self.axi))
        m.d.comb += [
            drain.memory_idle.eq(memory.idle),
            drain.drop.eq(self.drop),
            memory.base.eq(self.base),
            memory.clear.eq(self.clear),
            self.response.eq(memory.response),
            self.busy.eq(drain.busy),
        ]
        return m
