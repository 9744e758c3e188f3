"""Run-time parameters in hardware: registers and tables that start with the values of the configuration and are
replaced by ``CONFIGURE``."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data
from amaranth.lib.memory import Memory

from ...contract.geometry import CrossbarGeometry
from ...contract.parameters import Parameter, parameters
from ...contract.widths import index_bits


def parameter_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """A parameter to be replaced in this clock, if ``enable``: number ``index`` of ``parameters``, by ``word``."""
    words = parameters(geometry)
    return data.StructLayout({"index": unsigned(index_bits(len(words))),
                              "word": unsigned(max(word.bits for word in words)), "enable": 1})


def register(m: Module, port, geometry: CrossbarGeometry, name: str) -> Signal:
    """The parameter ``name``, unsigned; ``port`` has the ``parameter_layout``. A replacement shows a clock later."""
    index, word = _find(geometry, name)[0]
    value = Signal(word.bits, init=word.value, name=name)
    with m.If(port.enable & (port.index == index)):
        m.d.sync += value.eq(port.word)
    return value


def table(m: Module, port, geometry: CrossbarGeometry, name: str, shape, **attributes) -> Memory:
    """A memory, not yet a submodule, of the entries ``name[0]``, ``name[1]``, ... with elements of ``shape``, written
    by ``port``; the caller takes read ports."""
    entries = _find(geometry, name + "[")
    first = entries[0][0]
    memory = Memory(shape=shape, depth=max(2, len(entries)), attrs={"no_rw_check": 1, **attributes}, init=[
        shape.from_bits(word.value) if isinstance(shape, data.Layout) else word.value for _, word in entries])
    write = memory.write_port()
    m.d.comb += [
        write.addr.eq(port.index - first),
        write.data.eq(port.word),
        write.en.eq(port.enable & (port.index >= first) & (port.index < first + len(entries))),
    ]
    return memory


def _find(geometry: CrossbarGeometry, start: str) -> list[tuple[int, Parameter]]:
    return [(index, word) for index, word in enumerate(parameters(geometry)) if word.name.startswith(start)]
