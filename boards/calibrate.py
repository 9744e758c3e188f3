"""``python -m spinloom.boards.calibrate``: builds the designs that the estimate is fitted to, and writes its weights.

Each design is synthesised and packed for its board, which settles its LUTs, block RAMs and DSPs; with ``--place`` it is
placed and routed as well. Several minutes a design; what was built before is kept if interrupted, and built again only
with ``--again``.
"""

import json
import tempfile

import click
from tqdm import tqdm

from ..config import Experiment, load, parse
from ..hw.export.tool import SynthesisError
from ..system.files import replace
from .board import Board
from .catalogue import BOARDS
from .estimate import CALIBRATION, structure, weigh
from .place import place


def _design(inputs: int, *layers: dict, **fields) -> dict:
    """The document of an experiment."""
    return {"input": {"count": inputs}, "device": {"kind": "domain_wall"}, "layers": list(layers)} | fields


_NARROW = {"chi_bits": 10, "chi_frac": 8, "adcs": 1}
_STEEP = {"weight_step": -2, "z_frac": 6}
_LAST = {"weight_step": -1, "z_bits": 8, "z_frac": 4}

DESIGNS = {
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
                                              {"cols": 10, "lanes": 5} | _LAST) for lanes in (16, 64, 128)},
    "ulx3s-mnist": "ulx3s-mnist",
}
"""Designs, by what is particular about them, small ones first: documents or presets."""
LARGEST = {"ulx3s": "ulx3s-mnist", "icebreaker": "two layers, 2 lanes", "tang-nano-20k": "many lanes, narrow"}
"""The last of these designs that is built for a board."""


def experiment(name: str) -> Experiment:
    design = DESIGNS[name]
    return load(design) if isinstance(design, str) else parse(design, name)


def build(name: str, board: Board, pack_only: bool) -> dict:
    """The design ``name`` as built for ``board``: resources, and the clock if it was placed. None where it is known."""
    with tempfile.TemporaryDirectory(prefix="spinloom-calibrate-") as folder, \
            tqdm(bar_format="{elapsed} {desc}", desc=f"{board.name}: {name}") as bar:
        built = place(experiment(name), board, folder, pack_only=pack_only,
                      progress=lambda step: bar.set_description_str(f"{board.name}: {name}: {step}"[:110]))
    return {"design": name, "board": board.name, "placed": not pack_only,
            **{key: built[key] for key in ("luts", "block_rams", "dsps", "fmax_mhz", "critical_path", "tool_versions")
               if key in built}}


def known() -> list[dict]:
    """The designs in ``calibration.json``."""
    return json.loads(CALIBRATION.read_text(encoding="utf-8"))["designs"] if CALIBRATION.is_file() else []


def fitted(board: Board, designs: list[dict]) -> dict[str, float]:
    """The weights of ``estimate.structure`` that follow from ``designs`` built for ``board``."""
    return weigh([structure(experiment(design["design"]), board) for design in designs],
                 [design["luts"] for design in designs])


def save(*built: dict) -> None:
    """Put designs into ``calibration.json``, and the weights that follow from all that are there."""
    new = {(design["design"], design["board"]) for design in built}
    designs = [design for design in known() if (design["design"], design["board"]) not in new]
    order = {(board, name): (place, index) for place, board in enumerate(BOARDS) for index, name in enumerate(DESIGNS)}
    designs = sorted([*designs, *built], key=lambda design: order[design["board"], design["design"]])
    weights = {}
    for board in BOARDS.values():
        mine = [design for design in designs if design["board"] == board.name]
        if mine:
            weights[board.family] = fitted(board, mine)
    text = json.dumps({"weights": weights, "designs": designs}, indent=1)
    replace(CALIBRATION, lambda file: file.write(text.encode() + b"\n"))


@click.command(help=__doc__.partition("\n")[0])
@click.option("--board", "boards", multiple=True, type=click.Choice(list(BOARDS)), help="Only this board.")
@click.option("--place", "placed", is_flag=True, help="Place and route the designs.")
@click.option("--design", "only", multiple=True, type=click.Choice(list(DESIGNS)), help="Only this design.")
@click.option("--again", is_flag=True, help="Build designs that are known, too.")
def main(boards, placed, only, again) -> None:
    names = list(DESIGNS)
    for board in (BOARDS[name] for name in boards or BOARDS):
        for name in only or names[:names.index(LARGEST[board.name]) + 1]:
            built = next((d for d in known() if (d["design"], d["board"]) == (name, board.name)), None)
            if built and not again and (built["placed"] or not placed):
                continue
            try:
                save(build(name, board, pack_only=not placed))
            except SynthesisError as error:
                raise click.ClickException(f"{name} on {board.name}: {error}") from None
    save()


if __name__ == "__main__":
    main()
