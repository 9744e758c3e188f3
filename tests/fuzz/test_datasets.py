"""Data sets that are damaged, or are none: every one is used, or refused in a line, soon and without much memory."""

import gzip
import resource
import shutil
import struct
import time
from random import Random

import numpy as np
import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError
from spinloom.train import data_files, loop, text

from . import damage
from .campaign import SECONDS, Campaign
from .outcome import outcome

PIXELS = (2, 3)
LAYERS = [{"cols": 4, "weight_step": -2, "z_frac": 6}, {"cols": 3, "weight_step": -1}]
GIB = 1 << 30


def idx(array: np.ndarray, magic: int, dtype: str = "u1") -> bytes:
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.astype(dtype).tobytes()


def files(random: Random) -> dict[str, bytes]:
    """The four files of a small data set."""
    contents = {}
    for part, count in (("train", 20), ("t10k", 10)):
        contents[f"{part}-images-idx3-ubyte"] = idx(np.array([random.randrange(256) for _ in range(count * 6)]).reshape(
            count, *PIXELS), 0x0803)
        labels = np.array([random.randrange(3) for _ in range(count)])
        name, label_file = random.choice((
            ("idx1-ubyte", lambda labels=labels: idx(labels, 0x0801)),
            ("idx1-ubyte", lambda labels=labels: idx(labels, 0x0C01, ">i4")),
            ("idx2-int", lambda labels=labels: idx(np.stack([labels] * 8, axis=1), 0x0C02, ">i4"))))
        contents[f"{part}-labels-{name}"] = label_file()
    return contents


def write(random: Random, folder, contents: dict[str, bytes]) -> list:
    """Write the files under one of the names that people have them by; returns the paths."""
    place = folder / random.choice(("", "tiny", "Tiny/raw", "raw", "gzip"))
    prefix = random.choice(("", "tiny-", "Tiny_"))
    dot, test, packed = random.random() < 0.3, random.choice(("t10k", "test")), random.random() < 0.5
    place.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in contents.items():
        name = prefix + name.replace("t10k", test).replace("-idx", ".idx" if dot else "-idx")
        path = place / (name + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(content, 1) if packed else content)
        paths.append(path)
    return paths


def header(random: Random, content: bytes) -> bytes:
    """Another header in front of the same data."""
    number = random.choice((0x0803, 0x0801, 0x0C01, 0x0C02, 0x0D03, 0x08FF, 0x0800, 0x01000803, 0, 0xFFFFFFFF))
    sizes = [random.choice((0, 1, 2, 3, 5, 6, 10, 20, 120, 1 << 16, (1 << 31) - 1, (1 << 32) - 1))
             for _ in range(random.choice((number & 0xFF, 1, 2, 3)) % 6)]
    return struct.pack(f">I{len(sizes)}I", number, *sizes) + content[random.choice((8, 16)):]


def damaged(random: Random, path) -> None:
    """Do something to one file of the set."""
    packed = path.name.endswith(".gz")
    content = path.read_bytes()
    match random.randrange(9):
        case 0 | 1:
            path.write_bytes(damage.bytes_of(random, content))
        case 2 if packed:
            path.write_bytes(gzip.compress(damage.bytes_of(random, gzip.decompress(content)), 1))
        case 3 | 4:
            raw = header(random, gzip.decompress(content) if packed else content)
            path.write_bytes(gzip.compress(raw, 1) if packed else raw)
        case 5:
            damage.no_file(random, path)
        case 6:
            damage.sparse(path, random.choice((17, 10**6, 10**10, 10**13)), random.choice((content[:16], b"", content)))
        case 7:
            path.write_bytes(damage.bomb(random.choice((1, 30)) << 20, content[:16]))
        case _:
            other = random.choice(sorted(path.parent.iterdir()))
            sound = other.is_file() and not other.is_symlink() and other.stat().st_size < 1 << 20
            path.write_bytes(other.read_bytes() if sound else b"")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that is evaluated on whatever data there are."""
    experiment = config.parse({"dataset": "tiny", "epochs": 1, "input": {"count": 6}, "device": {"kind": "domain_wall"},
                               "layers": LAYERS}, "tiny")
    folder = tmp_path_factory.mktemp("fuzz")
    write(Random(1), folder / "data", files(Random(1)))
    loop.run(experiment, data_dir=folder / "data", out=folder / "run", baseline=False, progress=False)
    return folder / "run"


def evaluated(run, folder):
    """What evaluation on the data in ``folder`` comes to, in time."""
    return outcome("evaluate", run, "--data", folder, "--json", seconds=20)


def test_damaged_data_sets(run, tmp_path):
    campaign = Campaign("data sets")
    for number, random in enumerate(campaign):
        folder = tmp_path / str(number)
        paths = write(random, folder, files(random))
        for path in random.sample(paths, random.choice((0, 1, 1, 1, 2))):
            damaged(random, path)
        answer = evaluated(run, folder)
        campaign.accepted += answer.status == 0
        shutil.rmtree(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 < 4 * GIB


def test_damaged_batches(run, tmp_path):
    """Those of CIFAR-10 have too many pixels for the network; that is told of sound ones, too."""
    campaign = Campaign("batches", seconds=SECONDS / 2)
    for number, random in enumerate(campaign):
        folder = tmp_path / str(number) / random.choice(("", "cifar-10-batches-bin", "tiny"))
        folder.mkdir(parents=True)
        for file in data_files.BATCHES:
            (folder / file).write_bytes(random.randbytes(3073 * random.choice((1, 2))))
        for file in random.sample(data_files.BATCHES, random.choice((0, 1, 2))):
            damaged(random, folder / file)
        assert evaluated(run, tmp_path / str(number)).status == 2
        shutil.rmtree(tmp_path / str(number))


def test_damaged_texts(tmp_path):
    """Those are read by `text.load` only; no command trains on them."""
    campaign = Campaign("texts", seconds=SECONDS / 4)
    for number, random in enumerate(campaign):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths = [folder / (file + random.choice(("", ".gz"))) for file in random.choice((("train.txt", "test.txt"),
                                                                                         ("tiny.txt",)))]
        for path in paths:
            content = random.choice(("a", "to be or not to be\n", "ü€")).encode() * random.randrange(20)
            path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
        for path in random.sample(paths, random.choice((0, 1))):
            damaged(random, path)
        line = ""
        try:
            text.load("tiny", folder)
        except ConfigError as error:
            line = str(error)
        assert "\n" not in line
        campaign.accepted += not line
        shutil.rmtree(folder)


@pytest.mark.parametrize("claimed", [24, 5 * GIB])
def test_a_bomb_of_five_gigabytes(run, tmp_path, claimed):
    """Whether its header claims little or all of it."""
    contents = files(Random(2))
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    start = struct.pack(">4I", 0x0803, 20 if claimed == 24 else claimed // 6, *PIXELS)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(damage.bomb(5 * GIB, start))
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert outcome("evaluate", run, "--data", tmp_path).status == 2
    assert time.monotonic() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
