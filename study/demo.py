"""The whole of Spinloom on one small network: train, generate, co-simulate, synthesise; a summary and a picture."""

import json
import time
from pathlib import Path

import click

from ..config import Experiment
from ..render.figure import decorate
from ..system.files import replace
from ..system.progress import bar
from .demo_figure import draw
from .demo_result import DemoResult

SAMPLES = {"verilator": 500, "icarus": 50}
"""The most samples that golden model and RTL train on, on each simulator; Icarus is the slower by far."""
CYCLES = {"verilator": 80_000, "icarus": 8000}
"""The most clock cycles on each simulator, as estimated: networks that take many for a sample get fewer samples."""
TARGET = "ecp5"


def run(experiment: Experiment, out: Path, data_dir: str | None = None) -> DemoResult:
    """Generate, train, co-simulate on every simulator installed and synthesise. All files go to the folder ``out``,
    the result too, as ``demo.json``."""
    from ..boards.speed import cycles_per_sample
    from ..hw.export.generate import generate
    from ..hw.export.synth import synthesise
    from ..sim import cosim
    from ..sim.simulators import toolchain
    from ..train import loop as train

    started = time.monotonic()
    simulators = [name for name in SAMPLES if _usable(name)]
    if not simulators:
        toolchain.require("verilator")
    _announce(1, f"writing the Verilog of {experiment.name}")
    generated = {"files": [str(path) for path in generate(experiment, out / "verilog")]}
    _announce(2, f"training it in situ, {experiment.epochs} epochs, and a floating-point baseline")
    trained = train.run(experiment, data_dir=data_dir, out=out / "run", overwrite=True)
    cosimulated = []
    for simulator in simulators:
        samples = max(1, min(SAMPLES[simulator], int(CYCLES[simulator] / cycles_per_sample(experiment))))
        _announce(3, f"training golden model and RTL on the same {samples} samples, on {simulator}")
        cosimulated.append(cosim.run(experiment, samples=samples, simulator=simulator, data_dir=data_dir,
                                     progress=True))
    _announce(4, f"mapping the RTL to {TARGET} with Yosys")
    with bar(bar_format="yosys, {elapsed}: {desc}") as shown:
        synthesised = synthesise(experiment, TARGET, lambda step: shown.set_description_str(step[:80]))
    result = DemoResult(
        train=trained, generate=generated, cosim=tuple(cosimulated), synth=synthesised,
        bit_exact=all(each.bit_exact for each in cosimulated), picture=str(out / "demo.png"),
        seconds=round(time.monotonic() - started))
    replace(out / "demo.json", lambda file: file.write((json.dumps(result.to_json(), indent=2) + "\n").encode()))
    decorate(out / "demo.png", lambda file: draw(file, experiment, result, out / "run"))
    return result


def _usable(simulator: str) -> bool:
    from ..sim.simulators import toolchain

    try:
        toolchain.require(simulator)
    except toolchain.SimulatorError as error:
        click.echo(f"left out: {error}", err=True)
        return False
    return True


def _announce(step: int, text: str) -> None:
    click.echo(f"[{step}/4] {text}", err=True)
