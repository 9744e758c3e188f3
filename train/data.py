"""Data sets of images: the packaged digits, MNIST or any other set in IDX format, CIFAR-10 in its binary version.

A set that was published is recognised by what its files hold, whatever they are called. One that goes by the name of
another is refused; of one that nobody knows it is said that it is unknown.
"""

import csv
from dataclasses import dataclass, replace
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
from . import known_sets, recognition
from .data_files import FILES, BatchFiles, IdxFiles, find, named_folder, packaged
from .idx import read, read_batch, read_header
from .recognition import Found
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


def load(source: Experiment | str, data_dir: str | Path | None = None) -> Dataset:
    """The data set of an experiment, for which images and labels must fit the network, or the one of that name.

    ``digits`` is part of the package. Every other data set is four IDX files or the batches of CIFAR-10, gzipped or
    not. They are looked for in ``data_dir``, or else in the folder named by ``SPINLOOM_DATA`` (`data_files.find` says
    how). If no folder is named, MNIST is downloaded once into the user's cache.

    ``ConfigError`` names the file that is missing or unusable, and a set that is not the one that ``source`` names.
    What is unknown or odd about the data is said in a warning.
    """
    experiment, name = (None, source) if isinstance(source, str) else (source, source.dataset)
    found = _digits() if name == known_sets.DIGITS else _read(_files(name, data_dir), experiment)
    train, test = Samples(*found.arrays[:2]), Samples(*found.arrays[2:])
    _check_samples(found, experiment)
    record = recognition.record(found, name, len(train.labels), len(test.labels))
    if record.known is None:
        for oddity in oddities(*train, *test):
            warn(f"{found.names[0]}: {oddity}")
    return Dataset(train, test, record)


def drive(images: np.ndarray, form: ActivationFormat) -> torch.Tensor:
    """What ``images``, uint8 (n, height, width, channels), drive the first crossbar with (arithmetic 7.2): int16
    (n, cells), in the order of the cells of a map."""
    pixels = np.arange(256)
    values = np.floor_divide(pixels * (1 << form.frac) + 128, 256).clip(form.minimum, form.maximum)
    return torch.from_numpy(values.astype(np.int16)[images.reshape(len(images), -1)])


def _files(name: str, data_dir: str | Path | None) -> IdxFiles | BatchFiles:
    """The files of the data set ``name``, downloaded if need be."""
    folder = named_folder(data_dir)
    if folder:
        found = find(folder, name)
        if not isinstance(found, str):
            return found
        if data_dir or name != "mnist":
            raise ConfigError(found)
    if name != "mnist":
        raise ConfigError(f"data set {name!r}: give the folder of its IDX files with --data DIR or SPINLOOM_DATA")
    return IdxFiles(*_download())


def _read(files: IdxFiles | BatchFiles, experiment: Experiment | None) -> Found:
    """The contents of ``files``; ``ConfigError`` if they are damaged or do not fit together or the ``experiment``."""
    return _read_batches(files, experiment) if isinstance(files, BatchFiles) else _read_idx(files, experiment)


def _read_idx(files: IdxFiles, experiment: Experiment | None) -> Found:
    headers = [read_header(path, kind) for path, kind in zip(files, ("images", "labels") * 2, strict=True)]
    for images, labels in (headers[:2], headers[2:]):  # before any time is spent on their contents
        if images.shape[0] != labels.shape[0]:
            raise ConfigError(f"{labels.path}: {labels.shape[0]} labels for the {images.shape[0]} images of "
                              f"{images.path.name}")
        _check_pixels(images.path, (*images.shape[1:], 1), experiment)
    shapes = [" x ".join(map(str, headers[part].shape[1:])) for part in (0, 2)]
    if experiment is None and shapes[0] != shapes[1]:
        raise ConfigError(f"{headers[2].path}: images are {shapes[1]}; the training images are {shapes[0]}")
    contents = [read(header) for header in headers]
    arrays = tuple(content.array if header.kind == "labels" else content.array[..., np.newaxis]
                   for header, content in zip(headers, contents, strict=True))
    owners = tuple(known_sets.owner(*content.digests) for content in contents)
    return Found(arrays, tuple(map(str, files)), owners, all(len(content.digests) == 1 for content in contents))


def _read_batches(files: BatchFiles, experiment: Experiment | None) -> Found:
    batches = [read_batch(path) for path in (*files.train, files.test)]
    for path, (images, _, _) in zip((*files.train, files.test), batches, strict=True):
        _check_pixels(path, images.shape[1:], experiment)
    train = tuple(np.concatenate([batch[part] for batch in batches[:-1]]) for part in (0, 1))
    known = tuple(sha256 for *_, sha256 in batches) == known_sets.CIFAR_10_SHA256
    names = (str(files.train[0]),) * 2 + (str(files.test),) * 2
    return Found((*train, *batches[-1][:2]), names, (known_sets.CIFAR_10 if known else None,), True)


def _digits() -> Found:
    """The packaged digits, of 8 x 8 pixels; every fifth one is for testing."""
    table = np.array(list(csv.reader(packaged("digits.csv.gz").split())), dtype=np.int64)
    pixels, labels = (table[:, :-1] * 255 + 8 >> 4).astype(np.uint8).reshape(-1, 8, 8, 1), table[:, -1]
    test = np.arange(len(table)) % 5 == 4
    return Found((pixels[~test], labels[~test], pixels[test], labels[test]), (known_sets.DIGITS,) * 4,
                 (known_sets.DIGITS,), True)


def _check_pixels(name: str | Path, shape: tuple[int, ...], experiment: Experiment | None) -> None:
    """``ConfigError`` unless images of ``shape`` (height, width, channels) fit the input of the network, if there is
    one."""
    if experiment is None:
        return
    given = experiment.input
    if given.map is not None and shape != given.map:
        raise ConfigError(f"{name}: images are {' x '.join(map(str, shape))} (height, width, channels); the network "
                          f"has input.map={list(given.map)}")
    if prod(shape) != given.count:
        raise ConfigError(f"{name}: images have {prod(shape)} pixels; the network has input.count={given.count}")


def _check_samples(found: Found, experiment: Experiment | None) -> None:
    """``ConfigError`` if images or labels do not fit the network, if there is one, or are none at all."""
    for (images, labels), (image_name, label_name) in zip((found.arrays[:2], found.arrays[2:]),
                                                          (found.names[:2], found.names[2:]), strict=True):
        _check_pixels(image_name, images.shape[1:], experiment)
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0:
            raise ConfigError(f"{label_name}: labels go down to {lowest}; they must be 0 or more")
        if experiment and highest >= (outputs := experiment.layers[-1].cols):
            from_one, last = "; they begin at 1, so output 0 stays unused" * (lowest == 1), len(experiment.layers) - 1
            raise ConfigError(f"{label_name}: labels reach {highest}; the network has {outputs} outputs, so they must "
                              f"lie in 0 to {outputs - 1}; for these labels it needs {highest + 1}, "
                              f"layers[{last}].cols={highest + 1}{from_one}")


def _download() -> list[Path]:
    try:
        return [Path(pooch.retrieve(f"{MNIST_URL}{file}.gz", known_hash=f"md5:{md5}", fname=f"{file}.gz",
                                    path=caches.folder() / "mnist"))
                for file, md5 in zip(FILES, known_sets.MNIST_MD5, strict=True)]
    except (OSError, ValueError) as error:
        raise ConfigError(f"mnist: the download from {MNIST_URL} failed ({type(error).__name__}); give a folder with "
                          f"{', '.join(FILES)} (each may end in .gz) with --data DIR or SPINLOOM_DATA") from None
