"""Commands that make hardware: Verilog, counts of cells, bitstreams, estimates."""

import sys

import click

from ..config import Experiment, load
from ..render.text import table
from .common import answers, config_argument, device_option


@click.command()
@config_argument
@device_option
@click.option("--out", required=True, metavar="DIR", help="Folder to write to.")
@click.option("--axi", is_flag=True, help="Behind AXI4-Lite and AXI4-Stream, with the registers for C and Python.")
@answers
def generate(config, device, out, axi):
    """Write the Verilog of a network, and its description in Markdown and JSON."""
    experiment = load(config, device)
    if axi:
        from ..hw.export.generate_axi import generate as write
    else:
        from ..hw.export.generate import generate as write

    files = [str(path) for path in write(experiment, out)]
    return {"files": files}, "\n".join(files), True


@click.command()
@config_argument
@click.option("--target", metavar="NAME", help="Family: ice40, ecp5 (unless given), gowin or generic.")
@click.option("--board", metavar="NAME", help="Go on to a bitstream for ulx3s, icebreaker or tang-nano-20k.")
@click.option("--out", metavar="DIR", help="With --board: folder for the bitstream; default runs/NAME-BOARD.")
@answers
def synth(config, target, board, out):
    """Map the network to an FPGA family with Yosys and count its cells; or build a board's bitstream."""
    experiment = load(config)
    if board is None:
        if out is not None:
            raise click.UsageError("--out is for the bitstream of a --board")
        from ..hw.export import synth as synthesis

        answer = _synthesise(synthesis, experiment, target or "ecp5")
        return answer, _synth_table(answer, synthesis.RESOURCES), True
    if target is not None:
        raise click.UsageError("--target and --board exclude one another: a board has its own family")
    from tqdm import tqdm

    from ..boards import bitstream
    from ..boards.catalogue import find

    wanted = find(board)
    with tqdm(bar_format="{elapsed}: {desc}", file=sys.stderr) as bar:
        answer = bitstream.build(experiment, wanted, out,
                                 lambda step: bar.set_description_str(" ".join(step.split())[:80]))
    path = answer["critical_path"]
    return answer, table({
        **_board_rows(answer),
        "clock": f"{answer['clock_mhz']:g} MHz, {'reached' if answer['timing_met'] else 'NOT REACHED'}: "
                 f"at most {answer['fmax_mhz']:.1f} MHz",
        "critical path": f"{path['from']} to {path['to']}, {path['ns']:.1f} ns, {path['routing_ns']:.1f} of them wires",
        **_speed_rows(answer),
        "bitstream": answer["bitstream"],
    }), answer["timing_met"]


@click.command()
@config_argument
@click.option("--board", metavar="NAME", help="For this board only.")
@answers
def estimate(config, board):
    """Estimate, without synthesis, what the network needs and reaches on every board."""
    experiment = load(config)
    from ..boards.catalogue import BOARDS, find
    from ..boards.estimate import estimate as estimated

    answers = [estimated(experiment, each) for each in ([find(board)] if board else BOARDS.values())]
    tables = [table({
        **_board_rows(answer),
        "fits": "yes" if answer["fits"] else "no; the largest that does: " + (answer["largest"] or "none"),
        **_speed_rows(answer),
    }) for answer in answers]
    return {"experiment": experiment.name, "boards": answers}, "\n\n".join(tables), True


def _synthesise(synthesis, experiment: Experiment, target: str) -> dict:
    """``hw.synth.synthesise`` with the step that Yosys is at and the time on standard error."""
    from tqdm import tqdm

    synthesis.check(target)
    with tqdm(bar_format="yosys, {elapsed}: {desc}", file=sys.stderr) as bar:
        return synthesis.synthesise(experiment, target, lambda step: bar.set_description_str(step[:80]))


def _board_rows(answer: dict) -> dict:
    """What a network needs of a board's part."""
    capacity = answer["capacity"]
    return {"board": f"{answer['board']} ({answer['part']})"} | {
        name.replace("_", " "): f"{answer[name]:,} of {capacity[name]:,} ({100 * answer[name] / capacity[name]:.0f} %)"
        for name in capacity if name in answer}


def _speed_rows(answer: dict) -> dict:
    return {
        "clocks a sample": f"{answer['cycles_per_sample']:,.0f}",
        "samples a second": f"{answer['samples_per_second_compute']:,} by its clock, "
                            f"{answer['samples_per_second_link']:,} by its link of "
                            f"{answer['bytes_per_sample']:.0f} bytes a sample",
    }


def _synth_table(answer: dict, resources: tuple[str, ...]) -> str:
    header = ("block", "LUTs", "flip-flops", "block RAMs", "DSPs")
    rows = [(block["block"], *(block[resource] for resource in resources)) for block in answer["blocks"]]
    rows.append(("total", *(answer[resource] for resource in resources)))
    if answer["part"]:
        rows.append((answer["part"], *(answer["capacity"][resource] for resource in resources)))
    width = max(len(row[0]) for row in rows)
    lines = [f"{name:<{width}}" + "".join(f"{value:>12,}" if isinstance(value, int) else f"{value:>12}"
                                          for value in values) for name, *values in (header, *rows)]
    tools = ", ".join(f"{tool} {number}" for tool, number in answer["tool_versions"].items())
    return "\n".join([*lines, "", f"{answer['target']}: {answer['counted']}", tools])
