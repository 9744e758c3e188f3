"""The program ``spinloom``.

Every command prints a short summary, or with ``--json`` one JSON object and nothing else, on standard output; progress
bars and errors, one line each, go to standard error. The exit status is 0 for success, 1 for a failure (a
co-simulation that differs among them), 2 for bad input, 130 when interrupted.
"""

import functools
import json
import sys
from pathlib import Path

import click

from ..config import Experiment, load, load_device, parse
from ..contract.errors import SpinloomError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spinloom", message="%(prog)s %(version)s")
def cli() -> None:
    """Networks that train inside crossbars of stochastic memory devices: golden model, RTL, and proof that they agree.

    CONFIG is the name of a preset (digits-dw5, mnist-dw5, ...) or the path of a TOML file.
    """


def _answers(command):
    """Gives ``command``, which returns a JSON object, its summary and its success, the option ``--json``."""
    @functools.wraps(command)
    def answering(as_json: bool, **arguments) -> int:
        answer, summary, success = command(**arguments)
        click.echo(json.dumps(answer) if as_json else summary)
        return 0 if success else 1
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(answering)


_config = click.argument("config")
_device = click.option("--device", metavar="DEVICE", help="Another device: of a TOML file, a kind or a preset.")
_data = click.option("--data", "data_dir", metavar="DIR",
                     help="Folder of the data set in IDX format; else SPINLOOM_DATA, else it is downloaded.")


@cli.command()
@_config
@click.option("--epochs", type=int, metavar="N", help="Epochs to train, instead of the configuration's.")
@click.option("--seed", type=int, metavar="N", help="Seed, instead of the configuration's.")
@click.option("--samples", type=int, metavar="N", help="Train on the first N samples only.")
@_device
@_data
@click.option("--out", metavar="DIR", help="Run folder; default runs/NAME.")
@click.option("--resume", metavar="DIR", help="Continue the interrupted run in this folder.")
@click.option("--reference", is_flag=True, help="Train by PyTorch, not the compiled trainer: slow, the same bits.")
@_answers
def train(config, epochs, seed, samples, device, data_dir, out, resume, reference):
    """Train in situ on the golden model, beside a floating-point baseline, and evaluate."""
    experiment = _override(load(config, device), epochs=epochs, seed=seed)
    if resume is not None:
        fixed = {"--epochs": epochs, "--seed": seed, "--samples": samples, "--device": device, "--out": out}
        for option, value in fixed.items():
            if value is not None:
                raise click.UsageError(f"{option} is fixed by the run that --resume continues; leave it out")
    from ..train import loop as training
    from ..train import transfer

    runner = transfer.run if experiment.transfer else training.run
    answer = runner(experiment, data_dir=data_dir, out=out, resume=resume, samples=samples, compiled=not reference)
    written = {
        "test accuracy before writing": f"{answer['precursor_accuracy']:.2f} %",
        "write pulses a cell": f"{answer['attempts_per_cell']:.3f}, at most {answer['most_attempts']}",
        "cells outside the margin": f"{answer['cells_outside_margin']:,} of {answer['cells']:,}",
    } if experiment.transfer else {}
    return answer, _table(written | {
        "test accuracy": f"{answer['test_accuracy']:.2f} %",
        "floating-point baseline": f"{answer['baseline_accuracy']:.2f} %",
        "programming events": f"{answer['programming_events']:,}",
        "samples a second": f"{answer['samples_per_second']:,}",
        "run folder": answer["out"],
    }), True


@cli.command()
@click.argument("run_folder", metavar="RUN")
@click.option("--drift", "seconds", type=click.FloatRange(min=0), multiple=True, metavar="SECONDS",
              help="Also so long after programming; may be given several times.")
@_data
@_answers
def evaluate(run_folder, seconds, data_dir):
    """Evaluate the network in the folder RUN of a run, also after its conductances have drifted."""
    from ..train import evaluate as evaluation

    answer = evaluation.run(run_folder, data_dir=data_dir, seconds=seconds)
    rows = {"test accuracy": f"{answer['test_accuracy']:.2f} %"}
    rows |= {f"after {row['seconds']:g} s": f"{row['test_accuracy']:.2f} %" for row in answer["drift"]}
    return answer, _table(rows), True


@cli.command()
@click.argument("names", nargs=-1, metavar="[PRESET]...")
@click.option("--epochs", type=int, metavar="N", help="Epochs to train, instead of each preset's.")
@_data
@click.option("--out", default="runs/reproduce", show_default=True, metavar="DIR",
              help="Folder for the runs and the table; what has run there already is not run again.")
@_answers
def reproduce(names, epochs, data_dir, out):
    """Train every preset on MNIST, and put them into one table beside their baselines and the papers' figures."""
    from ..study import reproduce as reproduction

    answer = reproduction.run(names, data_dir=data_dir, out=out, epochs=epochs)
    return answer, reproduction.table(answer["rows"], answer["float_probability"]), True


@cli.command()
@_config
@_device
@click.option("--out", required=True, metavar="DIR", help="Folder to write to.")
@click.option("--axi", is_flag=True, help="Behind AXI4-Lite and AXI4-Stream, with the registers for C and Python.")
@_answers
def generate(config, device, out, axi):
    """Write the Verilog of a network, and its description in Markdown and JSON."""
    experiment = load(config, device)
    if axi:
        from ..hw.export.generate_axi import generate as write
    else:
        from ..hw.export.generate import generate as write

    files = [str(path) for path in write(experiment, out)]
    return {"files": files}, "\n".join(files), True


@cli.command()
@_config
@click.option("--samples", type=int, default=500, show_default=True, metavar="N", help="Samples to train on.")
@click.option("--simulator", default="verilator", show_default=True, metavar="NAME", help="icarus or verilator.")
@click.option("--digits", is_flag=True, help="On the digits, with hidden layers of 16 columns: for slow simulators.")
@_device
@_data
@_answers
def cosim(config, samples, simulator, digits, device, data_dir):
    """Train golden model and RTL on the same samples, and compare every bit."""
    experiment = load(config, device)
    from ..sim import cosim as cosimulation
    from ..sim.shrink import shrink

    experiment = shrink(experiment) if digits else experiment
    answer = cosimulation.run(experiment, samples=samples, simulator=simulator, data_dir=data_dir, progress=True)
    rows = {"bit-exact": "yes" if answer["bit_exact"] else "NO", "simulator": answer["simulator"],
            "samples": answer["samples"]}
    if answer["bit_exact"]:
        rows["cycles a sample"] = f"{answer['cycles_per_sample']:.1f}"
        rows["bound"] = f"{answer['bound_cycles_per_sample']:.1f}"
    else:
        rows |= {"first difference": answer["first_difference"], "recorded": "; ".join(answer["notes"])}
    return answer, _table(rows), answer["bit_exact"]


@cli.command()
@_config
@click.option("--samples", type=int, metavar="N", help="Train on the first N samples of the epoch only.")
@_data
@click.option("--out", metavar="DIR", help="Folder for checkpoint and result; default runs/NAME-epoch.")
@click.option("--resume", is_flag=True, help="Continue the interrupted run in that folder.")
@_answers
def epoch(config, samples, data_dir, out, resume):
    """Train the first epoch in simulated RTL (Verilator, compiled), and compare every bit with the golden model."""
    experiment = load(config)
    from ..sim import epoch as epochs

    answer = epochs.run(experiment, data_dir=data_dir, out=out, resume=resume, samples=samples, progress=True)
    rows = {"bit-exact": "yes" if answer["bit_exact"] else "NO", "samples": f"{answer['samples']:,}"}
    if answer["bit_exact"]:
        rows |= {
            "training accuracy": f"{answer['training_accuracy']:.2f} %",
            "cycles a sample": f"{answer['cycles_per_sample']:.1f}, {answer['cycles_vs_bound']:.3f} times the bound, "
                               f"{answer['cycles_vs_reads']:.3f} times the reads",
            "simulated": f"{answer['simulated_cycles_per_second']:,.0f} cycles/s, "
                         f"{answer['rtl_samples_per_second']:,.0f} samples/s",
            "digest of the state": answer["digest"],
        }
    else:
        rows["first difference"] = answer["first_difference"]
    return answer, _table(rows), answer["bit_exact"]


@cli.command()
@_config
@click.option("--target", metavar="NAME", help="Family: ice40, ecp5 (unless given), gowin or generic.")
@click.option("--board", metavar="NAME", help="Go on to a bitstream for ulx3s, icebreaker or tang-nano-20k.")
@click.option("--out", metavar="DIR", help="With --board: folder for the bitstream; default runs/NAME-BOARD.")
@_answers
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

    with tqdm(bar_format="{elapsed}: {desc}", file=sys.stderr) as bar:
        answer = bitstream.build(experiment, find(board), out,
                                 lambda step: bar.set_description_str(" ".join(step.split())[:80]))
    path = answer["critical_path"]
    return answer, _table({
        **_board_rows(answer),
        "clock": f"{answer['clock_mhz']:g} MHz, {'reached' if answer['timing_met'] else 'NOT REACHED'}: "
                 f"at most {answer['fmax_mhz']:.1f} MHz",
        "critical path": f"{path['from']} to {path['to']}, {path['ns']:.1f} ns, {path['routing_ns']:.1f} of them wires",
        **_speed_rows(answer),
        "bitstream": answer["bitstream"],
    }), answer["timing_met"]


@cli.command()
@_config
@click.option("--board", metavar="NAME", help="For this board only.")
@_answers
def estimate(config, board):
    """Estimate, without synthesis, what the network needs and reaches on every board."""
    experiment = load(config)
    from ..boards.catalogue import BOARDS, find
    from ..boards.estimate import estimate as estimated

    answers = [estimated(experiment, each) for each in ([find(board)] if board else BOARDS.values())]
    tables = [_table({
        **_board_rows(answer),
        "fits": "yes" if answer["fits"] else "no; the largest that does: " + (answer["largest"] or "none"),
        **_speed_rows(answer),
    }) for answer in answers]
    return {"experiment": experiment.name, "boards": answers}, "\n\n".join(tables), True


@cli.group("device")
def devices() -> None:
    """Devices: from measurements, and what they are.

    DEVICE is the path of a TOML file, a device's or an experiment's, or the name of a kind (domain_wall, ...) or
    preset.
    """


@devices.command()
@click.argument("data")
@click.option("--out", required=True, metavar="FILE", help="File of the device, which must end in .toml.")
@click.option("--kind", metavar="KIND", help="domain_wall, incremental, pcm_pair or mtj; else as the data look.")
@click.option("--states", type=int, metavar="N", help="Number of states, instead of what the data show.")
@click.option("--segments", type=int, default=8, show_default=True, metavar="N",
              help="Parts of the range in which the steps of an incremental device are learned.")
@click.option("--sub-bits", type=int, metavar="N", help="log2 of the sub-levels of a level; else as fine as needed.")
@click.option("--unit", default="", metavar="UNIT", help="Unit of the conductances, for texts: uS, ...")
@_answers
def fit(data, out, kind, states, segments, sub_bits, unit):
    """Make a device of the measurements in DATA, a CSV file with the columns before, pulse and after: conductance
    before a write pulse, the state aimed at or a number whose sign is the direction, conductance after. A column length
    gives pulse lengths, a column device names devices."""
    from ..devices import fit as fitting
    from ..devices import measurements

    measured = measurements.read(data)
    why = "as asked for"
    if kind is None:
        kind, why = fitting.guess(measured)
    found = fitting.fit(measured, kind, fitting.Options(states, segments, sub_bits, unit))
    fitting.save(out, found.device)
    answer = {"kind": kind, "why": why, "pulses": len(measured), "level": found.level, "unit": unit,
              "table": found.table, "notes": found.notes, "device": found.device.model_dump(mode="json"), "out": out}
    head = {"kind": f"{kind}; {why}", "pulses": f"{len(measured):,}", "one level": f"{found.level:.5g} {unit}".strip(),
            "sub-levels a level": 2**found.device.sub_bits, "device": out}
    return answer, "\n".join([_table(head), "", _columns(found.table), *found.notes]), True


@devices.command()
@click.argument("device")
@click.option("--out", metavar="FILE", help="Picture; default runs/device-NAME.png.")
@_answers
def show(device, out):
    """Draw a device, and print its integer tables beside the figures that they stand for."""
    specification = load_device(device)
    from ..devices import show as showing
    from ..system.files import replace

    name = Path(device).stem
    picture = Path(out) if out is not None else Path("runs") / f"device-{name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    replace(picture, lambda file: showing.draw(file, specification, name))
    entries = showing.entries(specification)
    tables = specification.compile()
    answer = {"kind": specification.kind, "pulse": tables.pulse, "kernel": tables.pulse,
              "states": tables.states, "g_bits": tables.g_bits,
              "tables": entries, "device": specification.model_dump(mode="json"), "picture": str(picture)}
    head = {"device": f"{device}, {specification.kind}", "pulse": tables.pulse, "states": tables.states,
            "sub-levels a level": 2**tables.sub_bits, "bits of g": tables.g_bits,
            **({"measured": specification.measured} if specification.measured else {}), "picture": picture}
    return answer, "\n".join([_table(head), "", _columns(entries)]), True


@devices.command()
@click.argument("device")
@click.option("--out", required=True, metavar="FILE", help="CSV file to write.")
@click.option("--pulses", type=int, default=5000, show_default=True, metavar="N", help="Write pulses.")
@click.option("--devices", "count", type=int, default=1, show_default=True, metavar="N", help="Devices that get them.")
@click.option("--read-noise", type=click.FloatRange(min=0), default=0.0, show_default=True, metavar="LEVELS",
              help="Standard deviation of a reading.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, metavar="N",
              help="Of the random numbers.")
@_answers
def measure(device, out, pulses, count, read_noise, seed):
    """Write the measurements that a DEVICE would give: data to try fit on, in the form that it reads."""
    specification = load_device(device)
    from ..devices import measurements

    measurements.write(out, measurements.measure(specification, pulses, seed, count, read_noise))
    return {"pulses": pulses, "out": out}, _table({"pulses": f"{pulses:,}", "measurements": out}), True


@cli.command()
@click.argument("run_folder", metavar="RUN")
@click.option("--costs", metavar="FILE", help="TOML file of costs, instead of study/energy.toml.")
@_answers
def energy(run_folder, costs):
    """What the training run in the folder RUN would cost in joules, event by event, beside a digital implementation."""
    from ..study import energy as account

    answer = account.run(run_folder, account.load_costs(costs) if costs is not None else None)
    samples = max(answer["samples"], 1)
    head = {"device": answer["kind"], "samples trained": f"{answer['samples']:,}",
            "energy": f"{_joules(answer['joules'])}, {_joules(answer['joules'] / samples)} a sample",
            "of this, by placeholders": f"{100 * answer['placeholder_share']:.1f} %",
            "digital, 32-bit float": f"{_joules(answer['digital_joules'])}, "
                                     f"{_joules(answer['digital_joules'] / samples)} a sample",
            "ratio": f"{answer['ratio']:.1f}" if answer["ratio"] else "none"}
    parts = [_columns([{"event": row["event"], "number": row["number"], "pJ each": row["picojoules"],
                        "energy": _joules(row["joules"]), "share": f"{100 * row['share']:.1f} %",
                        "standing": row["standing"]} for row in answer[part]]) for part in ("events", "digital")]
    sources = [f"{row['event']}: {row['standing']}: {row['source']}" for part in ("events", "digital")
               for row in answer[part] if row["source"]]
    return answer, "\n".join([_table(head), "", parts[0], "", parts[1], "", *sources, *answer["notes"]]), True


@cli.command()
@click.option("--out", default="runs/demo", show_default=True, metavar="DIR", help="Folder for what it makes.")
@_answers
def demo(out):
    """All of the above on digits-dw5, in a few minutes, with a summary and a picture."""
    from ..study import demo as demonstration

    answer = demonstration.run(load("digits-dw5"), Path(out))
    return answer, demonstration.summary(answer), answer["bit_exact"]


@cli.command()
@click.option("--quick", is_flag=True, help="On digits-dw5 only; about a minute.")
@_data
@click.option("--out", default="runs/bench", show_default=True, metavar="DIR", help="Folder for tables and plot.")
@_answers
def bench(quick, data_dir, out):
    """Measure every speed in one run: golden model, RTL, simulators, scaling."""
    from ..study import bench as benchmark

    answer = benchmark.run(quick=quick, data_dir=data_dir, out=out, progress=True)
    return answer, benchmark.summary(answer), True


@cli.command("run")
@_config
@_device
@click.option("--port", metavar="DEVICE", help="Serial device that the board hangs on, such as /dev/ttyUSB0.")
@click.option("--simulate", is_flag=True, help="Simulate the board, behind a pseudo-terminal.")
@click.option("--baud", type=int, default=3_000_000, show_default=True, metavar="N", help="Bits a second.")
@click.option("--faults", type=float, default=0.0, metavar="F", help="Damage this fraction of the simulated bytes.")
@click.option("--epochs", type=int, metavar="N", help="Epochs to train, instead of the configuration's.")
@click.option("--samples", type=int, metavar="N", help="Train on the first N samples of all epochs only.")
@click.option("--test", "test_samples", type=int, metavar="N", help="Evaluate on the first N test samples only.")
@_data
@click.option("--out", metavar="DIR", help="Folder for checkpoint and result; default runs/NAME-board.")
@click.option("--resume", is_flag=True, help="Continue the interrupted run in that folder.")
@_answers
def run_on_board(config, device, epochs, **options):
    """Train and evaluate on a board, and compare every bit with the golden model.

    The board holds the bitstream of CONFIG, which serves another DEVICE of the same kind.
    """
    built, experiment = load(config), _override(load(config, device), epochs=epochs)
    from ..boards import run as backend

    answer = backend.run(experiment, built=built, progress=True, **options)
    rows = {"bit-exact": "yes" if answer["bit_exact"] else "NO", "samples": f"{answer['samples']:,}"}
    if answer["bit_exact"]:
        rows["test accuracy"] = f"{answer['test_accuracy']:.2f} % of {answer['test_samples']:,}"
        if answer["samples_per_second"]:
            rows["samples a second"] = f"{answer['samples_per_second']:,}"
            rows["link"] = (f"{answer['link_bytes_per_sample']} bytes a sample; {answer['baud']:,} baud allow "
                            f"{answer['samples_per_second_link']:,} samples/s")
        rows |= {"frames sent again": answer["retransmissions"], "resets": answer["resets"],
                 "digest of the state": answer["digest"]}
    else:
        rows["first difference"] = answer["first_difference"]
    return answer, _table(rows), answer["bit_exact"]


def _override(experiment: Experiment, **fields) -> Experiment:
    """``experiment`` with the fields that are not None, validated again."""
    given = {name: value for name, value in fields.items() if value is not None}
    return parse(experiment.model_dump() | given, experiment.name) if given else experiment


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


def _table(rows: dict) -> str:
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def _columns(rows: list[dict]) -> str:
    """A table with a line a row, under the names of the columns; numbers to the right."""
    def text(value) -> str:
        return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)

    cells = [[text(value) for value in row.values()] for row in rows]
    names = list(rows[0]) if rows else []
    widths = [max(len(line[index]) for line in [names, *cells]) for index in range(len(names))]
    right = [isinstance(value, int | float) for value in (rows[0].values() if rows else ())]
    return "\n".join("  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in
                               zip(line, widths, right, strict=True)).rstrip() for line in [names, *cells])


def _joules(value: float) -> str:
    for unit, size in (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-12:.3g} pJ"


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


def main() -> None:
    """Entry point: runs the program and ends the process with its exit status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the program with ``arguments`` and return its exit status. Errors meant for people, those that Spinloom's own
    classes stand for, end in one line; any other exception is a defect and passes through."""
    try:
        return cli.main(arguments, prog_name="spinloom", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        status, message = error.exit_code, error.format_message()
    except (KeyboardInterrupt, click.Abort):
        status, message = INTERRUPTED, "interrupted"
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None:
            raise
        status, message = 2, f"{error.filename}: {error.strerror}"
    except SpinloomError as error:
        status, message = error.exit_status, str(error)
    click.echo("spinloom: " + " ".join(message.split()), err=True)
    return status
