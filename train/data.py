"""Data sets: the packaged digits, MNIST or any other set in IDX format, CIFAR-10 in its binary version.

A set that was published is recognised by what its files hold, whatever they are called. One that goes by the name of
another is refused; of one that nobody knows it is said that it is unknown.
"""

import csv
import gzip
import hashlib
import os
from dataclasses import dataclass, replace
from importlib import resources
from math import prod
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pooch
import torch

from ..config import Experiment
from ..contract.errors import ConfigError
from ..contract.formats import ActivationFormat
from ..system import caches
from ..system.notice import warn
from . import known_sets
from .data_files import FILES, BatchFiles, IdxFiles, find
from .idx import read, read_batch, read_header
from .results import DataRecord
from .suspicion import oddities

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""Where MNIST is downloaded from."""


class Samples(NamedTuple):
    """Images and what they show."""

    images: np.ndarray
    """uint8 (n, height, width, channels); IDX files and the digits have one channel."""
    labels: np.ndarray
    """int64 (n,)."""


@dataclass(frozen=True)
class Dataset:
    """What is trained on, and what is tested on."""

    train: Samples
    test: Samples
    record: DataRecord
    """What identifies the set."""

    def first(self, samples: int | None) -> Self:
        """The set with the first ``samples`` training samples only; the record stays that of the whole."""
        count = taken(samples, len(self.train.labels), "training samples")
        return replace(self, train=Samples(*(array[:count] for array in self.train)))


def taken(samples: int | None, there: int, what: str) -> int:
    """How many samples are taken if ``samples`` are wanted, or all, of those ``there``. If more are wanted than that,
    a warning says so; ``what`` names them."""
    if samples is None:
        return there
    if samples > there:
        warn(f"{samples:,} {what} are asked for; there are {there:,}, and all of them are taken")
    return min(samples, there)


class _Found(NamedTuple):
    """A data set as it was read."""

    train: Samples
    test: Samples
    names: tuple[str, ...]
    """Of the files: training images and labels, test images and labels."""
    owners: tuple[str | None, ...]
    """The published set that each file belongs to, None if to none that is known."""
    unpacked: bool
    """Whether the files are not gzipped."""


def load(experiment: Experiment, data_dir: str | Path | None = None) -> Dataset:
    """The data set of ``experiment``.

    ``digits`` is part of the package. Every other data set is four IDX files or the batches of CIFAR-10, gzipped or
    not. They are looked for in ``data_dir``, or else in the folder named by ``SPINLOOM_DATA`` (`data_files.find` says
    how). If no folder is named, MNIST is downloaded once into the user's cache.

    ``ConfigError`` names the file that is missing or unusable, and a set that is not the one that ``experiment`` names.
    What is unknown or odd about the data is said in a warning.
    """
    name = experiment.dataset
    found = _digits() if name == known_sets.DIGITS else _read(_files(name, data_dir), experiment)
    _check_labels(found, experiment)
    known, remark = _recognise(found, name)
    record = DataRecord(name=name, known=known, sha256=_sha256(found.train, found.test),
                        train=len(found.train.labels), test=len(found.test.labels))
    if remark:
        warn(f"{remark} (sha256 {record.sha256[:12]})")
    if known is None:
        for oddity in oddities(*found.train, *found.test):
            warn(f"{found.names[0]}: {oddity}")
    return Dataset(found.train, found.test, record)


def drive(images: np.ndarray, form: ActivationFormat) -> torch.Tensor:
    """What ``images``, uint8 (n, ...), drive the first crossbar with (arithmetic 7.2): int16 (n, inputs). An image is
    flattened in row-major order."""
    pixels = np.arange(256)
    values = np.floor_divide(pixels * (1 << form.frac) + 128, 256).clip(form.minimum, form.maximum)
    return torch.from_numpy(values.astype(np.int16)[images.reshape(len(images), -1)])


def _files(name: str, data_dir: str | Path | None) -> IdxFiles | BatchFiles:
    """The files of the data set ``name``, downloaded if need be."""
    folder = data_dir or os.environ.get("SPINLOOM_DATA")
    if folder:
        found = find(Path(folder), name)
        if not isinstance(found, str):
            return found
        if data_dir or name != "mnist":
            raise ConfigError(found)
    if name != "mnist":
        raise ConfigError(f"data set {name!r}: give the folder of its IDX files with --data DIR or SPINLOOM_DATA")
    return IdxFiles(*_download())


def _read(files: IdxFiles | BatchFiles, experiment: Experiment) -> _Found:
    """The contents of ``files``; ``ConfigError`` if they are damaged or do not fit together or ``experiment``."""
    return _read_batches(files, experiment) if isinstance(files, BatchFiles) else _read_idx(files, experiment)


def _read_idx(files: IdxFiles, experiment: Experiment) -> _Found:
    headers = [read_header(path, kind) for path, kind in zip(files, ("images", "labels") * 2, strict=True)]
    for images, labels in (headers[:2], headers[2:]):  # before any time is spent on their contents
        if images.shape[0] != labels.shape[0]:
            raise ConfigError(f"{labels.path}: {labels.shape[0]} labels for the {images.shape[0]} images of "
                              f"{images.path.name}")
        _check_pixels(images.path, prod(images.shape[1:]), experiment)
    contents = [read(header) for header in headers]
    train, test = (Samples(images.array[..., np.newaxis], labels.array)
                   for images, labels in (contents[:2], contents[2:]))
    owners = tuple(known_sets.owner(*content.digests) for content in contents)
    return _Found(train, test, tuple(map(str, files)), owners, all(len(content.digests) == 1 for content in contents))


def _read_batches(files: BatchFiles, experiment: Experiment) -> _Found:
    batches = [read_batch(path) for path in (*files.train, files.test)]
    for path, (images, _, _) in zip((*files.train, files.test), batches, strict=True):
        _check_pixels(path, prod(images.shape[1:]), experiment)
    train = Samples(*(np.concatenate([batch[part] for batch in batches[:-1]]) for part in (0, 1)))
    known = tuple(sha256 for *_, sha256 in batches) == known_sets.CIFAR_10_SHA256
    names = (str(files.train[0]),) * 2 + (str(files.test),) * 2
    return _Found(train, Samples(*batches[-1][:2]), names, (known_sets.CIFAR_10 if known else None,), True)


def _digits() -> _Found:
    """The packaged digits, of 8 x 8 pixels; every fifth one is for testing."""
    packed = resources.files(__package__.rpartition(".")[0]).joinpath("data", "digits.csv.gz").read_bytes()
    table = np.array(list(csv.reader(gzip.decompress(packed).decode().split())), dtype=np.int64)
    pixels, labels = (table[:, :-1] * 255 + 8 >> 4).astype(np.uint8).reshape(-1, 8, 8, 1), table[:, -1]
    test = np.arange(len(table)) % 5 == 4
    return _Found(Samples(pixels[~test], labels[~test]), Samples(pixels[test], labels[test]),
                  ("digits",) * 4, (known_sets.DIGITS,), True)


def _check_pixels(name: str | Path, pixels: int, experiment: Experiment) -> None:
    if pixels != experiment.input.count:
        raise ConfigError(f"{name}: images have {pixels} pixels; "
                          f"the network has input.count={experiment.input.count}")


def _check_labels(found: _Found, experiment: Experiment) -> None:
    """``ConfigError`` if images or labels do not fit the network."""
    outputs, last = experiment.layers[-1].cols, len(experiment.layers) - 1
    names = found.names
    for samples, images, labels in ((found.train, names[0], names[1]), (found.test, names[2], names[3])):
        _check_pixels(images, prod(samples.images.shape[1:]), experiment)
        lowest, highest = int(samples.labels.min()), int(samples.labels.max())
        if lowest < 0:
            raise ConfigError(f"{labels}: labels go down to {lowest}; they must be 0 or more")
        if highest >= outputs:
            from_one = "; they begin at 1, so output 0 stays unused" if lowest == 1 else ""
            raise ConfigError(f"{labels}: labels reach {highest}; the network has {outputs} outputs, so they must lie "
                              f"in 0 to {outputs - 1}; for these labels it needs {highest + 1}, "
                              f"layers[{last}].cols={highest + 1}{from_one}")


def _recognise(found: _Found, name: str) -> tuple[str | None, str | None]:
    """The published set that was found, None if it is none, and a remark about it. ``ConfigError`` if it is another
    than ``name`` means, or the files are of several."""
    means, owners = known_sets.published(name), set(found.owners)
    known = owners - {None}
    place = str(Path(found.names[0]).parent)
    if len(known) > 1:
        parts = ", ".join(f"{Path(file).name} of {owner}" for file, owner in
                          zip(found.names, found.owners, strict=False) if owner)
        raise ConfigError(f"{place}: the files are of different data sets: {parts}")
    for owner in known:
        if means not in (None, owner):
            raise ConfigError(f"{place}: the files are those of {owner}, and the configuration has dataset={name!r}; "
                              f"give the folder of {means}, or dataset=\"{owner}\"")
        if None in owners:
            parts = ", ".join(Path(file).name for file, of in zip(found.names, found.owners, strict=False) if not of)
            return None, f"{place}: the files are those of {owner}, except for {parts}"
        return owner, None if means else f"{place}: the data set {name!r} is {owner}"
    if means is None:
        return None, f"{place}: the data set {name!r} is none that is known"
    if known_sets.recognised(means, found.unpacked):
        return None, f"{place}: the data set {name!r} is not {means} as it was published"
    return None, (f"{place}: the data set {name!r} is not recognised, as only "
                  f"{'gzipped' if found.unpacked else 'unpacked'} files of {means} can be")


def _sha256(train: Samples, test: Samples) -> str:
    """The digest that stands for a data set: of shapes and bytes of training images and labels, test images and
    labels. A shape is written as text, ``60000x28x28x1`` and a line feed; labels are 8 bytes, little endian."""
    hashed = hashlib.sha256()
    for array in (*train, *test):
        hashed.update(("x".join(map(str, array.shape)) + "\n").encode())
        hashed.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return hashed.hexdigest()


def _download() -> list[Path]:
    try:
        return [Path(pooch.retrieve(f"{MNIST_URL}{file}.gz", known_hash=f"md5:{md5}", fname=f"{file}.gz",
                                    path=caches.folder() / "mnist"))
                for file, md5 in zip(FILES, known_sets.MNIST_MD5, strict=True)]
    except (OSError, ValueError) as error:
        raise ConfigError(f"mnist: the download from {MNIST_URL} failed ({type(error).__name__}); give a folder with "
                          f"{', '.join(FILES)} (each may end in .gz) with --data DIR or SPINLOOM_DATA") from None
