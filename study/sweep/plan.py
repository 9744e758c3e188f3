"""The points of a sweep, and the run that each of them comes to."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from ...config import Experiment, load
from ...contract.errors import ConfigError, one_line, shown
from ...system import toml
from ...train import data
from ...train.identity import Identity
from .document import Sweep
from .fields import CONFIG, DEVICE, SAMPLES, applied, flat
from .ranges import Range, label

FORMAT = 1
"""Of what a sweep leaves. It grows whenever the same configuration and data would come to other bits, or to other
files, so that nothing of an earlier version is taken for a result of this one."""
DIGITS = 16
"""Of a digest that names a run."""
Point = dict[str, Any]
"""What a run is given, by the dotted names of the fields."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a point comes to."""

    digest: str
    """Of all that decides its bits: configuration but for its name, data, samples and `FORMAT`. Of a contradictory
    point: of what it gives."""
    point: Point
    config: str
    """The preset or the name of the file."""
    samples: int | None = None
    data: str = ""
    """The digest of the data set."""
    experiment: Experiment | None = None
    """None if there can be none."""
    error: str = ""
    """Why there can be none, in one line."""


def points(sweep: Sweep) -> Iterator[Point]:
    """The points of ``sweep``, each without what a search proposes."""
    fixed, grid = flat(sweep.fixed), flat(sweep.grid)
    for entry in sweep.list or ({},):
        for drawn in draws(sweep):
            for values in product(*grid.values()):
                yield fixed | flat(entry) | drawn | dict(zip(grid, values, strict=True))


def draws(sweep: Sweep) -> Iterator[Point]:
    """What is drawn for each point; nothing, once, where nothing is drawn. It is the same on every machine and with
    every version of Python, whose ``random()`` never changes."""
    if sweep.random is None:
        yield {}
        return
    random = Random(sweep.random.seed)
    for _ in range(sweep.random.draws):
        yield {name: drawn(choice, random.random()) for name, choice in sweep.random.choices.items()}


def drawn(choice: Any, share: float) -> Any:
    """What is at ``share``, in [0, 1), of a list or a `Range`."""
    return choice.at(share) if isinstance(choice, Range) else choice[int(share * len(choice))]


class Planner:
    """Finds the run that a point comes to. Configurations and data sets are read once."""

    def __init__(self, sweep: Sweep, folder: Path, data_dir: str | Path | None) -> None:
        """Of ``sweep``, whose files are relative to ``folder``; data sets are looked for in ``data_dir``."""
        self._sweep, self._folder, self._data_dir = sweep, folder, data_dir
        self._experiments: dict[tuple[str, str], Experiment] = {}
        self._datasets: dict[tuple[Any, ...], data.Dataset] = {}

    def run(self, point: Point) -> Run:
        """The run that ``point`` comes to, perhaps a contradictory one."""
        config = point.get(CONFIG, self._sweep.config)
        try:
            if not isinstance(config, str):
                raise ConfigError(f"config={shown(config)}: must be a preset or a file")
            return self._possible(config, point)
        except ConfigError as error:
            digest = hashlib.sha256(f"{config} {label(point)}".encode()).hexdigest()[:DIGITS]
            return Run(digest=digest, point=point, config=str(config), error=one_line(str(error)))

    def _possible(self, config: str, point: Point) -> Run:
        """The run of ``point``; ``ConfigError`` if there can be none."""
        experiment = applied({name: value for name, value in point.items() if name not in (CONFIG, SAMPLES, DEVICE)},
                             self._experiment(config, point.get(DEVICE)))
        dataset, samples = self._dataset(experiment), point.get(SAMPLES)
        if samples is not None:
            if type(samples) is not int or samples < 1:
                raise ConfigError(f"samples={shown(samples)}: must be a whole number from 1 on")
            samples = min(samples, len(dataset.train.labels))
        identity = Identity.of("train", experiment.model_copy(update={"name": ""}), dataset.first(samples))
        digest = hashlib.sha256(f"{FORMAT} {identity.digest}".encode()).hexdigest()[:DIGITS]
        return Run(digest=digest, point=point, config=config, samples=samples, data=dataset.record.sha256,
                   experiment=experiment)

    def _experiment(self, config: str, device: Any) -> Experiment:
        """The experiment of ``config``, with ``device`` if that is given."""
        if not isinstance(device, str | dict | None):
            raise ConfigError(f"device={shown(device)}: must be a name or a section")
        name = config, label(device)
        if name not in self._experiments:
            self._experiments[name] = load(self._place(config), self._place(device))
        return self._experiments[name]

    def _place(self, source: Any) -> Any:
        """``source``, relative to the folder of the sweep if it is a file."""
        return str(self._folder / source) if isinstance(source, str) and toml.is_name(source) else source

    def _dataset(self, experiment: Experiment) -> data.Dataset:
        """The data set of ``experiment``, which fits it."""
        form = experiment.dataset, experiment.input.map, experiment.input.count, experiment.layers[-1].cols
        if form not in self._datasets:
            self._datasets[form] = data.load(experiment, self._data_dir)
        return self._datasets[form]
