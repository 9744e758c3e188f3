"""Small sweeps for tests, and what they leave."""

import csv

import numpy as np

SMALL = {
    "config": "small.toml", "baseline": False,
    "grid": {"device": {"states": [3, 5], "sigma": [0.0, 0.2]}, "seed": [1, 2]},
}
CONFIG = """
epochs = 1
learning_rate_shifts = [4]
input.count = 64
device.kind = "domain_wall"
[[layers]]
cols = 8
weight_step = -3
z_frac = 6
[[layers]]
cols = 10
weight_step = -1
"""


def left(folder):
    """The arrays of all states of a sweep, by file and name."""
    found = {}
    for path in sorted(folder.rglob("state.npz")):
        with np.load(path) as file:
            found |= {f"{path.relative_to(folder)} {name}": array.tolist() for name, array in file.items()}
    return found


def rows(folder):
    """The rows of the table, without what is measured."""
    with (folder / "table.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "samples_per_second"}
                for row in csv.DictReader(file)]
