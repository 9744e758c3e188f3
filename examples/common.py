"""What the examples share: options, data, epochs that resume, and the answer."""

import argparse
import json
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import cos, nan, pi
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.image import imsave
from spinloom import nn
from spinloom.contract.errors import ConfigError, InterruptedRunError, SpinloomError
from spinloom.contract.hashing import sample_order
from spinloom.system.files import replace, sweep
from spinloom.system.stop import deferred_stop, raise_on_stop
from spinloom.train import data, text

CLASSES = 10
"""What the examples tell apart in images."""
FOLDER = "name a folder with --checkpoint"
"""The remedy if nothing can be written there."""
SAVED_EVERY = 60.0
"""Seconds between two checkpoints within an epoch."""
FREE = ("backend", "json", "no_baseline", "checkpoint", "picture", "usual")
"""Options that may differ where a training goes on."""


class Samples(NamedTuple):
    """Images and what they show."""

    images: torch.Tensor
    """float32 (n, channels, height, width), in [0, 1)."""
    labels: torch.Tensor
    """int64 (n,)."""


def options(description: str | None, epochs: int, dataset: str) -> argparse.ArgumentParser:
    """The options of all examples."""
    parser = argparse.ArgumentParser(description=description)
    parser.set_defaults(usual=dataset)
    parser.add_argument("--data", type=_named, metavar="DIR",
                        help="folder of the data set, instead of what is packaged")
    parser.add_argument("--dataset", type=_named, metavar="NAME", help=f"its name ({dataset})")
    parser.add_argument("--samples", type=_positive, metavar="N", help="train on the first N samples only")
    parser.add_argument("--validation", action="store_true",
                        help="measure on the last tenth of what is there to train on, which is then not trained on")
    parser.add_argument("--epochs", type=_positive, metavar="N", default=epochs, help="(%(default)s)")
    parser.add_argument("--backend", default="golden", help="golden, rtl or board:PORT (%(default)s)")
    parser.add_argument("--torch-device", choices=("cpu", "cuda"), default="cpu",
                        help="where PyTorch and the golden model compute (%(default)s)")
    parser.add_argument("--seed", type=int, metavar="N", default=1, help="of all random numbers (%(default)s)")
    parser.add_argument("--checkpoint", metavar="DIR", type=lambda text: Path(_named(text)),
                        help="folder to keep the training's state in; what was interrupted goes on from there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--no-baseline", action="store_true", help="leave the float twin out")
    return parser


def start(main: Callable[[], None]) -> None:
    """Run an example. An error that is meant for people, and a request to stop, end it in one line."""
    raise_on_stop()
    try:
        main()
        return
    except SpinloomError as error:
        status, message = error.exit_status, str(error)
    except OSError as error:
        status, message = 1, f"{error.filename or 'the operating system'}: {error.strerror or error}"
    except KeyboardInterrupt:
        status, message = InterruptedRunError.exit_status, "interrupted"
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)


class Apply(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class Run:
    """One run of an example."""

    def __init__(self, given: argparse.Namespace) -> None:
        """With the options that are ``given``; all random numbers begin here."""
        self.options = given
        self.baseline = not given.no_baseline
        self.torch_device = torch.device(given.torch_device)
        """Where samples are, and models belong."""
        if given.torch_device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("--torch-device cuda: PyTorch finds no CUDA device; leave it out to compute on the CPU")
        if given.torch_device != "cpu" and given.backend != "golden":
            raise ConfigError(f"--torch-device {given.torch_device}: goes with --backend golden only, "
                              f"not with {given.backend}")
        if given.dataset and not given.data:
            raise ConfigError(f"--dataset {given.dataset}: name the folder that it is in, with --data")
        given.dataset = given.dataset or given.usual
        if given.checkpoint:
            with _written(given.checkpoint, FOLDER):
                given.checkpoint.mkdir(parents=True, exist_ok=True)
                sweep(given.checkpoint)
        self.measured = nan
        """What the last training has reached."""
        self._began, self._before, self._saved = time.monotonic(), 0.0, 0.0
        self._name, self._parts, self._epoch, self._batch = "", {}, 0, 0
        nn.manual_seed(given.seed)
        torch.manual_seed(given.seed)

    @property
    def seconds(self) -> float:
        """Since it began, interruptions not counted."""
        return self._before + time.monotonic() - self._began

    def images(self, channels: int | None = None, side: int | None = None) -> tuple[Samples, Samples]:
        """Training and test samples: those in the folder ``--data``, or the packaged digits. If a shape is given,
        ``side`` pixels wide and high, the digits are enlarged and, in three channels, coloured at random; a data set
        must have it."""
        given = self.options
        sets = data.load(given.dataset if given.data else "digits", given.data).first(given.samples)
        largest = max(int(part.labels.max()) for part in (sets.train, sets.test))
        if largest >= CLASSES:
            raise ConfigError(f"{given.data}: there are labels up to {largest}; the examples tell {CLASSES} classes "
                              f"apart, 0 to {CLASSES - 1}")
        pairs = zip(*(self._split(*pair) for pair in zip(sets.train, sets.test, strict=True)), strict=True)
        parts = [Samples(torch.from_numpy(images).permute(0, 3, 1, 2) / 256, torch.from_numpy(labels))
                 for images, labels in pairs]
        if channels and side and not given.data:
            parts = [Samples(_enlarged(part.images, channels, side), part.labels) for part in parts]
        for part in parts:
            if channels and side and part.images.shape[1:] != (channels, side, side):
                raise ConfigError(f"{given.data}: images are {' x '.join(map(str, part.images.shape[1:]))} (channels, "
                                  f"height, width); this example needs {channels} x {side} x {side}")
        counts = [len(part.labels) for part in parts]
        if min(counts) < 2:
            raise ConfigError(f"{counts[0]} samples to train on, {counts[1]} to measure on: at least two of each are "
                              "needed; --samples says how many are taken")
        return tuple(Samples(*(tensor.to(self.torch_device) for tensor in part)) for part in parts)

    def text(self) -> tuple[torch.Tensor, torch.Tensor, int]:
        """The characters to train on and to measure on, int64 (n,): of the text in the folder ``--data``, or of the
        packaged sonnets. And how many different ones there are."""
        given = self.options
        read = text.load(given.dataset if given.data else "sonnets", given.data)
        parts = self._split(read.train, read.test)
        return *(torch.from_numpy(part).to(self.torch_device) for part in parts), len(read.characters)

    def placed(self, model: torch.nn.Module, inputs: torch.Tensor) -> torch.nn.Module:
        """``model`` on the device of PyTorch and the backend that were asked for. It is applied to ``inputs`` first,
        which settles its formats."""
        with torch.no_grad():
            model.to(self.torch_device).eval()(inputs)
        model.train()
        return nn.to_backend(model, self.options.backend)

    def epochs(self, name: str, measure: Callable[[], float], *, count: int | None = None,
               **parts: Any) -> Iterator[int]:
        """The epochs of a training called ``name``, from 0: ``count``, or ``--epochs``. ``parts`` are all that changes
        in it: what has a ``state_dict``. With ``--checkpoint`` it goes on where it was, to the same bits. After each
        epoch, ``measured`` is what ``measure`` says, and a line says so, too."""
        self._name, self._parts, self._epoch, self._batch = name, parts, 0, 0
        count = count or self.options.epochs
        self._resume()
        if self._epoch == count:
            self.measured = measure()
        while self._epoch < count:
            yield self._epoch
            self._epoch, self._batch = self._epoch + 1, 0
            self._save()
            self.measured = measure()
            print(f"{name}: epoch {self._epoch} of {count}: {self.measured:.3f} after {self.seconds:.0f} s",
                  file=sys.stderr, flush=True)

    def batches(self, *tensors: torch.Tensor, size: int, shuffle: bool = True) -> Iterator[list[torch.Tensor]]:
        """Mini-batches of ``size`` of the present epoch: the same samples of all ``tensors``. They are shuffled anew in
        every epoch, as the machine shuffles, unless they are to stay in order. A single sample that would be left at
        the end joins the mini-batch before, as batch normalisation cannot take it alone. After a request to stop, the
        present mini-batch is finished, a checkpoint is saved, and ``InterruptedRunError`` raised."""
        order = torch.arange(len(tensors[0]))
        if shuffle:
            order = torch.from_numpy(sample_order(self.options.seed, self._epoch, len(order)))
        ends = list(range(size, len(order) - (size > 1), size))
        with deferred_stop() as stop:
            for chosen in order.tensor_split(ends)[self._batch:]:
                yield [tensor[chosen] for tensor in tensors]
                self._batch += 1
                if stop.is_set() or time.monotonic() - self._saved > SAVED_EVERY:
                    self._save()
                if stop.is_set():
                    folder = self.options.checkpoint
                    raise InterruptedRunError(f"interrupted; the same command goes on from {folder}" if folder else
                                              "interrupted; with --checkpoint DIR it could have gone on")

    def answer(self, model: torch.nn.Module, **measured: float | None) -> None:
        """Print what was ``measured``, and what all examples tell of the arrays in ``model``."""
        arrays = nn.arrays(model)
        result = {name: None if figure is None else round(figure, 4) for name, figure in measured.items()} | {
            "write_pulses": sum(array.crossbar.counters["attempts"] for array in arrays),
            "backend": arrays[0].backend, "seconds": round(self.seconds, 1)}
        wear = nn.wear(model) if arrays[0].backend == "golden" else None  # hardware does not count those of cells
        if self.options.json:
            print(json.dumps(result | {"wear": wear and wear.to_json()}))
        else:
            result |= {"worst_cell": wear and wear.worst, "cells_by_write_pulses": wear}
            print(model, *(f"{name:32}{figure}" for name, figure in result.items()), sep="\n")

    def _split(self, training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What to train on and what to measure on: ``training`` and ``test``, or, with ``--validation``, both of
        ``training``."""
        end = len(training) * 9 // 10
        return (training[:end], training[end:]) if self.options.validation else (training, test)

    @property
    def _file(self) -> Path | None:
        folder = self.options.checkpoint
        return folder / f"{self._name}.pt" if folder else None

    @property
    def _identity(self) -> dict[str, str]:
        """What must be the same where a training goes on: the example, and most of its options."""
        return {"example": Path(sys.argv[0]).stem} | {
            name: str(value) for name, value in vars(self.options).items() if name not in FREE}

    def _save(self) -> None:
        """Keep the state of the training, as a whole or not at all."""
        self._saved = time.monotonic()
        if self._file:
            state = {"options": self._identity, "epoch": self._epoch, "batch": self._batch, "seconds": self.seconds,
                     "random": torch.get_rng_state(), "random_cuda": torch.cuda.get_rng_state_all(),
                     "parts": {name: part.state_dict() for name, part in self._parts.items()}}
            with _written(self._file, FOLDER):
                replace(self._file, lambda file: torch.save(state, file))

    def _resume(self) -> None:
        """Go on where a training of that name was, if there is one; ``ConfigError`` if it had other options."""
        self._saved = time.monotonic()
        if not self._file or not self._file.exists():
            return
        try:
            state = dict(torch.load(self._file, map_location="cpu"))
            kept = [state[name] for name in ("epoch", "batch", "seconds", "random", "random_cuda")]
            options, parts = state["options"], state["parts"]
        except (OSError, RuntimeError, ValueError, EOFError, TypeError, LookupError, pickle.UnpicklingError):
            raise ConfigError(f"{self._file}: no checkpoint; name another folder with --checkpoint") from None
        for name, value in self._identity.items():
            if (before := options.get(name)) != value:
                raise ConfigError(f"{self._file}: was begun with {name}={before}, not {value}; name another folder "
                                  "with --checkpoint")
        self._epoch, self._batch, self._before, random, random_cuda = kept
        self._began = time.monotonic()
        for name, part in self._parts.items():
            part.load_state_dict(parts[name])
        torch.set_rng_state(random)
        torch.cuda.set_rng_state_all(random_cuda)


def train(run: Run, name: str, model: torch.nn.Module, samples: tuple[Samples, Samples], *, size: int,
          loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], optimizers: dict[str, torch.optim.Optimizer],
          rate: Callable[[float], float], epochs: int | None = None) -> float:
    """Train ``model`` on the first of ``samples``, in mini-batches of ``size``, by all ``optimizers``, and return its
    accuracy on the second. Where a part ``p`` of the training is done, learning rates are ``rate(p)`` times the first.
    There are ``epochs``, or ``--epochs``.
    """
    training, test = samples
    steps = (epochs or run.options.epochs) * -(-len(training.labels) // size)
    rates = schedulers(optimizers, rate, steps)
    model.train()
    for _ in run.epochs(name, lambda: accuracy(model, test), count=epochs, model=model, **optimizers, **rates):
        for images, labels in run.batches(*training, size=size):
            descend(loss(model(images), labels), *optimizers.values())
            for each in rates.values():
                each.step()
    return run.measured


def schedulers(optimizers: dict[str, torch.optim.Optimizer], rate: Callable[[float], float],
               steps: int) -> dict[str, torch.optim.lr_scheduler.LambdaLR]:
    """Of ``optimizers``: where a part ``p`` of ``steps`` is done, learning rates are ``rate(p)`` times the first."""
    return {f"rate of {key}": torch.optim.lr_scheduler.LambdaLR(each, lambda step: rate(step / (steps + 1)))
            for key, each in optimizers.items()}


def spread_residuals(model: torch.nn.Module) -> None:
    """Let the residuals in the arrays of ``model`` begin anywhere below the threshold. If all began at 0, most cells
    would take their first step at once."""
    for array in nn.arrays(model):
        limit, state = array.crossbar.geometry.threshold, array.state()
        array.load(state | {"chi": torch.randint(1 - limit, limit, state["chi"].shape).numpy()})


def descend(loss: torch.Tensor, *optimizers: torch.optim.Optimizer) -> None:
    """A step of ``optimizers`` down the ``loss`` and nothing else. Arrays get their write pulses here."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


def falling(part: float) -> float:
    """A rate that falls to 0 along half a cosine."""
    return (1 + cos(pi * part)) / 2


def accuracy(model: torch.nn.Module, samples: Samples) -> float:
    """Percent of ``samples`` that ``model`` predicts correctly."""
    training = model.training
    model.eval()
    with torch.no_grad():
        right = [(model(images).argmax(dim=1) == labels).sum().item()
                 for images, labels in zip(*(tensor.split(1000) for tensor in samples), strict=True)]
    model.train(training)
    return 100 * sum(right) / len(samples.labels)


def frechet(features: torch.Tensor, others: torch.Tensor) -> float:
    """The Frechet distance of normal distributions with the means and covariances of these (n, features)."""
    mean, covariance = (features.mean(0), others.mean(0)), (features.T.cov(), others.T.cov())
    values, vectors = torch.linalg.eigh(covariance[0])
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    both = torch.linalg.eigvalsh(root @ covariance[1] @ root).clamp(min=0).sqrt().sum()
    return float((mean[0] - mean[1]).square().sum() + covariance[0].trace() + covariance[1].trace() - 2 * both)


def save_picture(path: Path, *parts: torch.Tensor) -> None:
    """Write a PNG file of the first hundred grey images of each of ``parts``, (n, 1, height, width), side by side."""
    sheets = [torch.cat([torch.cat(list(row), 2) for row in part[:100].split(10)], 1)[0] for part in parts]
    sheets[1:] = [torch.nn.functional.pad(sheet, (8, 0), value=1) for sheet in sheets[1:]]  # a white line between
    with _written(path, "name a file with --picture"):
        replace(path, lambda file: imsave(file, torch.cat(sheets, 1).cpu(), format="png", cmap="gray", vmin=0, vmax=1))


def new_file(text: str) -> Path:
    """The path of a file to write, for an option. Its folder must exist already: training may take hours."""
    path = Path(_named(text))
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    return path


@contextmanager
def _written(path: Path, remedy: str) -> Iterator[None]:
    """``ConfigError`` if ``path``, which is written here, cannot be; with the ``remedy``."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); {remedy}") from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)


def _named(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _enlarged(images: torch.Tensor, channels: int, side: int) -> torch.Tensor:
    """``images`` (n, 1, height, width) in the middle of ``side`` by ``side`` pixels, as large as whole numbers allow;
    in several channels, each in two colours of its own, bright on dark."""
    factor = side // images.shape[-1]
    images = images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    margin = side - images.shape[-1]
    images = torch.nn.functional.pad(images, (margin // 2, margin - margin // 2) * 2)
    if channels == 1:
        return images
    dark, bright = torch.rand(2, len(images), channels, 1, 1) / 2
    return dark + (0.5 + bright - dark) * images
