import gzip
import struct

import numpy as np
import pooch
import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError
from spinloom.contract.formats import ActivationFormat
from spinloom.train import data


def experiment(dataset="tiny", count=6, outputs=3):
    return config.parse({
        "dataset": dataset, "input": {"count": count}, "device": {"kind": "ideal"},
        "layers": [{"cols": outputs, "weight_step": -2}],
    }, "test")


def idx(array, magic):
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


def write(folder, prefix="", suffix="", pack=lambda content: content):
    """Five training and two test samples of 2 x 3 pixels; returns what was written, by file."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, count in (("train", 5), ("t10k", 2)):
        arrays[f"{part}-images-idx3-ubyte"] = np.arange(count * 6).reshape(count, 2, 3), 0x0803
        arrays[f"{part}-labels-idx1-ubyte"] = np.arange(count) % 3, 0x0801
    for name, (array, magic) in arrays.items():
        (folder / f"{prefix}{name}{suffix}").write_bytes(pack(idx(array, magic)))


@pytest.fixture(autouse=True)
def _no_other_data(monkeypatch):
    monkeypatch.delenv("SPINLOOM_DATA", raising=False)


def test_digits_are_packaged():
    dataset = data.load(config.load("digits-dw5"))
    assert (dataset.train.images.shape, dataset.test.images.shape) == (
        (1438, 8, 8, 1), (359, 8, 8, 1))
    assert dataset.train.labels[:6].tolist() == [0, 1, 2, 3, 5, 6]
    assert dataset.test.labels[:2].tolist() == [4, 9]
    assert dataset.train.images[0, 0, 2:6, 0].tolist() == [80, 207, 143, 16]  # of 5, 13, 9, 1 in sixteenths


@pytest.mark.parametrize("place", [("", ""), ("tiny", ""), ("", "tiny-"), ("tiny", "tiny-")])
@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress)])
def test_idx_files_are_found_and_read(tmp_path, place, suffix, pack):
    write(tmp_path / place[0], place[1], suffix, pack)
    dataset = data.load(experiment(), tmp_path)
    assert dataset.train.images.tolist() == np.arange(30).reshape(5, 2, 3, 1).tolist()
    assert dataset.test.images.tolist() == np.arange(12).reshape(2, 2, 3, 1).tolist()
    assert dataset.train.labels.tolist() == [0, 1, 2, 0, 1]


def test_the_argument_comes_before_the_environment(tmp_path, monkeypatch):
    write(tmp_path / "data" / "mnist")
    monkeypatch.setenv("SPINLOOM_DATA", str(tmp_path / "data"))
    assert len(data.load(experiment("mnist")).train.labels) == 5
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty: no data set 'mnist' there; its files are train-images-idx3-ubyte, "):
        data.load(experiment("mnist"), tmp_path / "empty")


def test_the_download_fails_in_one_line(monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("Max retries exceeded\nand more")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    with pytest.raises(ConfigError, match=r"mnist: the download .* failed .*--data DIR or SPINLOOM_DATA") as caught:
        data.load(experiment("mnist"))
    assert "\n" not in str(caught.value)


def test_the_download_is_checked(monkeypatch, tmp_path):
    asked = []

    def retrieve(url, known_hash, fname, path):
        asked.append((url.rpartition("/")[2], known_hash))
        return str(tmp_path / fname)

    write(tmp_path, suffix=".gz", pack=gzip.compress)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert len(data.load(experiment("mnist")).test.labels) == 2
    assert asked[0] == ("train-images-idx3-ubyte.gz", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873")
    assert len(asked) == 4


def test_another_set_cannot_be_downloaded():
    with pytest.raises(ConfigError, match="data set 'tiny': give the folder of its IDX files with --data DIR"):
        data.load(experiment())


@pytest.mark.parametrize(("file", "change", "message"), [
    ("train-images-idx3-ubyte", lambda c: c[:-1], "idx3-ubyte: truncated or corrupt: 29 bytes .* 5 x 2 x 3"),
    ("train-images-idx3-ubyte", lambda c: c + b"0", "truncated or corrupt: 31 bytes"),
    ("train-images-idx3-ubyte", lambda c: c[:9], "train-images-idx3-ubyte: not an IDX file of images"),
    ("t10k-images-idx3-ubyte", lambda c: c[:2] + b"\x0d" + c[3:], r"not an IDX file of images .* 0x00000803"),
    ("t10k-labels-idx1-ubyte", lambda c: b"", "t10k-labels-idx1-ubyte: not an IDX file of labels"),
    ("train-labels-idx1-ubyte", lambda c: gzip.compress(c)[:-9], "train-labels-idx1-ubyte: truncated or corrupt gzip"),
    ("train-labels-idx1-ubyte", lambda c: gzip.compress(c)[:12] + b"xxxxxxxx", "truncated or corrupt gzip"),
    ("train-labels-idx1-ubyte", lambda c: idx(np.zeros(4), 0x0801), "4 labels for the 5 images of train-images"),
    ("train-labels-idx1-ubyte", lambda c: idx(np.full(5, 3), 0x0801), "labels reach 3; the network has 3 outputs"),
    ("train-images-idx3-ubyte", lambda c: idx(np.zeros((0, 2, 3)), 0x0803), "holds no samples"),
    ("t10k-images-idx3-ubyte", lambda c: idx(np.zeros((2, 2, 2)), 0x0803), "images have 4 pixels; the network has"),
    ("t10k-labels-idx1-ubyte", None, r"t10k-labels-idx1-ubyte\[.gz\] is missing from the data set 'tiny'"),
])
def test_damaged_files_are_named(tmp_path, file, change, message):
    write(tmp_path)
    path = tmp_path / file
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ConfigError, match=message) as caught:
        data.load(experiment(), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("form", "expected"), [
    (ActivationFormat(kind="unsigned", bits=8, frac=8), [0, 1, 127, 128, 255]),
    (ActivationFormat(kind="unsigned", bits=12, frac=12), [0, 16, 2032, 2048, 4080]),
    (ActivationFormat(kind="unsigned", bits=4, frac=4), [0, 0, 8, 8, 15]),
    (ActivationFormat(kind="unsigned", bits=1, frac=1), [0, 0, 1, 1, 1]),
    (ActivationFormat(kind="signed", bits=8, frac=7), [0, 1, 64, 64, 127]),
    (ActivationFormat(kind="ternary", bits=2, frac=0), [0, 0, 0, 1, 1]),
])
def test_pixels_become_drives(form, expected):
    images = np.array([[0, 1, 127, 128, 255]], dtype=np.uint8)
    assert data.drive(images, form).tolist() == [expected]


def test_images_are_flattened_in_row_major_order():
    images = np.arange(48, dtype=np.uint8).reshape(2, 4, 2, 3)
    drives = data.drive(images, ActivationFormat(kind="unsigned", bits=8, frac=8))
    assert drives.tolist() == [list(range(24)), list(range(24, 48))]
