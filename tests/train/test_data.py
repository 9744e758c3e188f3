import gzip
import hashlib
import os
import re
import struct
from pathlib import Path

import numpy as np
import pooch
import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError
from spinloom.contract.formats import ActivationFormat
from spinloom.train import data, known_sets
from spinloom.train import idx as idx_files
from spinloom.train.data_files import BATCHES

MNIST = os.environ.get("SPINLOOM_DATA")


def experiment(dataset="tiny", count=6, outputs=3):
    return config.parse({
        "dataset": dataset, "input": {"count": count}, "device": {"kind": "ideal"},
        "layers": [{"cols": outputs, "weight_step": -2}],
    }, "test")


def convolution(dataset, shape, outputs=3):
    """An experiment with an input map of ``shape``."""
    return config.parse({
        "dataset": dataset, "input": {"map": shape}, "device": {"kind": "ideal"},
        "layers": [{"kind": "conv", "cols": outputs, "kernel": 1, "pool": shape[:2], "z_frac": 2}],
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


def test_a_set_is_loaded_without_an_experiment(tmp_path):
    write(tmp_path)
    assert data.load("tiny", tmp_path).train.images.shape == (5, 2, 3, 1)
    assert data.load("digits").test.images.shape == (359, 8, 8, 1)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 2, 2)), 0x0803))
    with pytest.raises(ConfigError, match="t10k-images-idx3-ubyte: images are 2 x 2; the training images are 2 x 3"):
        data.load("tiny", tmp_path)


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


@pytest.mark.parametrize("shape", [[3, 2, 1], [1, 6, 1], [1, 2, 3], [2, 4, 1]])
def test_images_must_have_the_shape_of_the_map(tmp_path, shape):
    write(tmp_path)
    assert data.load(convolution("tiny", [2, 3, 1]), tmp_path).train.images.shape == (5, 2, 3, 1)
    with pytest.raises(ConfigError) as caught:
        data.load(convolution("tiny", shape), tmp_path)
    assert str(caught.value) == (f"{tmp_path / 'train-images-idx3-ubyte'}: images are 2 x 3 x 1 (height, width, "
                                 f"channels); the network has input.map={shape}")


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


NAMED = {
    "dots": ("train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
    "EMNIST": ("emnist-tiny-train-images-idx3-ubyte.gz", "emnist-tiny-train-labels-idx1-ubyte.gz",
               "emnist-tiny-test-images-idx3-ubyte.gz", "emnist-tiny-test-labels-idx1-ubyte.gz"),
    "capitals": ("Train-Images-IDX3-ubyte", "TRAIN-LABELS-IDX1-UBYTE", "Test-images.idx3-ubyte.GZ",
                 "test_labels_idx1_ubyte"),
    "torchvision": tuple(f"Emnist_Tiny/raw/{file}" for file in data.FILES),
    "of the family": tuple(f"EMNIST/raw/emnist-tiny-{file}" for file in data.FILES),
    "the archive": tuple(f"gzip/emnist-tiny-{file}.gz" for file in data.FILES),
    "raw": tuple(f"raw/{file}" for file in data.FILES),
}


@pytest.mark.parametrize("files", NAMED.values(), ids=NAMED)
def test_files_are_found_by_the_names_that_people_have(tmp_path, files):
    write(tmp_path / "source")
    for name, file in zip(data.FILES, files, strict=True):
        (tmp_path / "data" / file).parent.mkdir(parents=True, exist_ok=True)
        content = (tmp_path / "source" / name).read_bytes()
        (tmp_path / "data" / file).write_bytes(gzip.compress(content) if file.lower().endswith(".gz") else content)
    (tmp_path / "data" / "._train-images-idx3-ubyte").write_bytes(b"of a Macintosh")
    dataset = data.load(experiment("emnist-tiny"), tmp_path / "data")
    assert dataset.train.labels.tolist() == [0, 1, 2, 0, 1]
    assert dataset.test.labels.tolist() == [0, 1]


def test_the_classes_of_qmnist_are_in_a_column(tmp_path):
    write(tmp_path)
    for part, count in (("train", 5), ("t10k", 2)):
        (tmp_path / f"{part}-images-idx3-ubyte").rename(tmp_path / f"qmnist-{part}-images-idx3-ubyte")
        (tmp_path / f"{part}-labels-idx1-ubyte").unlink()
        table = np.stack([np.arange(count) % 3, np.full(count, 70_000)], axis=1).astype(">i4")
        header = struct.pack(">III", 0x0C02, *table.shape)
        (tmp_path / f"qmnist-{part}-labels-idx2-int.gz").write_bytes(gzip.compress(header + table.tobytes()))
    assert data.load(experiment("qmnist"), tmp_path).train.labels.tolist() == [0, 1, 2, 0, 1]


def of_colours():
    """An experiment with as many inputs as CIFAR-10 has pixels, which are more than a dense layer can have."""
    return convolution("cifar-10", [32, 32, 3])


def cifar(folder, packed=False):
    """Two images a batch, of label and pixels that tell where they are."""
    folder.mkdir(parents=True)
    images = np.arange(12 * 3072).reshape(12, 3, 32, 32).astype(np.uint8)
    for number, file in enumerate(BATCHES):
        content = b"".join(bytes([(2 * number + i) % 3]) + images[2 * number + i].tobytes() for i in range(2))
        (folder / (file + (".gz" if packed else ""))).write_bytes(gzip.compress(content) if packed else content)
    return images


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", ["", "cifar-10-batches-bin", "CIFAR10/cifar-10-batches-bin"])
def test_the_batches_of_cifar_10(tmp_path, packed, place):
    images = cifar(tmp_path / "data" / place, packed)
    dataset = data.load(of_colours(), tmp_path / "data")
    assert dataset.train.images.shape == (10, 32, 32, 3)
    assert dataset.train.images[3, 5, 7].tolist() == images[3, :, 5, 7].tolist()
    assert dataset.train.labels.tolist() == [i % 3 for i in range(10)]
    assert (dataset.test.images == images[10:].transpose(0, 2, 3, 1)).all()
    drive = data.drive(dataset.train.images, of_colours().input.format)
    assert [int(drive[3, (5 * 32 + 7) * 3 + channel]) for channel in range(3)] == images[3, :, 5, 7].tolist()
    (tmp_path / "data" / place / (BATCHES[2] + (".gz" if packed else ""))).unlink()
    with pytest.raises(ConfigError, match="data_batch_3.bin is missing from the data set 'cifar-10'"):
        data.load(of_colours(), tmp_path / "data")


@pytest.mark.parametrize(("content", "message"), [
    (b"", "data_batch_1.bin: truncated or corrupt: 0 bytes, no multiple of 3073"),
    (b"x" * 3072, "data_batch_1.bin: truncated or corrupt: 3072 bytes"),
    (gzip.compress(b"x" * 3073, mtime=0)[:-9], "data_batch_1.bin: truncated or corrupt gzip file"),
    (b"\x03" * 3073, "data_batch_1.bin: labels reach 3; the network has 3 outputs"),
])
def test_damaged_batches_are_named(tmp_path, content, message):
    cifar(tmp_path / "data")
    (tmp_path / "data" / BATCHES[0]).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        data.load(of_colours(), tmp_path / "data")


@pytest.mark.parametrize(("files", "message"), [
    ((), "no data set 'tiny' there; .* there is nothing$"),
    (("README", "other/"), "there is README, other/$"),
    (("emnist-letters-train-images-idx3-ubyte",), "dataset may be emnist-letters$"),
    (("data_batch_1", "batches.meta"), "CIFAR-10 for Python, whose files hold code; fetch its binary version"),
    (("gzip.zip",), "archives must be unpacked"),
    (tuple(f"{i:02}" for i in range(20)), "there is 00, .* 07 and 12 more$"),
])
def test_what_is_there_instead_is_told(tmp_path, files, message):
    for file in files:
        if file.endswith("/"):
            (tmp_path / file).mkdir()
        else:
            (tmp_path / file).write_bytes(b"")
    with pytest.raises(ConfigError, match=message):
        data.load(experiment(), tmp_path)
    with pytest.raises(ConfigError, match="there is no such folder"):
        data.load(experiment(), tmp_path / "nowhere")


@pytest.mark.parametrize(("content", "message"), [
    (b"PK\x03\x04rest", "it is a zip archive; unpack it"),
    (b"<html>", "it is a page of the web, no data; fetch it again"),
    (idx(np.zeros(5), 0x0801), "it is an IDX file of labels"),
    (struct.pack(">4I", 0x0D03, 1, 2, 3) + bytes(24), "numbers that are no unsigned bytes"),
    (struct.pack(">4I", 0x0803, 2**32 - 1, 2**32 - 1, 2**32 - 1), "asks for 79228162458924105385300197375"),
    (gzip.compress(struct.pack(">4I", 0x0803, 2**32 - 1, 2, 3), mtime=0),
     "bytes, which a gzip file of .* bytes cannot hold"),
    (gzip.compress(idx(np.zeros((5, 2, 3)), 0x0803) + bytes(10**7), mtime=0), "more than 30 bytes of data"),
])
def test_what_is_no_file_of_images_is_told_without_reading_all_of_it(tmp_path, content, message):
    write(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        data.load(experiment(), tmp_path)
    assert "\n" not in str(caught.value)


def test_known_sets_are_recognised_and_a_mismatch_is_refused(tmp_path, monkeypatch, capsys):
    write(tmp_path / "one")
    write(tmp_path / "two", suffix=".gz", pack=lambda content: gzip.compress(content[:-1] + b"\2"))
    digests = {hashlib.md5(path.read_bytes()).hexdigest(): name
               for folder, name in (("one", "fashion-mnist"), ("two", "kmnist"))
               for path in (tmp_path / folder).iterdir()}
    monkeypatch.setattr(known_sets, "_OWNER", digests)
    for name in ("fashion-mnist", "FashionMNIST", "fashion_mnist"):
        assert data.load(experiment(name), tmp_path / "one").record.known == "fashion-mnist"
    assert data.load(experiment("kmnist"), tmp_path / "two").record.known == "kmnist"
    assert capsys.readouterr().err == ""
    with pytest.raises(ConfigError, match="one: the files are those of fashion-mnist, and the configuration has "
                                          "dataset='mnist'; give the folder of mnist, or dataset=\"fashion-mnist\""):
        data.load(experiment("mnist"), tmp_path / "one")

    assert data.load(experiment("mine"), tmp_path / "one").record.known == "fashion-mnist"
    assert "the data set 'mine' is fashion-mnist" in capsys.readouterr().err
    (tmp_path / "one" / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([2, 1]), 0x0801))
    assert data.load(experiment("fashion-mnist"), tmp_path / "one").record.known is None
    assert "those of fashion-mnist, except for t10k-labels-idx1-ubyte" in capsys.readouterr().err
    (tmp_path / "one" / "t10k-labels-idx1-ubyte").unlink()
    (tmp_path / "two" / "t10k-labels-idx1-ubyte.gz").rename(tmp_path / "one" / "t10k-labels-idx1-ubyte.gz")
    with pytest.raises(ConfigError, match="of different data sets: train-images-idx3-ubyte of fashion-mnist, .*"
                                          "t10k-labels-idx1-ubyte.gz of kmnist"):
        data.load(experiment("mine"), tmp_path / "one")


def test_a_gzip_bomb_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(idx_files, "BOMB_BYTES", 10**6)
    write(tmp_path)
    bomb = gzip.compress(struct.pack(">4I", 0x0803, 5, 1000, 1000) + bytes(5 * 10**6))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(bomb)
    with pytest.raises(ConfigError, match="asks for 5000000 bytes, more than 200 times the size of the gzip file"):
        data.load(experiment(), tmp_path)


@pytest.mark.parametrize(("name", "text"), [
    ("tiny", "'tiny' is none that is known"),
    ("mnist", "'mnist' is not mnist as it was published"),
    ("kmnist", "'kmnist' is not recognised, as only gzipped files of kmnist can be"),
])
def test_an_unknown_set_is_said_to_be_unknown(tmp_path, capsys, name, text):
    write(tmp_path)
    record = data.load(experiment(name), tmp_path).record
    assert record.known is None
    line = capsys.readouterr().err.splitlines()[0]
    assert line == f"warning: {tmp_path}: the data set {text} (sha256 {record.sha256[:12]})"


def test_the_digest_is_of_shapes_and_bytes(tmp_path):
    write(tmp_path)
    before = data.load(experiment(), tmp_path).record
    assert (before.name, before.train, before.test, len(before.sha256)) == ("tiny", 5, 2, 64)
    write(tmp_path / "packed", suffix=".gz", pack=gzip.compress)
    assert data.load(experiment(), tmp_path / "packed").record == before
    array = np.arange(30).reshape(5, 3, 2)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(array, 0x0803))
    assert data.load(experiment(), tmp_path).record.sha256 != before.sha256
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(array.reshape(5, 2, 3), 0x0803))
    assert data.load(experiment(), tmp_path).record.sha256 == before.sha256
    assert data.load(config.load("digits-dw5")).record.known == "digits"


@pytest.mark.parametrize(("images", "labels", "test", "text"), [
    (np.eye(6).reshape(6, 2, 3), [0, 1, 2] * 2, 9, "the pixels are 0 and 1, .* multiply them by 255"),
    (np.eye(6).reshape(6, 2, 3) * 16, [0, 1, 2] * 2, 9, "the brightest pixel is 16, .* multiply the pixels by 15"),
    (np.full((6, 2, 3), 7), [0, 1, 2] * 2, 9, "every pixel of every training image is 7: there is nothing to learn"),
    (np.arange(36).reshape(6, 2, 3) // 6 * 40, [0, 1, 2] * 2, 9, "6 of 6 training images are of one value"),
    (np.arange(36).reshape(6, 2, 3), [1] * 6, 9, "all training labels are 1: there is nothing to learn"),
    (np.arange(36).reshape(6, 2, 3), [0, 1] * 3, 9, "the labels 2 are in the test set and not in the training set"),
    (np.arange(36).reshape(6, 2, 3), [0, 1, 2] * 2, 6, "the test images are the training images"),
])
def test_what_is_odd_is_said_in_a_line(tmp_path, capsys, images, labels, test, text):
    tested = images if test == 6 else np.arange(54).reshape(9, 2, 3)
    for part, pixels, values in (("train", images, np.array(labels)), ("t10k", tested, np.arange(test) % 3)):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(pixels, 0x0803))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(values, 0x0801))
    data.load(experiment(), tmp_path)
    _, *lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.fullmatch(f"warning: .*train-images-idx3-ubyte: {text}.*", lines[0])


def test_labels_that_begin_at_one(tmp_path):
    write(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.array([1, 2, 3, 1, 2]), 0x0801))
    with pytest.raises(ConfigError, match=r"train-labels-idx1-ubyte: labels reach 3; .* it needs 4, "
                                          r"layers\[0\].cols=4; they begin at 1, so output 0 stays unused"):
        data.load(experiment(), tmp_path)


def test_the_published_digests():
    """Each is one, and of one set only."""
    tables = known_sets._GZIPPED, known_sets._UNPACKED
    digests = [md5 for table in tables for files in table.values() for md5 in files]
    assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in digests)
    assert len(set(digests)) == len(digests) == 4 * 12 + 2
    assert len({known_sets.plain(name) for name in known_sets.NAMES}) == len(known_sets.NAMES)


@pytest.mark.skipif(not MNIST, reason="needs MNIST in the folder named by SPINLOOM_DATA")
def test_mnist_is_recognised():
    preset = config.load("mnist-dw5")
    record = data.load(preset, MNIST).record
    assert (record.known, record.train, record.test) == ("mnist", 60_000, 10_000)
    assert record.sha256.startswith("9da0906d0ff7")
    with pytest.raises(ConfigError, match="the files are those of mnist, and the configuration has dataset='kmnist'"):
        data.load(preset.replaced(dataset="kmnist"), Path(MNIST) / "mnist")


def test_more_samples_than_there_are_is_said(tmp_path, capsys):
    write(tmp_path)
    dataset = data.load(experiment(), tmp_path)
    capsys.readouterr()
    assert [len(dataset.first(samples).train.labels) for samples in (None, 4, 5)] == [5, 4, 5]
    assert capsys.readouterr().err == ""
    assert len(dataset.first(6).train.labels) == 5
    assert capsys.readouterr().err == (
        "warning: 6 training samples are asked for; there are 5, and all of them are taken\n")
