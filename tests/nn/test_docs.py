"""Programs in docs/nn.md run as they stand."""

import textwrap
from pathlib import Path

import spinloom
import torch

DOCUMENT = Path(spinloom.__file__).parent / "docs" / "nn.md"


def test_the_first_program_trains():
    lines = DOCUMENT.read_text().split("\n")
    first = lines.index("    import spinloom as sl")
    program = textwrap.dedent("\n".join(lines[first:lines.index("", first + 3)]))
    loader = [(torch.rand(4, 1, 28, 28), torch.arange(4)) for _ in range(2)]
    names = {"loader": loader}
    exec(program, names)
    assert all(array.crossbar.counters["update_rows"] for array in spinloom.nn.arrays(names["model"]))


def test_models_of_experiments_are_as_shown():
    names = {"sl": spinloom, "model": spinloom.nn.model("mnist-lenet-dw5")}
    shown = [line for line in DOCUMENT.read_text().split("\n") if line.startswith("    sl.nn.experiment(model")]
    same, changed = (eval(line.strip(), names) for line in shown)
    assert same is True
    assert (changed.epochs, changed.layers[2].lanes) == (3, 8)
