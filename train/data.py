"""Data sets: the packaged digits, and MNIST or any other set in IDX format."""

import csv
import gzip
import os
import zlib
from importlib import resources
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pooch
import torch

from ..config import Experiment
from ..contract.errors import ConfigError
from ..contract.formats import ActivationFormat

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""Where MNIST is downloaded from."""
MNIST_MD5 = ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432",
             "9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c")
"""Of the gzipped ``FILES``, as published with the data set."""
IMAGES, LABELS = 0x0803, 0x0801
"""Magic numbers of IDX files of unsigned bytes, in three and in one dimension."""


class Samples(NamedTuple):
    """Images and what they show."""

    images: np.ndarray
    """uint8 (n, height, width, channels); IDX files and the digits have one channel."""
    labels: np.ndarray
    """int64 (n,)."""


class Dataset(NamedTuple):
    """What is trained on, and what is tested on."""

    train: Samples
    test: Samples


def load(experiment: Experiment, data_dir: str | Path | None = None) -> Dataset:
    """The data set of ``experiment``.

    ``digits`` is part of the package. Every other data set is four IDX files, gzipped or not. They are looked for in
    ``data_dir``, or else in the folder named by ``SPINLOOM_DATA``. The files are there, or in a folder there with the
    name of the data set; they have their standard names, or these after the data set's name and a hyphen. If no folder
    is named, MNIST is downloaded once into the user's cache. ``ConfigError`` names a file that is missing or unusable.
    """
    if experiment.dataset == "digits":
        names, dataset = ("digits", "digits"), _digits()
    else:
        paths = _find(experiment.dataset, data_dir)
        names = (str(paths[0]), str(paths[2]))
        dataset = Dataset(_samples(*paths[:2]), _samples(*paths[2:]))
    outputs = experiment.layers[-1].cols
    for name, samples in zip(names, dataset, strict=True):
        pixels = prod(samples.images.shape[1:])
        if pixels != experiment.input.count:
            raise ConfigError(f"{name}: images have {pixels} pixels; "
                              f"the network has input.count={experiment.input.count}")
        if samples.labels.max() >= outputs:
            raise ConfigError(f"{name}: labels reach {samples.labels.max()}; "
                              f"the network has {outputs} outputs, so they must lie in 0 to {outputs - 1}")
    return dataset


def drive(images: np.ndarray, form: ActivationFormat) -> torch.Tensor:
    """What ``images``, uint8 (n, ...), drive the first crossbar with (arithmetic 7.2): int16 (n, inputs). An image is
    flattened in row-major order."""
    pixels = np.arange(256)
    values = np.floor_divide(pixels * (1 << form.frac) + 128, 256).clip(form.minimum, form.maximum)
    return torch.from_numpy(values.astype(np.int16)[images.reshape(len(images), -1)])


def read_idx(path: Path, magic: int) -> np.ndarray:
    """The uint8 array in an IDX file, gzipped or not, which begins with the number ``magic``. ``ConfigError`` if the
    file is damaged or of another kind."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ConfigError(f"{path}: truncated or corrupt gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    dimensions = magic & 0xFF
    header = np.frombuffer(content[:4 + 4 * dimensions], dtype=">u4") if len(content) >= 4 + 4 * dimensions else [0]
    if header[0] != magic:
        raise ConfigError(f"{path}: not an IDX file of {'images' if magic == IMAGES else 'labels'} "
                          f"(it must begin with the number {magic:#010x})")
    shape = [int(size) for size in header[1:]]
    body = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions)
    if len(body) != np.prod(shape, dtype=object):
        raise ConfigError(f"{path}: truncated or corrupt: {len(body)} bytes of data where its header, "
                          f"{' x '.join(map(str, shape))}, asks for {np.prod(shape, dtype=object)}")
    if shape[0] == 0:
        raise ConfigError(f"{path}: holds no samples")
    return body.reshape(shape)


def _samples(images: Path, labels: Path) -> Samples:
    pixels, values = read_idx(images, IMAGES), read_idx(labels, LABELS)
    if len(pixels) != len(values):
        raise ConfigError(f"{labels}: {len(values)} labels for the {len(pixels)} images of {images.name}")
    return Samples(pixels[..., np.newaxis], values.astype(np.int64))


def _digits() -> Dataset:
    """The packaged digits, of 8 x 8 pixels; every fifth one is for testing."""
    packed = resources.files(__package__.rpartition(".")[0]).joinpath("data", "digits.csv.gz").read_bytes()
    table = np.array(list(csv.reader(gzip.decompress(packed).decode().split())), dtype=np.int64)
    pixels, labels = (table[:, :-1] * 255 + 8 >> 4).astype(np.uint8).reshape(-1, 8, 8, 1), table[:, -1]
    test = np.arange(len(table)) % 5 == 4
    return Dataset(Samples(pixels[~test], labels[~test]), Samples(pixels[test], labels[test]))


def _find(name: str, data_dir: str | Path | None) -> list[Path]:
    """The paths of a data set's four files, in the order of ``FILES``."""
    folder = data_dir or os.environ.get("SPINLOOM_DATA")
    if folder:
        places = [(Path(folder) / name, ""), (Path(folder) / name, f"{name}-"),
                  (Path(folder), f"{name}-"), (Path(folder), "")]
        for place, prefix in places:
            paths = [_either(place / f"{prefix}{file}") for file in FILES]
            found = [path for path in paths if path is not None]
            if len(found) == len(FILES):
                return found
            missing = [file for file, path in zip(FILES, paths, strict=True) if path is None]
            if found:
                raise ConfigError(f"{place}: {prefix}{missing[0]}[.gz] is missing from the data set {name!r}")
        if data_dir or name != "mnist":
            raise ConfigError(f"{folder}: no data set {name!r} there; its files are {', '.join(FILES)} "
                              f"(each may end in .gz), in that folder or in {name}/")
    if name != "mnist":
        raise ConfigError(f"data set {name!r}: give the folder of its IDX files with --data DIR or SPINLOOM_DATA")
    return _download()


def _either(path: Path) -> Path | None:
    """``path`` or its gzipped form, whichever exists."""
    return next((file for file in (path, path.with_name(path.name + ".gz")) if file.is_file()), None)


def _download() -> list[Path]:
    try:
        return [Path(pooch.retrieve(f"{MNIST_URL}{file}.gz", known_hash=f"md5:{md5}", fname=f"{file}.gz",
                                    path=pooch.os_cache("spinloom") / "mnist"))
                for file, md5 in zip(FILES, MNIST_MD5, strict=True)]
    except (OSError, ValueError) as error:
        raise ConfigError(f"mnist: the download from {MNIST_URL} failed ({type(error).__name__}); give a folder with "
                          f"{', '.join(FILES)} (each may end in .gz) with --data DIR or SPINLOOM_DATA") from None
