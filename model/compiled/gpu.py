"""A crossbar without a network around it, on a GPU: it computes there, and is programmed in main memory."""

from functools import cached_property

import torch

from ..crossbar import Crossbar
from ..samples import SampleCrossbar
from .crossbar import CompiledCrossbar


class GpuCrossbar(SampleCrossbar):
    """A ``SampleCrossbar``, but ``program`` and ``apply`` program in compiled code.

    Write pulses draw from one LFSR, one after the other, which a GPU does slowly. So the state of the crossbar is
    copied to main memory for them, and back. ``update`` that programs does it sample by sample in place, as a
    ``SampleCrossbar`` does.
    """

    def program(self) -> None:
        _copy(self.crossbar, self._in_main_memory.crossbar)
        self._in_main_memory.program()
        _copy(self._in_main_memory.crossbar, self.crossbar)

    def apply(self, dw: torch.Tensor) -> None:
        self.crossbar.add(dw)
        self.program()

    @cached_property
    def _in_main_memory(self) -> CompiledCrossbar:
        return CompiledCrossbar(Crossbar(self.crossbar.geometry, seed=0))  # whatever the seed: it gets a state


def _copy(source: Crossbar, target: Crossbar) -> None:
    """Put everything that programming depends on and changes from ``source`` into ``target``."""
    for name, array in source.arrays.items():
        target.arrays[name].copy_(array)
    target.pulses.copy_(source.pulses)
    for name, lfsr in source.lfsrs.items():
        target.lfsrs[name].state = lfsr.state
    target.counters.update(source.counters)
