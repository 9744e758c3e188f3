"""The description of a network behind AXI for tools that integrate systems on chip: IP-XACT, as IEEE 1685-2009 defines
it, which is the version that Vivado reads."""

from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ..axi.registers import ADDRESS_BITS, POP_VALID, WORD_BITS, Access, Register

SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
XILINX = "http://www.xilinx.com"
FAMILIES = ("artix7", "kintex7", "virtex7", "spartan7", "zynq", "kintexu", "virtexu", "artixuplus", "kintexuplus",
            "virtexuplus", "zynquplus")
"""Families for which Vivado offers the component."""
CONTROL = "s_axi_ctrl"
MEMORY = "m_axi"
VIEWS = {"xilinx_anylanguagesynthesis": "verilogSource:vivado.xilinx.com:synthesis",
         "xilinx_anylanguagebehavioralsimulation": "verilogSource:vivado.xilinx.com:simulation"}
ACCESS = {Access.CONSTANT: "read-only", Access.READ: "read-only", Access.WRITE: "read-write",
          Access.PUSH: "write-only", Access.POP: "read-only"}


def component(document: dict[str, Any], registers: tuple[Register, ...]) -> str:
    """The XML of the module that ``document`` describes (`generate_axi`), with its ``registers``. Its Verilog lies
    beside it."""
    for prefix, space in (("spirit", SPIRIT), ("xilinx", XILINX)):
        ElementTree.register_namespace(prefix, space)
    name, ports = document["module"], [port["name"] for port in document["ports"]]
    streams = [stream["port"] for stream in document["streams"]]
    memory = [MEMORY] if any(port.startswith(f"{MEMORY}_") for port in ports) else []
    address_bits = next((port["width"] for port in document["ports"] if port["name"] == f"{MEMORY}_araddr"), 0)
    root = _element(
        "component",
        *_identity("spinloom", "user", name, version_of(document)),
        _element("busInterfaces",
                 _bus(CONTROL, "aximm", ports, _element("slave", _element("memoryMapRef", memoryMapRef=CONTROL)),
                      {"PROTOCOL": "AXI4LITE"}),
                 *(_bus(stream, "axis", ports, _element("slave" if stream.startswith("s_") else "master"), {})
                   for stream in streams),
                 *(_bus(name, "aximm", ports, _element("master", _element("addressSpaceRef", addressSpaceRef=name)),
                        {"PROTOCOL": "AXI4", "READ_WRITE_MODE": "READ_ONLY"}) for name in memory),
                 _signal("aclk", "clock", "CLK", {"ASSOCIATED_BUSIF": ":".join([CONTROL, *streams, *memory]),
                                                  "ASSOCIATED_RESET": "aresetn"}),
                 _signal("aresetn", "reset", "RST", {"POLARITY": "ACTIVE_LOW"})),
        *(_element("addressSpaces", _element("addressSpace", _text("name", name), _text("range", 1 << address_bits),
                                             _text("width", address_bits))) for name in memory),
        _element("memoryMaps", _element(
            "memoryMap", _text("name", CONTROL), _element(
                "addressBlock", _text("name", "registers"), _text("baseAddress", 0), _text("range", 1 << ADDRESS_BITS),
                _text("width", WORD_BITS), _text("usage", "register"), *map(_register, registers)))),
        _element("model",
                 _element("views", *(_view(view, environment, name) for view, environment in VIEWS.items())),
                 _element("ports", *map(_port, document["ports"]))),
        _element("fileSets", *(_element(
            "fileSet", _text("name", view),
            _element("file", _text("name", f"{name}.v"), _text("fileType", "verilogSource"))) for view in VIEWS)),
        _text("description", f"A network that trains itself, by Spinloom: {document['experiment']['name']}"),
        _element("vendorExtensions", _core(name)),
    )
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def module_of(text: str) -> str | None:
    """The name of the component whose XML ``text`` is. None if it is none."""
    try:
        return ElementTree.fromstring(text).findtext(f"{{{SPIRIT}}}name")
    except ElementTree.ParseError:
        return None


def version_of(document: dict[str, Any]) -> str:
    """The version of the component: Vivado wants two numbers, those of the version of Spinloom."""
    return ".".join(document["tool_versions"]["spinloom"].split(".")[:2])


def _element(tag: str, *children: Element, space: str = SPIRIT, **attributes: str) -> Element:
    element = Element(f"{{{space}}}{tag}", {f"{{{space}}}{name}": value for name, value in attributes.items()})
    element.extend(children)
    return element


def _text(tag: str, text: object, *, space: str = SPIRIT, **attributes: str) -> Element:
    element = _element(tag, space=space, **attributes)
    element.text = str(text)
    return element


def _identity(vendor: str, library: str, name: str, version: str) -> Iterator[Element]:
    for tag, text in (("vendor", vendor), ("library", library), ("name", name), ("version", version)):
        yield _text(tag, text)


def _interface(name: str, library: str, kind: str, mode: Element, ports: Iterable[tuple[str, str]],
               parameters: dict[str, str]) -> Element:
    """The interface ``name`` of ``kind``, with ``ports``, logical and physical."""
    def reference(tag: str, target: str) -> Element:
        return _element(tag, vendor="xilinx.com", library=library, name=target, version="1.0")

    values = [_element("parameter", _text("name", key),
                       _text("value", value, id=f"BUSIFPARAM_VALUE.{name.upper()}.{key}"))
              for key, value in parameters.items()]
    return _element(
        "busInterface", _text("name", name), reference("busType", kind), reference("abstractionType", f"{kind}_rtl"),
        mode, _element("portMaps", *(_element("portMap", _element("logicalPort", _text("name", logical)),
                                              _element("physicalPort", _text("name", physical)))
                                     for logical, physical in ports)),
        *([_element("parameters", *values)] if values else []))


def _bus(name: str, kind: str, ports: list[str], mode: Element, parameters: dict[str, str]) -> Element:
    """An AXI interface, whose ports are called ``<name>_<signal>``."""
    return _interface(name, "interface", kind, mode, [(port.removeprefix(f"{name}_").upper(), port) for port in ports
                                                      if port.startswith(f"{name}_")], parameters)


def _signal(name: str, kind: str, logical: str, parameters: dict[str, str]) -> Element:
    return _interface(name, "signal", kind, _element("slave"), [(logical, name)], parameters)


def _register(register: Register) -> Element:
    fields = [_field(name, offset, shape.width, register) for name, offset, shape, _ in register.fields()]
    if register.access is Access.POP:
        fields.append(_field("valid", POP_VALID, 1, register))
    reset = (_element("reset", _text("value", f"0x{register.bits:X}")),) if register.value else ()
    return _element("register", _text("name", register.name), _text("description", register.meaning),
                    _text("addressOffset", f"0x{register.offset:X}"), _text("size", WORD_BITS),
                    _text("access", ACCESS[register.access]), *reset, *fields)


def _field(name: str, offset: int, width: int, register: Register) -> Element:
    taken = (_text("readAction", "modify"),) if register.access is Access.POP else ()
    return _element("field", _text("name", name), _text("bitOffset", offset), _text("bitWidth", width), *taken)


def _view(name: str, environment: str, module: str) -> Element:
    return _element("view", _text("name", name), _text("envIdentifier", environment), _text("language", "verilog"),
                    _text("modelName", module), _element("fileSetRef", _text("localName", name)))


def _port(port: dict[str, Any]) -> Element:
    vector = (_element("vector", _text("left", port["width"] - 1), _text("right", 0)),) if port["width"] > 1 else ()
    return _element("port", _text("name", port["name"]), _text("description", port["meaning"]),
                    _element("wire", _text("direction", port["direction"].removesuffix("put")), *vector))


def _core(name: str) -> Element:
    """What Vivado wants to know besides."""
    return _element(
        "coreExtensions",
        _element("supportedFamilies", *(_text("family", family, space=XILINX, lifeCycle="Production")
                                        for family in FAMILIES), space=XILINX),
        _element("taxonomies", _text("taxonomy", "/UserIP", space=XILINX), space=XILINX),
        _text("displayName", name, space=XILINX), _text("coreRevision", 1, space=XILINX), space=XILINX)
