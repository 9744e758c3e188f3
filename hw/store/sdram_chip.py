"""What is known of an SDRAM chip: its size, its times, its commands and its pins."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from .memory import WORD_BITS

BANK_BITS = 2
"""An SDRAM chip has four banks."""
PRECHARGE_ALL = 1 << 10
"""The address bit with which `SdramCommand.PRECHARGE` closes all banks."""
START_UP_REFRESHES = 8
"""Refreshes that a chip needs between power-up and its first row."""


class SdramCommand(enum.Enum, shape=3):  # type: ignore[call-arg]  # Amaranth's enumerations have one
    """What a chip is told in a clock cycle: its pins RAS, CAS and WE, from bit 0 on; 1 where the pin is low."""

    NOP = 0b000
    ACTIVE = 0b001
    READ = 0b010
    REFRESH = 0b011
    BURST_STOP = 0b100
    PRECHARGE = 0b101
    WRITE = 0b110
    MODE = 0b111


@dataclass(frozen=True, kw_only=True)
class SdramTiming:
    """The times of a chip in cycles of a clock, by their names in data sheets."""

    power_up: int
    """From power-up to the first command."""
    refresh_period: int
    """In which every row must be refreshed."""
    cas: int
    """CAS latency: from ``READ`` to its data."""
    rcd: int
    """``ACTIVE`` to ``READ`` or ``WRITE``."""
    rp: int
    """``PRECHARGE`` to ``ACTIVE`` or ``REFRESH``."""
    ras: int
    """``ACTIVE`` to ``PRECHARGE``."""
    rc: int
    """``ACTIVE`` to ``ACTIVE`` of the same bank, or to ``REFRESH``."""
    rfc: int
    """``REFRESH`` to ``ACTIVE`` or ``REFRESH``."""
    rrd: int
    """``ACTIVE`` to ``ACTIVE`` of another bank."""
    wr: int
    """``WRITE`` to ``PRECHARGE``."""
    mrd: int
    """``MODE`` to any other command."""

    @property
    def read_to_precharge(self) -> int:
        """``READ`` to ``PRECHARGE``, without loss of data."""
        return self.cas - 1

    @property
    def read_to_write(self) -> int:
        """``READ`` to ``WRITE``: the chip has let go of the data pins before they are driven."""
        return self.cas + 1


@dataclass(frozen=True, kw_only=True)
class SdramChip:
    """A single-data-rate SDRAM of four banks. Times are in nanoseconds, unless their names say otherwise.

    Raises ``ValueError`` if a word of `WORD_BITS` bits is not one or several columns.
    """

    data_bits: int
    """Width of a column, and of the data pins."""
    row_bits: int
    column_bits: int
    refreshes: int
    """``REFRESH`` commands that refresh every row once."""
    rcd: int
    rp: int
    ras: int
    rc: int
    rfc: int
    rrd: int
    wr: int
    refresh_period_us: int = 64_000
    power_up_us: int = 200
    cas2_mhz: int = 100
    """The fastest clock at which CAS latency 2 is allowed."""
    cas3_mhz: int = 133
    """The fastest clock."""

    def __post_init__(self) -> None:
        if self.data_bits not in (WORD_BITS // 2, WORD_BITS):
            raise ValueError(f"data_bits={self.data_bits}: must be {WORD_BITS // 2} or {WORD_BITS}")

    @property
    def columns_per_word(self) -> int:
        return WORD_BITS // self.data_bits

    @property
    def address_bits(self) -> int:
        """Width of the address of a word."""
        return self.row_bits + BANK_BITS + self.column_bits + 1 - self.columns_per_word

    @property
    def words(self) -> int:
        """Words that it holds."""
        return 1 << self.address_bits

    def timing(self, clock_mhz: float) -> SdramTiming:
        """Its times at a clock. ``ValueError`` if that is too fast for it."""
        if clock_mhz > self.cas3_mhz:
            raise ValueError(f"clock_mhz={clock_mhz}: the chip allows at most {self.cas3_mhz}")
        clock = Fraction(clock_mhz)

        def cycles(nanoseconds: int, least: int = 1) -> int:
            return max(least, ceil(nanoseconds * clock / 1000))

        return SdramTiming(
            power_up=cycles(self.power_up_us * 1000),
            refresh_period=int(self.refresh_period_us * clock),
            cas=2 if clock_mhz <= self.cas2_mhz else 3,
            rcd=cycles(self.rcd), rp=cycles(self.rp), ras=cycles(self.ras), rc=cycles(self.rc), rfc=cycles(self.rfc),
            # Data sheets of some parts give these as two clock cycles, others in nanoseconds.
            rrd=cycles(self.rrd, 2), wr=cycles(self.wr, 2), mrd=2,
        )


class SdramPins(wiring.Signature):
    """The pins of ``chip``, as a controller sees them.

    They are those of the chip behind registers at the pads, there and back: what the controller puts out in a clock
    cycle is taken by the pads with the edge that ends it, and what the chip answers to a ``READ`` is on ``dq_i`` in the
    clock cycle that follows ``cas`` edges later.
    """

    def __init__(self, chip: SdramChip) -> None:
        self.chip = chip
        super().__init__({
            "command": Out(SdramCommand),
            "ba": Out(BANK_BITS),
            "a": Out(chip.row_bits),
            #: Of each byte, whether it is left alone by a write, or not driven after a read.
            "dqm": Out(chip.data_bits // 8),
            "dq_o": Out(chip.data_bits),
            #: Whether ``dq_o`` is driven.
            "dq_oe": Out(1),
            "dq_i": In(chip.data_bits),
        })


def mode_word(cas: int) -> int:
    """The mode register: CAS latency ``cas``, and a column for each ``READ`` or ``WRITE``."""
    return cas << 4


ULX3S_SDRAM = SdramChip(data_bits=16, row_bits=13, column_bits=9, refreshes=8192,
                        rcd=20, rp=20, ras=44, rc=66, rfc=70, rrd=15, wr=15)
"""32 MB. The board carries IS42S16160G, MT48LC16M16A2 or W9825G6KH: these are the slowest times of their grades -7, -75
and -6I."""

TANG_NANO_20K_SDRAM = SdramChip(data_bits=32, row_bits=11, column_bits=8, refreshes=4096,
                                rcd=20, rp=20, ras=49, rc=70, rfc=70, rrd=14, wr=14)
"""8 MB, in the package of a GW2AR-18. Its maker is not told: these are the times of an M12L64322A-7, a slow chip of the
same organisation."""
