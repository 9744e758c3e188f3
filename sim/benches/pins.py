"""The top-level ports of a design under simulation, alike in Amaranth's simulator and in cocotb."""

from typing import Any, Protocol

from amaranth.hdl import Value
from amaranth.lib import wiring
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge


class Pins(Protocol):
    """Ports by their Verilog names, read and driven as non-negative integers of the port's bits.

    Between two calls of ``tick`` time stands still just before a clock edge. ``get`` answers what that edge will see.
    What was ``set`` takes effect right after it. So drivers never race, and a combinational path from an input to an
    output is seen.
    """

    async def tick(self) -> None:
        """Pass one clock edge, apply what was set, and let it settle."""

    def get(self, name: str) -> int:
        """The value of a port."""

    def set(self, name: str, value: int) -> None:
        """Drive an input, from right after the next edge on. Inputs start at 0."""


class AmaranthPins(Pins):
    """The ports of ``component`` in a testbench of Amaranth's simulator, whose context is ``context``."""

    def __init__(self, context: Any, component: wiring.Component) -> None:
        self._context = context
        self._ports = {"__".join(map(str, path)): Value.cast(port)
                       for path, _, port in component.signature.flatten(component)}
        self._masks = {name: (1 << len(port)) - 1 for name, port in self._ports.items()}
        self._pending: dict[str, int] = {}

    async def tick(self) -> None:
        await self._context.tick()
        for name, value in self._pending.items():
            self._context.set(self._ports[name], value)
        self._pending.clear()

    def get(self, name: str) -> int:
        return self._context.get(self._ports[name]) & self._masks[name]

    def set(self, name: str, value: int) -> None:
        self._pending[name] = value


class CocotbPins(Pins):
    """The ports of the top level ``dut`` in cocotb, of which ``inputs`` are driven. ``start`` runs the clock and resets
    the design.

    Ports are driven right after a rising edge of ``clk`` and read at the falling edge. Every simulator agrees on that,
    however it orders callbacks and register updates.
    """

    #: Of the clock, in nanoseconds.
    period = 10

    def __init__(self, dut: Any, inputs: list[str]) -> None:
        self._clk = dut.clk
        self._rising, self._falling = RisingEdge(dut.clk), FallingEdge(dut.clk)
        self._rst = dut.rst
        self._dut = dut
        self._inputs = inputs
        self._handles: dict[str, Any] = {}
        self._pending: dict[str, int] = {}

    async def start(self) -> None:
        """Start the clock, set every input to 0, and hold the reset for one clock edge."""
        Clock(self._clk, self.period, unit="ns").start()
        for name in self._inputs:
            self._handle(name).value = 0
        self._rst.value = 1
        await self._rising
        await self._rising
        self._rst.value = 0
        await self._falling

    async def tick(self) -> None:
        await self._rising
        for name, value in self._pending.items():
            self._handle(name).value = value
        self._pending.clear()
        await self._falling

    def get(self, name: str) -> int:
        return int(self._handle(name).value)

    def set(self, name: str, value: int) -> None:
        self._pending[name] = value

    def _handle(self, name: str) -> Any:
        if name not in self._handles:
            self._handles[name] = getattr(self._dut, name)
        return self._handles[name]
