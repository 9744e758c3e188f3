"""A network in a LiteX SoC. Needs LiteX."""

import json
from pathlib import Path
from typing import Any

from litex.gen import LiteXModule
from litex.soc.interconnect import axi
from migen import ClockSignal, Instance, ResetSignal, Signal

CONTROL, MEMORY = "s_axi_ctrl", "m_axi"


class NetworkModule(LiteXModule):
    """The network whose folder ``spinloom generate --axi`` wrote: ``description`` is the JSON file there.

    ``ctrl`` is the AXI-Lite interface of its registers. ``command``, ``x``, ``state_in``, ``result`` and ``state_out``
    are AXI-Stream endpoints. ``memory`` is the AXI interface through which it reads samples, if it trains from the
    memory of the SoC. It runs from the clock domain ``sys``.
    """

    def __init__(self, platform: Any, description: str | Path) -> None:
        document = json.loads(Path(description).read_text(encoding="utf-8"))
        self.ctrl = axi.AXILiteInterface(data_width=32, address_width=32)
        channels = {f"{CONTROL}_{name}": getattr(self.ctrl, name) for name in ("aw", "w", "b", "ar", "r")}
        for stream in document["streams"]:
            end = axi.AXIStreamInterface(data_width=stream["tdata_width"])
            channels[f"{stream['port']}_t"] = end
            setattr(self, stream["name"], end)
        if any(port["name"].startswith(f"{MEMORY}_") for port in document["ports"]):
            self.memory = axi.AXIInterface(data_width=64, address_width=32)
            channels |= {f"{MEMORY}_{name}": getattr(self.memory, name) for name in ("ar", "r")}
        connections = {"i_aclk": ClockSignal("sys"), "i_aresetn": ~ResetSignal("sys")}
        for port in document["ports"]:
            for prefix, end in channels.items():
                member = port["name"].removeprefix(prefix)
                if member != port["name"] and hasattr(end, member):
                    signal = getattr(end, member)  # of an address, the network has the bits within its region
                    if port["width"] > len(signal):  # and knows of more than the SoC has
                        signal, low = Signal(port["width"]), signal
                        self.comb += low.eq(signal)
                    connections[f"{port['direction'][0]}_{port['name']}"] = signal[:port["width"]]
        self.specials += Instance(document["module"], **connections)
        platform.add_source(str(Path(description).with_suffix(".v")))
