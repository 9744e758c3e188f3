"""What training, transfer and evaluation answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..contract.results import Result


@dataclass(frozen=True, kw_only=True)
class DataRecord(Result):
    """What identifies a data set."""

    name: str
    """What the configuration calls it."""
    known: str | None
    """The published set that its files were recognised as. None if they are of none that is known."""
    sha256: str
    """Of shapes and bytes of images and labels, or of texts; see `train.recognition`."""
    train: int
    """Training samples."""
    test: int
    """Test samples."""

    def __str__(self) -> str:
        of = self.known or f"a set called {self.name}"
        return f"{self.train:,} training and {self.test:,} test samples of {of} (sha256 {self.sha256[:12]})"


@dataclass(frozen=True, kw_only=True)
class EpochResult(Result):
    """One epoch of a run: a row of ``metrics.csv``."""

    old_keys: ClassVar = {"programming_events": "write_pulses"}

    epoch: int
    """Its number, from 1."""
    samples: int
    """Samples trained in it."""
    training_accuracy: float
    """Percent of these samples that were predicted correctly, each before its update."""
    test_accuracy: float
    """Percent of the test samples that were predicted correctly after the epoch."""
    write_pulses: int
    """Write pulses of the epoch, over all crossbars."""
    samples_per_second: int
    """Speed of training; evaluation is not counted."""


@dataclass(frozen=True, kw_only=True)
class WornCell(Result):
    """A cell, and its write pulses."""

    layer: int
    row: int
    col: int
    pulses: int
    device: int | None = None
    """The device that was given them, where cells have several."""

    def __str__(self) -> str:
        device = "" if self.device is None else f", device {self.device}"
        return f"layer {self.layer}, row {self.row}, column {self.col}{device}: {self.pulses:,} write pulses"


@dataclass(frozen=True, kw_only=True)
class WearResult(Result):
    """How many write pulses cells have been given; where cells have several devices, each of these counts."""

    cells: int
    """Cells of all layers."""
    worst: WornCell
    """The cell that was given most, the first of equals."""
    quantiles: dict[str, int]
    """For some fractions: the number of write pulses that no more were given to at least so many of the cells."""
    histogram: tuple[int, ...]
    """Cells by write pulses: those without any, and then those with ``2**i`` to ``2**(i + 1) - 1`` for ``i`` from 0
    on."""
    failed: int | None = None
    """Cells whose life has ended. None if cells do not age, and in results of earlier versions."""

    def __str__(self) -> str:
        """The distribution, in one line."""
        def bounds(place: int) -> str:
            low, high = 1 << place - 1 if place else 0, (1 << place) - 1
            return f"{low:,}" if low >= high else f"{low:,} to {high:,}"

        return "; ".join(f"{bounds(place)}: {count:,}" for place, count in enumerate(self.histogram) if count)


@dataclass(frozen=True, kw_only=True)
class TrainResult(Result):
    """A run that has ended: ``result.json``."""

    old_keys: ClassVar = {"programming_events": "write_pulses"}

    test_accuracy: float
    """Percent of the test samples that the machine predicts correctly in the end."""
    baseline_accuracy: float | None
    """Likewise of the floating-point baseline; None if there was none."""
    write_pulses: int
    """Write pulses of the whole run. Of devices that were written ex situ: those that the writing took."""
    most_write_pulses: int | None = None
    """Write pulses of the cell that was given most. None in runs that an earlier version began."""
    wear: WearResult | None = None
    """The write pulses of cells. None in results of earlier versions, and in runs that one of these began."""
    samples_per_second: int
    """Speed of training; evaluation is not counted."""
    epochs: int
    """Epochs trained."""
    samples: int
    """Samples of an epoch."""
    out: Path
    """The run folder."""
    data: DataRecord | None = None
    """The data set. None in results of earlier versions."""
    identity: str | None = None
    """Digest of what was run: see `train.identity`. None in results of earlier versions."""


@dataclass(frozen=True, kw_only=True)
class TransferResult(TrainResult):
    """Ex-situ training that has ended. What `TrainResult` tells is of the devices written, and of the precursor's
    training where there is nothing else that it could be of."""

    old_keys: ClassVar = TrainResult.old_keys | {"precursor_events": "precursor_write_pulses",
                                               "most_attempts": "most_write_pulses"}

    precursor_accuracy: float
    """Percent of the test samples that the precursor predicts correctly."""
    precursor_write_pulses: int
    """Write pulses of the precursor's training."""
    cells: int
    """Cells written, or the devices of cells of several."""
    attempts_per_cell: float
    """Write pulses that each of them took, on average."""
    cells_outside_margin: int
    """Those that were given up outside the margin."""


@dataclass(frozen=True, kw_only=True)
class DriftResult(Result):
    """Accuracy some time after programming."""

    seconds: float
    """Time since programming."""
    test_accuracy: float
    """Percent of the test samples that are predicted correctly then."""


@dataclass(frozen=True, kw_only=True)
class WiresResult(Result):
    """Accuracy in arrays whose lines have a resistance."""

    ratio: float
    """Resistance of a wire between two cells, as a share of that of a device at its largest conductance."""
    test_accuracy: float
    """Percent of the test samples that are predicted correctly there."""


@dataclass(frozen=True, kw_only=True)
class EvaluateResult(Result):
    """Accuracy of the network that a run has left."""

    run: str = ""
    """Its folder."""
    test_accuracy: float
    """Percent of the test samples that are predicted correctly."""
    drift: tuple[DriftResult, ...]
    """The same after each time that was asked for."""
    wires: tuple[WiresResult, ...] = ()
    """The same with wires of each ratio that was asked for."""
    data: DataRecord
    """The data set of the test samples."""
