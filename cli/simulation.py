"""Commands that train in hardware, simulated or real, beside the golden model."""

from typing import TYPE_CHECKING, Any

import click

from ..config import load
from ..contract.results import Result
from ..render.text import table
from .common import answers, config_argument, data_option, device_option, override, overwrite_option, worn
from .options import EPOCHS, SAMPLES, Real, Whole

if TYPE_CHECKING:
    from ..boards.supply import MemoryFigures


@click.command()
@config_argument
@click.option("--samples", type=SAMPLES, default=500, show_default=True, metavar="N", help="Samples to train on.")
@click.option("--simulator", default="verilator", show_default=True, metavar="NAME", help="icarus or verilator.")
@click.option("--netlist", metavar="FAMILY", help="Simulate what Yosys makes of the RTL, for ecp5, ice40, gowin, xc7.")
@click.option("--trace", is_flag=True, help="Compare every write pulse, too.")
@click.option("--digits", is_flag=True, help="On the digits, with narrow layers, small kernels: for slow simulators.")
@device_option
@data_option
@answers
def cosim(config: str, samples: int, simulator: str, netlist: str | None, trace: bool, digits: bool,
          device: str | None, data_dir: str | None) -> tuple[Result, str, bool]:
    """Train golden model and RTL on the same samples, and compare every bit."""
    experiment = load(config, device)
    from ..sim import cosim as cosimulation
    from ..sim.shrink import shrink

    experiment = shrink(experiment) if digits else experiment
    answer = cosimulation.run(experiment, samples=samples, simulator=simulator, data_dir=data_dir, progress=True,
                              trace=trace, netlist=netlist)
    rows: dict[str, Any] = {"bit-exact": "yes" if answer.bit_exact else "NO", "simulator": answer.simulator,
                            "samples": answer.samples}
    if answer.cells:
        rows["netlist"] = f"{answer.netlist}, {sum(answer.cells.values()):,} cells"
    if answer.bit_exact:
        rows["cycles a sample"] = f"{answer.cycles_per_sample:.1f}"
        if answer.bound_cycles_per_sample:  # a host trains without it
            rows["bound"] = f"{answer.bound_cycles_per_sample:.1f}"
    else:
        rows |= {"first difference": answer.first_difference, "recorded": "; ".join(answer.notes)}
    return answer, table(rows), answer.bit_exact


@click.command()
@config_argument
@click.option("--stored", is_flag=True, help="Let the network take the samples from its memory.")
@click.option("--samples", type=SAMPLES, metavar="N", help="Train on the first N samples of the epoch only.")
@click.option("--trace", is_flag=True, help="Compare every write pulse, too, and keep them for spinloom trace.")
@data_option
@click.option("--out", metavar="DIR", help="Folder for checkpoint and result; default runs/NAME-DIGEST-epoch.")
@click.option("--resume", is_flag=True, help="Continue the interrupted run in that folder.")
@overwrite_option
@answers
def epoch(config: str, **options: Any) -> tuple[Result, str, bool]:
    """Train the first epoch in simulated RTL (Verilator, compiled), and compare every bit with the golden model."""
    experiment = load(config)
    from ..sim import epoch as epochs

    answer = epochs.run(experiment, progress=True, **options)
    rows: dict[str, Any] = {"bit-exact": "yes" if answer.bit_exact else "NO", "samples": f"{answer.samples:,}"}
    if answer.bit_exact:
        rows |= {
            "training accuracy": f"{answer.training_accuracy:.2f} %",
            "cycles a sample": f"{answer.cycles_per_sample:.1f}, {answer.cycles_vs_bound:.3f} times the bound, "
                               f"{answer.cycles_vs_reads:.3f} times the reads",
        }
        if answer.stalls is not None:
            rows["stalls"] = f"{answer.stalls:.2f} % of the cycles"
        if answer.simulated_cycles_per_second and answer.rtl_samples_per_second:
            rows["simulated"] = (f"{answer.simulated_cycles_per_second:,.0f} cycles/s, "
                                 f"{answer.rtl_samples_per_second:,.0f} samples/s")
        if answer.traced is not None:
            rows["write pulses"] = f"{answer.traced:,}, all equal"
        rows |= worn(answer.wear)
        rows["digest of the state"] = answer.digest
    else:
        rows["first difference"] = answer.first_difference
    return answer, table(rows), answer.bit_exact


@click.command("run")
@config_argument
@device_option
@click.option("--port", metavar="PORT", help="Serial device that the board hangs on, such as /dev/ttyUSB0.")
@click.option("--simulate", is_flag=True, help="Simulate the board, behind a pseudo-terminal.")
@click.option("--stored", is_flag=True, help="Train from the board's memory, which is filled with the data set first.")
@click.option("--filled", is_flag=True, help="The simulated board's SDRAM holds the data set from the beginning.")
@click.option("--baud", type=Whole(300, 50_000_000), default=3_000_000, show_default=True, metavar="N",
              help="Bits a second.")
@click.option("--faults", type=Real(0, 0.999), default=0.0, metavar="F",
              help="Damage this fraction of the simulated bytes.")
@click.option("--epochs", type=EPOCHS, metavar="N", help="Epochs to train, instead of the configuration's.")
@click.option("--samples", type=SAMPLES, metavar="N", help="Train on the first N samples of all epochs only.")
@click.option("--test", "test_samples", type=SAMPLES, metavar="N", help="Evaluate on the first N test samples only.")
@data_option
@click.option("--out", metavar="DIR", help="Folder for checkpoint and result; default runs/NAME-DIGEST-board.")
@click.option("--resume", is_flag=True, help="Continue the interrupted run in that folder.")
@overwrite_option
@answers
def run_on_board(config: str, device: str | None, epochs: int | None, **options: Any) -> tuple[Result, str, bool]:
    """Train and evaluate on a board, and compare every bit with the golden model.

    The board holds the bitstream of CONFIG, which serves another DEVICE of the same kind.
    """
    built, experiment = load(config), override(load(config, device), epochs=epochs)
    from ..boards import run as backend

    answer = backend.run(experiment, built=built, progress=True, **options)
    rows: dict[str, Any] = {"bit-exact": "yes" if answer.bit_exact else "NO", "samples": f"{answer.samples:,}"}
    if answer.bit_exact:
        rows["test accuracy"] = f"{answer.test_accuracy:.2f} % of {answer.test_samples:,}"
        if answer.samples_per_second:
            rows["samples a second"] = f"{answer.samples_per_second:,}"
            rows["link"] = (f"{answer.link_bytes_per_sample} bytes a sample; {answer.baud:,} baud allow "
                            f"{answer.samples_per_second_link:,} samples/s")
        if answer.memory:
            rows |= _memory_rows(answer.memory)
        rows |= worn(answer.wear)
        rows |= {"frames sent again": answer.retransmissions, "resets": answer.resets,
                 "digest of the state": answer.digest}
    else:
        rows["first difference"] = answer.first_difference
    return answer, table(rows), answer.bit_exact


def _memory_rows(memory: "MemoryFigures") -> dict[str, Any]:
    """What training from the board's memory took."""
    rows: dict[str, Any] = {}
    if memory.upload_bytes:
        rows["upload"] = f"{memory.upload_bytes:,} bytes in {memory.upload_seconds:,.1f} s"
    if memory.cycles_per_sample:
        rows["clock cycles"] = (f"{memory.cycles_per_sample:,.1f} a sample, {memory.stalls:.2f} % of them waiting for "
                                "memory")
    if memory.repairs:
        rows["damaged in memory"] = f"{memory.repairs} times, and sent again"
    return rows
