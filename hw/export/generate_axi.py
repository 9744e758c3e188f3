"""The Verilog of a network behind AXI, with its register map for people, for C and for Python."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib.wiring import In

from ...config import Experiment
from ...contract.errors import ConfigError, shown
from ...render.markdown import table
from ...system.files import read
from ..axi.network import AxiTop
from ..axi.registers import POP_VALID, Access, Register, c_header, python_module, summary
from ..axi.stream import tdata_bits
from ..component import axi_top
from . import ipxact
from .generate import MOST_BYTES, describe, module_name, prepare, write_files
from .page import markdown
from .verilog import to_verilog
from .wording import NETWORK, wording

COMPONENT = "component.xml"
"""The name that Vivado looks for."""

AXI_PROTOCOL = (
    "One clock, `aclk`, rising edge; `aresetn` is synchronous, active low.",
    "`s_axi_ctrl` is AXI4-Lite with words of 32 bits at multiples of 4 in 4 KiB; `s_axis_<stream>` and "
    "`m_axis_<stream>` are AXI4-Stream. A payload is in the low bits of TDATA; the bits above it are ignored on the "
    "way in and 0 on the way out.",
    "What the network takes comes on `s_axis_<stream>` or is written to the register `<stream>`; of two beats that "
    "wait, the register's goes first. `results_to` and `state_to` say where answers go.",
    "On `s_axis_x`, TLAST ends a sample as the field `last` does, so a sample may be a packet, or many samples one. A "
    "packet on `m_axis_state_out` is the answer to one command; one on `m_axis_result` has as many results as the "
    "register `result_packet` says.",
)
"""How the wrapped machine is driven. What holds for the streams of every network is in `wording`."""
AXI_STORED = (
    "`m_axi` is AXI4 and only reads: bursts INCR of whole beats, within 4 KiB, all with ID 0. The words of the memory "
    "lie from `memory_base` on; nothing beyond 2^`address_bits` words is read.",
    "A feed is the registers `feed_...`, then `feed`. It is taken when all before is done. `report_...` count while it "
    "goes on. When `status` says that there is a `report`, they are read first, then `report`. An access is "
    "`access_address`, then `access`; `crc` answers it.",
    "A feed ends early by `stop`, by a sample that is not what had been stored, and by an answer of the memory that is "
    "not OKAY. No sample is begun then, those that were begun are finished, and `report_samples` says how many that "
    "were: the next feed goes on behind them.",
)
"""How a network is driven whose samples are in the memory of the system."""


def generate(experiment: Experiment, out: str | Path) -> list[Path]:
    """Write the network of ``experiment`` behind AXI to the folder ``out``: ``<name>.v``, ``<name>.json``,
    ``<name>.md``, the registers in ``<name>.h`` and ``<name>_registers.py``, and ``component.xml``, by which tools find
    all of it. So a folder holds one such module.

    ``<name>`` is the name of the experiment as a Verilog identifier, followed by ``_axi``. It is also the name of the
    module. Otherwise this is as `hw.export.generate.generate`, and ``ConfigError`` is raised also if ``component.xml``
    is another module's, or if the memory for samples is not that of a system on chip.
    """
    name = f"{module_name(experiment.name)}_axi"
    prepare(Path(out), name, experiment)
    _refuse_other(Path(out) / COMPONENT, name)
    top = axi_top(experiment)
    registers = top.inner.registers
    document = describe(experiment, top.inner.network) | {"module": name, "ports": list(_ports(top))}
    document["protocol"] = [*AXI_PROTOCOL, *wording(experiment).protocol[2:], *(AXI_STORED if experiment.store else ())]
    document["streams"] = [entry for entry in document["streams"] if entry["name"] in top.inner.shapes]
    for entry in document["streams"]:
        direction = "s" if entry["direction"] == "input" else "m"
        entry |= {"port": f"{direction}_axis_{entry['name']}", "tdata_width": tdata_bits(entry["width"])}
    document["registers"] = [_describe(register) for register in registers]
    return write_files(out, {
        f"{name}.v": to_verilog(top, name),
        f"{name}.json": json.dumps(document, indent=2) + "\n",
        f"{name}.md": f"{markdown(document, NETWORK)}\n{register_map(registers)}",
        f"{name}.h": c_header(registers, name.upper()),
        f"{name}_registers.py": python_module(registers, f"Registers of {name}."),
        COMPONENT: ipxact.component(document, registers),
    })


def _refuse_other(component: Path, name: str) -> None:
    """``ConfigError`` if the file ``component`` is there, and not of the module ``name``."""
    try:
        owner = ipxact.module_of(read(component, MOST_BYTES).decode())
    except (OSError, ValueError):
        return
    if owner not in (None, name):
        raise ConfigError(f"{component}: describes the module {shown(owner)}, and tools find one module a folder; take "
                          "another folder")


def _ports(top: AxiTop) -> Iterator[dict[str, Any]]:
    meanings = {"aclk": "clock", "aresetn": "synchronous reset, active low",
                "idle": "no command waits, and every command taken has been carried out"}
    for name, member in top.signature.members.items():
        interface, _, signal = name.rpartition("_")
        shape = Shape.cast(member.shape)
        yield {"name": name, "direction": "input" if member.flow is In else "output", "width": shape.width,
               "signed": shape.signed, "meaning": meanings.get(name, f"{interface}: {signal.upper()}")}


def _describe(register: Register) -> dict[str, Any]:
    constant = {"value": register.bits} if register.access is Access.CONSTANT else {}
    return {"name": register.name, "offset": register.offset, "access": register.access.label,
            "meaning": register.meaning,
            "fields": [{"name": name, "offset": offset, "width": shape.width,
                        "encoding": {item.name: item.value for item in encoding} if encoding is not None else None}
                       for name, offset, shape, encoding in register.fields()]} | constant


def register_map(registers: tuple[Register, ...]) -> str:
    """The register map in Markdown."""
    parts = ["## Registers", table(("offset", "register", "access", "meaning"), summary(registers)),
             "\n".join(f"- *{access.label}*: {access.meaning}" for access in Access)]
    for register in registers:
        rows: list[tuple[Any, ...]] = [
            (f"{offset + shape.width - 1}:{offset}" if shape.width > 1 else offset, f"`{name}`",
             ", ".join(f"{item.value} {item.name}" for item in encoding) if encoding is not None else
             register.value.get(name, 0) if register.access in (Access.CONSTANT, Access.WRITE) else "")
            for name, offset, shape, encoding in register.fields()]
        if register.access is Access.POP:
            rows.append((POP_VALID, "`valid`", ""))
        parts += [f"### {register.name}", table(("bits", "field", "value, or initially"), rows)]
    return "\n\n".join(parts) + "\n"
