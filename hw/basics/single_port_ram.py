"""The large memories of one port of an iCE40 UltraPlus."""

from math import ceil
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, unsigned
from amaranth.vendor import LatticeICE40Platform

SPRAM_DEPTH, SPRAM_WIDTH = 16384, 16
"""Words, and bits of a word, of one of them."""


def has_single_port_rams(platform: Any) -> bool:
    """Whether the part of ``platform`` has such memories."""
    return isinstance(platform, LatticeICE40Platform) and platform.device == "iCE40UP5K"


def single_port_ram(m: Module, *, depth: int, address: Value, write: Value, data_in: Value,
                    enable: Value | int = 1) -> Value:
    """A memory of ``depth`` words as wide as ``data_in``, in banks of ``SPRAM_DEPTH`` words, each as many memories side
    by side as a word needs. It is never initialised.

    With ``enable``, it takes ``data_in`` if ``write``, and otherwise gives the word at ``address`` in the next clock
    cycle. That word stays until the next ``enable``.
    """
    columns = ceil(len(data_in) / SPRAM_WIDTH)
    place, padded = Signal(unsigned(max(len(address), 15))), Signal(columns * SPRAM_WIDTH)
    m.d.comb += [place.eq(address), padded.eq(data_in)]
    banks = ceil(depth / SPRAM_DEPTH)
    bank, read_bank, word = place[14:], Signal(range(max(2, banks))), Signal(len(data_in))
    with m.If(enable):
        m.d.sync += read_bank.eq(bank)
    for index in range(banks):
        words = [Signal(SPRAM_WIDTH, name=f"word_{index}_{column}") for column in range(columns)]
        for column, output in enumerate(words):
            m.submodules[f"spram_{index}_{column}"] = Instance(
                "SB_SPRAM256KA",
                i_ADDRESS=place[:14],
                i_DATAIN=padded.word_select(column, SPRAM_WIDTH),
                i_MASKWREN=Const(0b1111, 4),
                i_WREN=write & (bank == index),
                i_CHIPSELECT=enable,
                i_CLOCK=ClockSignal(),
                i_STANDBY=Const(0, 1),
                i_SLEEP=Const(0, 1),
                i_POWEROFF=Const(1, 1),  # active low
                o_DATAOUT=output,
            )
        with m.If(read_bank == index):
            m.d.comb += word.eq(Cat(*words))
    return word
