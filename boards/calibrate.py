"""``python -m spinloom.boards.calibrate``: builds the designs that the estimate is fitted to, and writes its weights.

Each design is synthesised and packed for its board, which settles its LUTs, block RAMs and DSPs; with ``--place`` it is
placed and routed as well. That takes several minutes a design. Each design is saved when it is built, and built again
only with ``--again``.
"""

import tempfile
from typing import Any

import click

from ..config import Experiment, load, parse
from ..hw.export.tool import SynthesisError
from ..system import progress
from . import calibration
from .board import Board
from .calibration import Calibration, Design
from .catalogue import BOARDS, find
from .estimate import counted_luts, structure, weigh
from .place import pack, place
from .results import Resources


def _design(inputs: int, *layers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The document of an experiment."""
    return {"input": {"count": inputs}, "device": {"kind": "domain_wall"}, "layers": list(layers)} | fields


_NARROW: dict[str, Any] = {"chi_bits": 10, "chi_frac": 8, "adcs": 1}
_STEEP: dict[str, Any] = {"weight_step": -2, "z_frac": 6}
_CONV: dict[str, Any] = {"kind": "conv", "kernel": 5, "pool": 2, "rate_offset": 1}
_FINE: dict[str, Any] = {"delta_bits": 10, "delta_frac": 10}
_LAST: dict[str, Any] = {"weight_step": -1, "z_bits": 8, "z_frac": 4}

DESIGNS: dict[str, dict[str, Any] | str] = {
    "one layer, 2 lanes": _design(64, {"cols": 10, "lanes": 2} | _LAST),
    "icebreaker-mnist": "icebreaker-mnist",
    "one layer, squared hinge": _design(100, {"cols": 6, "lanes": 1} | _LAST | _NARROW, loss="squared_hinge"),
    "two layers, 2 lanes": _design(32, {"cols": 8, "lanes": 2} | _STEEP | _NARROW, {"cols": 4, "lanes": 2} | _LAST),
    "two layers, 8 lanes": _design(64, {"cols": 32, "lanes": 8} | _STEEP, {"cols": 10, "lanes": 5} | _LAST),
    "one layer, 10 lanes, wide residuals": _design(196, {"cols": 10, "chi_bits": 20, "chi_frac": 16} | _LAST),
    "three layers": _design(64, {"cols": 16, "lanes": 8} | _STEEP, {"cols": 16, "lanes": 4} | _STEEP,
                            {"cols": 10, "lanes": 2} | _LAST),
    "deep arrays, 4 lanes": _design(784, {"cols": 32, "lanes": 4, "chi_bits": 12, "chi_frac": 9} | _STEEP,
                                    {"cols": 10, "lanes": 2} | _LAST),
    "many lanes, narrow": _design(64, {"cols": 24, "lanes": 12} | _STEEP | _NARROW, {"cols": 10, "lanes": 5} | _LAST),
    "digits-dw5": "digits-dw5",
    **{f"128 columns, {lanes} lanes": _design(64, {"cols": 128, "lanes": lanes} | _STEEP,
                                              {"cols": 10, "lanes": 5} | _LAST) for lanes in (16, 64)},
    "ulx3s-mnist": "ulx3s-mnist",
    "digits-conv-dw5": "digits-conv-dw5",
    "convolutions, few lanes": _design(
        784, _CONV | {"cols": 16, "lanes": 4, "delta_bits": 8, "delta_frac": 8} | _STEEP,
        _CONV | {"cols": 32, "lanes": 8, "weight_step": -3, "z_frac": 5} | _FINE,
        {"cols": 128, "lanes": 4, "weight_step": -4, "z_frac": 5} | _FINE,
        {"cols": 10, "lanes": 2, "weight_step": -2, "z_bits": 8, "z_frac": 4},
        input={"map": [28, 28, 1]}, order="permuted", store={"memory": "sdram", "words": 8_388_608}, epochs=2,
        learning_rate_shifts=[6, 9]),
    "ulx3s-lenet-stored": "ulx3s-lenet-stored",
    "ulx3s-lenet": "ulx3s-lenet",
    "ulx3s-mnist-fast": "ulx3s-mnist-fast",
}
"""Designs, by what is particular about them, small ones first: documents or presets."""
LARGEST = {"ulx3s": "ulx3s-mnist-fast", "icebreaker": "two layers, 2 lanes", "tang-nano-20k": "many lanes, narrow"}
"""The last of these designs that is built for a board."""
ELSEWHERE = 0.007
"""What an error counts for a board if the design was built for another one. LUTs have four inputs in all families, so
this settles what a board's own designs leave open. It is the share with which `accuracy` finds the smallest errors."""


def experiment(name: str) -> Experiment:
    """The design ``name`` as an experiment."""
    design = DESIGNS[name]
    return load(design) if isinstance(design, str) else parse(design, name)


def build(name: str, board: Board, *, placed: bool) -> Design:
    """Build the design ``name`` for ``board``, and place and route it if it is to be ``placed``."""
    with tempfile.TemporaryDirectory(prefix="spinloom-calibrate-") as folder, \
            progress.bar(bar_format="{elapsed} {desc}", desc=f"{board.name}: {name}") as bar:
        def step(text: str) -> None:
            bar.set_description_str(f"{board.name}: {name}: {text}"[:110])

        reached: dict[str, Any] = {}
        if placed:
            made = place(experiment(name), board, folder, progress=step)
            needed = made.resources
            reached = {"fmax_mhz": made.fmax_mhz, "critical_path": made.critical_path,
                       "tool_versions": made.tool_versions}
        else:
            needed = pack(experiment(name), board, folder, progress=step)
    return Design(design=name, board=board.name, placed=placed, **reached,
                  resources=Resources(luts=needed.luts, block_rams=needed.block_rams, dsps=needed.dsps))


def fitted(board: Board, designs: list[Design]) -> dict[str, float]:
    """The weights of ``estimate.structure`` for ``board`` that follow from ``designs``. Those that were built for
    another board count too, but only ``ELSEWHERE`` times."""
    built = [(experiment(design.design), find(design.board)) for design in designs]
    return weigh([structure(*each) for each in built],
                 [design.resources.luts - counted_luts(*each) for design, each in zip(designs, built, strict=True)],
                 [1 if where == board else ELSEWHERE for _, where in built])


def save(*built: Design) -> None:
    """Put designs into ``calibration.json``, and the weights that follow from all designs that are there."""
    new = {(design.design, design.board) for design in built}
    designs = [design for design in calibration.read().designs if (design.design, design.board) not in new]
    order = {(board, name): (place, index) for place, board in enumerate(BOARDS) for index, name in enumerate(DESIGNS)}
    designs = sorted([*designs, *built], key=lambda design: order[design.board, design.design])
    weights = {board.family: fitted(board, designs) for board in BOARDS.values()}
    calibration.write(Calibration(weights=weights, designs=tuple(designs)))


@click.command(help=__doc__.partition("\n")[0])
@click.option("--board", "boards", multiple=True, type=click.Choice(list(BOARDS)), help="Only this board.")
@click.option("--place", "placed", is_flag=True, help="Place and route the designs.")
@click.option("--design", "only", multiple=True, type=click.Choice(list(DESIGNS)), help="Only this design.")
@click.option("--again", is_flag=True, help="Build designs that are known, too.")
def main(boards: tuple[str, ...], placed: bool, only: tuple[str, ...], again: bool) -> None:
    """Build what is asked for and not known yet."""
    names = list(DESIGNS)
    for board in (BOARDS[name] for name in boards or BOARDS):
        for name in only or names[:names.index(LARGEST[board.name]) + 1]:
            known = next((design for design in calibration.read().designs
                          if (design.design, design.board) == (name, board.name)), None)
            if known and not again and (known.placed or not placed):
                continue
            try:
                save(build(name, board, placed=placed))
            except SynthesisError as error:
                raise click.ClickException(f"{name} on {board.name}: {error}") from None
    save()


if __name__ == "__main__":
    main()
