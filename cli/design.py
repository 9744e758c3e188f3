"""Commands that make hardware: Verilog, counts of cells, bitstreams, estimates."""

from typing import TYPE_CHECKING

import click

from .. import config as experiments
from ..contract.results import Result
from ..contract.shapes import LayerShape
from ..design import BankDesign, Design, load
from ..render.text import columns, table
from ..system import progress
from .common import answers, config_argument, device_option

if TYPE_CHECKING:
    from ..boards.bitstream import Bitstream
    from ..boards.estimate import Estimate
    from ..boards.speed import Speed
    from ..hw.export.synth import Block, Synthesis

bank_option = click.option("--bank", is_flag=True,
                           help="The crossbars of an experiment alone. A file with [[crossbars]] is a bank anyway.")


@click.command()
@config_argument
@device_option
@bank_option
@click.option("--out", required=True, metavar="DIR", help="Folder to write to.")
@click.option("--axi", is_flag=True, help="Behind AXI4-Lite and AXI4-Stream, with registers for C, Python and IP-XACT.")
@answers
def generate(config: str, device: str | None, bank: bool, out: str, axi: bool) -> tuple[Result, str, bool]:
    """Write the Verilog of a network or a bank of crossbars, and its description in Markdown and JSON."""
    if axi and bank:
        raise click.UsageError("--axi is for networks, not for a --bank")
    from ..hw.export import generate as plain
    from ..hw.export import generate_axi

    files = (generate_axi.generate(experiments.load(config, device), out) if axi
             else plain.generate(load(config, device, bank=bank), out))
    return plain.Generated(files=tuple(files)), "\n".join(map(str, files)), True


@click.command()
@config_argument
@bank_option
@click.option("--target", metavar="NAME", help="Family: ice40, ecp5 (unless given), gowin, xc7, xcup or generic.")
@click.option("--axi", is_flag=True, help="Behind AXI, as generate --axi writes it.")
@click.option("--board", metavar="NAME", help="Go on to a bitstream for ulx3s, icebreaker or tang-nano-20k.")
@click.option("--out", metavar="DIR", help="With --board: folder for the bitstream; default runs/NAME-BOARD.")
@answers
def synth(config: str, bank: bool, target: str | None, axi: bool, board: str | None,
          out: str | None) -> tuple[Result, str, bool]:
    """Map a network or a bank to an FPGA family with Yosys and count its cells; or build a board's bitstream."""
    design = load(config, bank=bank)
    if axi and (board is not None or isinstance(design, BankDesign)):
        raise click.UsageError("--axi is for networks in systems on chip, not for a --board or a --bank")
    if board is None:
        if out is not None:
            raise click.UsageError("--out is for the bitstream of a --board")
        answer = _synthesise(design, target or "ecp5", axi)
        return answer, _synth_table(answer), True
    if target is not None:
        raise click.UsageError("--target and --board exclude one another: a board has its own family")
    built = _build(design, board, out)
    path = built.critical_path
    return built, table({
        **_board_rows(built),
        "clock": f"{built.clock_mhz:g} MHz, {'reached' if built.timing_met else 'NOT REACHED'}: "
                 f"at most {built.fmax_mhz:.1f} MHz",
        "critical path": f"{path.start} to {path.end}, {path.ns:.1f} ns, {path.routing_ns:.1f} of them wires",
        **_speed_rows(built.speed),
        "bitstream": built.bitstream,
    }), built.timing_met


@click.command()
@config_argument
@bank_option
@click.option("--board", metavar="NAME", help="For this board only.")
@answers
def estimate(config: str, bank: bool, board: str | None) -> tuple[Result, str, bool]:
    """Show the shapes of a network or a bank, crossbar by crossbar, and estimate, without synthesis, what it needs and
    reaches on every board that has the memory for its samples; or in a system on chip, if that has it."""
    design = load(config, bank=bank)
    from ..boards.catalogue import BOARDS, find
    from ..boards.estimate import Estimates, estimate_system
    from ..boards.estimate import estimate as estimated
    from ..boards.speed import SYSTEM_MHZ

    boards = [find(board)] if board else [each for each in BOARDS.values() if each.stores(design)]
    found = tuple(estimated(design, each) for each in boards)
    tables = [table({
        **_board_rows(answer),
        "fits": f"no; the largest that does: {answer.shortage.largest or 'none'}" if answer.shortage else "yes",
        **_speed_rows(answer.speed),
    }) for answer in found]
    system = estimate_system(design)
    if system is not None:
        speed = system.speed
        tables.append(table({
            "memory": "of a system on chip", "luts": f"{system.luts:,} of six inputs",
            "clock cycles a sample": f"{speed.cycles_per_sample:,.0f}",
            "samples a second": f"{speed.samples_per_second:,} at {SYSTEM_MHZ} MHz, limited by its {speed.limit}: "
                                f"{speed.samples_per_second_compute:,} by its clock, "
                                f"{speed.samples_per_second_memory:,} by its memory"}))
    answer = Estimates(experiment=design.name, topology=design.topology, shapes=design.shapes, boards=found,
                       system=system)
    shapes = _shape_table("crossbar" if isinstance(design, BankDesign) else "layer", answer.shapes)
    return answer, "\n\n".join([answer.topology, shapes, *tables]), True


def _shape_table(what: str, shapes: tuple[LayerShape, ...]) -> str:
    """The shapes of all that is ``what``, without the columns that are empty."""
    rows = [{what: index, **shape.row()} for index, shape in enumerate(shapes)]
    return columns([{name: row[name] for name in row if any(each[name] != "" for each in rows)} for row in rows])


def _synthesise(design: Design, target: str, axi: bool) -> "Synthesis":
    """Counts cells, with the step that Yosys is at and the time on standard error."""
    from ..hw.export import synth as synthesis

    synthesis.check(target)
    with progress.bar(bar_format="yosys, {elapsed}: {desc}") as bar:
        return synthesis.synthesise(design, target, lambda step: bar.set_description_str(step[:80]), axi=axi)


def _build(design: Design, board: str, out: str | None) -> "Bitstream":
    """Builds a bitstream, with the step that the tools are at and the time on standard error."""
    from ..boards import bitstream
    from ..boards.catalogue import find

    wanted = find(board)
    with progress.bar(bar_format="{elapsed}: {desc}") as bar:
        return bitstream.build(design, wanted, out,
                               lambda step: bar.set_description_str(" ".join(step.split())[:80]))


def _board_rows(answer: "Bitstream | Estimate") -> dict[str, str]:
    """What a design needs of a board's part."""
    capacity = answer.capacity
    return {"board": f"{answer.board} ({answer.part})"} | {
        name.replace("_", " "): f"{number:,} of {capacity[name]:,} ({100 * number / capacity[name]:.0f} %)"
        for name, number in answer.resources.counted().items()}


def _speed_rows(speed: "Speed | None") -> dict[str, str]:
    """How fast a network is."""
    if speed is None:
        return {}
    rates = {"clock": speed.samples_per_second_compute, "memory": speed.samples_per_second_memory,
             f"link of {speed.bytes_per_sample:.0f} bytes a sample": speed.samples_per_second_link}
    return {
        "clock cycles a sample": f"{speed.cycles_per_sample:,.0f}",
        "samples a second": f"{speed.samples_per_second:,}, limited by its {speed.limit}: "
                            + ", ".join(f"{number:,} by its {name}" for name, number in rates.items()
                                        if number is not None),
    }


def _synth_table(answer: "Synthesis") -> str:
    rows: list[tuple[str, ...]] = [("block", "LUTs", "flip-flops", "block RAMs", "DSPs")]
    rows += [_counts(block.block, block) for block in answer.blocks]
    rows.append(_counts("total", answer))
    if answer.capacity:
        rows.append((answer.part or "", *(f"{answer.capacity[name]:,}"
                                          for name in ("luts", "flip_flops", "block_rams", "dsps"))))
    width = max(len(row[0]) for row in rows)
    lines = [f"{name:<{width}}" + "".join(f"{value:>12}" for value in values) for name, *values in rows]
    tools = ", ".join(f"{tool} {number}" for tool, number in answer.tool_versions.items())
    return "\n".join([*lines, "", f"{answer.target}: {answer.counted}", tools])


def _counts(name: str, cells: "Block | Synthesis") -> tuple[str, ...]:
    return name, *(f"{number:,}" for number in (cells.luts, cells.flip_flops, cells.block_rams, cells.dsps))
