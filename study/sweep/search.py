"""Points that optuna proposes from the results of earlier ones."""

import hashlib
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...contract.errors import ConfigError
from .document import Search, Sweep
from .plan import DIGITS, FORMAT, Point
from .ranges import Range, label

if TYPE_CHECKING:
    from optuna import Study

JOURNAL = "search.journal"
"""The trials, as optuna's journal storage keeps them: its tools show them."""

SEED_STEP = 1_000_003
"""Between the seeds of the first trials of two searches whose seeds are neighbours."""


def name_of(sweep: Sweep) -> str:
    """What the journal calls the search of ``sweep``: one name for all that differ in the number of trials alone."""
    document = sweep.model_dump(exclude={"search": {"trials"}})
    return f"search {hashlib.sha256(f'{FORMAT} {label(document)}'.encode()).hexdigest()[:DIGITS]}"


class Proposals:
    """The trials of a search, batch by batch. Batch by batch they follow from the seed and the values of the batches
    before, so a search that is begun again comes to the same trials."""

    def __init__(self, search: Search, name: str) -> None:
        """Of ``search``, which the journal calls ``name``. ``ConfigError`` if optuna is not installed."""
        try:
            import optuna
        except ImportError:
            raise ConfigError("search needs optuna; install spinloom[search]") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna, self._search, self._name = optuna, search, name
        self._distributions = {field: self._distribution(choice) for field, choice in search.choices.items()}
        self._trials: list[Any] = []
        """Those that have a value, or have failed."""

    def batches(self) -> Iterator[list[Point]]:
        """Every batch, once the one before has been told."""
        while (left := self._search.trials - len(self._trials)) > 0:
            study = self._study()
            study.add_trials(self._trials)
            self._proposed = []
            for _ in range(min(self._search.at_once, left)):
                seed = (self._search.seed * SEED_STEP + len(study.trials)) % (1 << 32)
                study.sampler = self._optuna.samplers.TPESampler(seed=seed, constant_liar=True)
                self._proposed.append(study.ask(self._distributions).params)
            yield [{field: self._value(field, params[field]) for field in self._distributions}
                   for params in self._proposed]

    def tell(self, values: Sequence[float | None]) -> None:
        """The values of the batch, a trial each; None of one that has failed."""
        for params, value in zip(self._proposed, values, strict=True):
            failed = value is None or not isfinite(value)
            state = self._optuna.trial.TrialState.FAIL if failed else self._optuna.trial.TrialState.COMPLETE
            self._trials.append(self._optuna.trial.create_trial(
                state=state, value=None if failed else value, params=params, distributions=self._distributions))

    def record(self, folder: Path) -> None:
        """Add to the journal in ``folder``, which no other process writes, the trials that it does not have."""
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        path = folder / JOURNAL
        path.with_name(path.name + ".lock").unlink(missing_ok=True)  # of a process that was killed
        storage = JournalStorage(JournalFileBackend(str(path)))
        study = self._study(storage=storage, study_name=self._name, load_if_exists=True)
        study.add_trials(self._trials[len(study.trials):])

    @property
    def best(self) -> tuple[Point, float] | None:
        """The best trial so far, and its value; None if all have failed."""
        study = self._study()
        study.add_trials(self._trials)
        if not any(trial.value is not None for trial in self._trials):
            return None
        return {field: self._value(field, choice) for field, choice in study.best_params.items()}, study.best_value

    def _study(self, **options: Any) -> "Study":
        return self._optuna.create_study(direction=self._search.goal, **options)

    def _distribution(self, choice: Any) -> Any:
        """What optuna calls a list or a range."""
        kinds = self._optuna.distributions
        if not isinstance(choice, Range):
            return kinds.CategoricalDistribution([label(value) for value in choice])
        kind = kinds.IntDistribution if choice.whole else kinds.FloatDistribution
        return kind(choice.lowest, choice.highest, log=choice.log)

    def _value(self, field: str, chosen: Any) -> Any:
        """The value of ``field`` that optuna has ``chosen``."""
        choice = self._search.choices[field]
        return chosen if isinstance(choice, Range) else choice[[label(value) for value in choice].index(chosen)]
