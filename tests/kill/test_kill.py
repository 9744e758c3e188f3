"""Every command that trains may be killed at any moment. What is resumed ends in the same bits.

``make kill KILLS=N`` kills each command at N moments.
"""

import numpy as np
import pytest
from spinloom.train.data_files import FILES

from .victims import campaign

CONFIG = """
epochs = 3
input.count = 64
device.kind = "domain_wall"
[[layers]]
cols = 8
weight_step = -2
z_frac = 6
[[layers]]
cols = 10
weight_step = -1
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(CONFIG)
    return str(path)


def test_train(config, tmp_path):
    def arguments(folder):
        place = "--resume" if (folder / "experiment.json").exists() else "--out"
        return ["train", config, place, str(folder)]

    campaign("train", tmp_path, arguments)


@pytest.mark.slow
def test_epoch(config, tmp_path):
    campaign("epoch", tmp_path, lambda folder: _lockstep("epoch", config, folder))


@pytest.mark.slow
def test_run_on_a_board(config, tmp_path):
    campaign("run --simulate", tmp_path,
             lambda folder: _lockstep("run", config, folder, "--simulate", "--test", "10", samples=100))


@pytest.mark.slow
def test_reproduce(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    _write_images(data)
    campaign("reproduce", tmp_path, lambda folder: [
        "reproduce", "mnist-dw2", "mnist-dw5-exsitu", "--epochs", "1", "--seeds", "1", "--data", str(data),
        "--out", str(folder)])


def _lockstep(command, config, folder, *more, samples=1000):
    resume = ["--resume"] if (folder / "experiment.json").exists() else []
    return [command, config, "--samples", str(samples), *more, "--out", str(folder), *resume]


def _write_images(folder):
    """A small data set in the form of MNIST, of random images."""
    random = np.random.default_rng(1)
    for index, count in ((0, 200), (2, 50)):
        for name, shape, limit, magic in ((FILES[index], (count, 28, 28), 256, 0x0803),
                                          (FILES[index + 1], (count,), 10, 0x0801)):
            header = np.array([magic, *shape], dtype=">u4").tobytes()
            (folder / name).write_bytes(header + random.integers(limit, size=shape, dtype=np.uint8).tobytes())
