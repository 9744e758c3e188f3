"""Run-time parameters in hardware: registers and tables. They start with the values of the configuration, and
``CONFIGURE`` replaces them."""

from amaranth.hdl import Module, ShapeLike, Signal, unsigned
from amaranth.lib import data
from amaranth.lib.memory import Memory

from ...contract.geometry import CrossbarGeometry
from ...contract.parameters import Parameter, parameters
from ...contract.widths import index_bits


def parameter_layout(geometry: CrossbarGeometry) -> data.StructLayout:
    """With ``enable``, parameter number ``index`` of ``parameters`` is replaced by ``word``."""
    words = parameters(geometry)
    return data.StructLayout({"index": unsigned(index_bits(len(words))),
                              "word": unsigned(max(word.bits for word in words)), "enable": 1})


def register(m: Module, port: data.View, geometry: CrossbarGeometry, name: str) -> Signal:
    """The parameter ``name``, unsigned. ``port`` has the ``parameter_layout``; a replacement shows in the next clock
    cycle."""
    index, word = _find(geometry, name)[0]
    value = Signal(word.bits, init=word.value, name=name)
    with m.If(port.enable & (port.index == index)):
        m.d.sync += value.eq(port.word)
    return value


def table(m: Module, port: data.View, geometry: CrossbarGeometry, name: str, shape: ShapeLike,
          **attributes: str) -> Memory:
    """The parameters ``name[0]``, ``name[1]``, ... as a memory of ``shape`` that ``port`` writes. The caller makes it a
    submodule and takes its read ports."""
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


def parameter_span(geometry: CrossbarGeometry, name: str) -> tuple[int, int]:
    """The number of the first of the parameters ``name[0]``, ``name[1]``, ..., and how many they are."""
    entries = _find(geometry, name + "[")
    return entries[0][0], len(entries)


def _find(geometry: CrossbarGeometry, start: str) -> list[tuple[int, Parameter]]:
    return [(index, word) for index, word in enumerate(parameters(geometry)) if word.name.startswith(start)]
