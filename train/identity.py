"""What a run is of: its configuration, data, order and number of samples.

A run continues on nothing else. Its *digest* stands for all of it: it is part of the name of the run folder, and it
binds the files there to each other.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from ..config import Experiment, parse
from ..contract.errors import ConfigError
from .data import Dataset
from .results import DataRecord

PARTS = ("command", "experiment", "samples", "data", "order", "test", "built")
"""Of an identity, by their keys in JSON."""
LATER: dict[str, dict[str, Any]] = {
    "experiment": {"order": "hashed", "store": None, "synapse": None},
    "input": {"map": None},
    "layers": {"kind": "dense", "kernel": None, "stride": [1, 1], "padding": [0, 0], "pool": None, "pool_stride": None,
               "drop": False, "map": None, "rate_offset": 0, "forward_reads": 1, "second_reads": 1},
    "device": {"ageing": None, "retention": None},
    "precursor": {"ageing": None, "retention": None},
    "converters": {"offset": 0.0, "gain": 0.0, "nonlinearity": [], "wire_ratio": 0.0, "row_dac_bits": None,
                   "column_dac_bits": None},
}
"""By section: fields that earlier versions did not have, with what goes without saying: it leaves digests, and the
names of run folders, as they were."""
SHOWN = 4
"""Differences that a message names at most."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a run is of, as it began."""

    command: str
    """``train``, ``epoch`` or ``run``; or one of the last two with ``--stored``."""
    experiment: Experiment
    data: DataRecord
    order: str
    """SHA-256 of the order of the first epoch: of the samples' numbers, 8 bytes each, little endian."""
    samples: int
    """Samples trained: of an epoch (``train``), or of all epochs."""
    test: int | None = None
    """Test samples, if that was limited (``run``)."""
    built: Experiment | None = None
    """What the board was built for, if that is another experiment (``run``)."""

    @classmethod
    def of(cls, command: str, experiment: Experiment, dataset: Dataset, *, samples: int | None = None,
           test: int | None = None, built: Experiment | None = None) -> Self:
        """The identity of a run of ``experiment`` on ``dataset``: on all its training samples unless ``samples`` are
        given."""
        count = len(dataset.train.labels)
        order = experiment.sample_order(0, count).astype("<i8")
        return cls(command=command, experiment=experiment, data=dataset.record,
                   order=hashlib.sha256(np.ascontiguousarray(order).data).hexdigest(),
                   samples=count if samples is None else samples, test=test,
                   built=None if built == experiment else built)

    @classmethod
    def from_json(cls, document: dict[str, Any], name: str) -> Self:
        """The identity whose ``to_json`` gave ``document``. ``ConfigError``, in one line that begins with ``name``, if
        it is none."""
        for key, kind in (("command", str), ("order", str), ("samples", int), ("test", int | None),
                          ("built", dict | None)):
            value = document.get(key)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ConfigError(f"{name}: {key}={json.dumps(value)[:40]}: not the description of a run")
        built = document.get("built")
        return cls(command=document["command"], experiment=parse(document["experiment"], name),
                   data=DataRecord.from_json(document.get("data"), f"{name}: data"), order=document["order"],
                   samples=document["samples"], test=document.get("test"),
                   built=None if built is None else parse(built, f"{name}: built"))

    def to_json(self) -> dict[str, Any]:
        """All of it, as what JSON can carry."""
        return {"command": self.command, "experiment": self.experiment.model_dump(mode="json"), "samples": self.samples,
                "data": self.data.to_json(), "order": self.order, "test": self.test,
                "built": None if self.built is None else self.built.model_dump(mode="json")}

    @cached_property
    def digest(self) -> str:
        """SHA-256 that stands for all of it."""
        return digest_of(self.to_json())

    def differences(self, now: "Identity") -> list[str]:
        """What differs ``now``, each with what is recorded here, the causes before their effects."""
        found = []
        if self.command != now.command:
            found.append(f"spinloom {self.command} recorded, spinloom {now.command} now")
        found += configuration_differences(self.experiment, now.experiment)
        if self.data.sha256 != now.data.sha256:
            found.append(f"data: {self.data} recorded, {now.data} now")
        for name in ("samples", "test"):
            if getattr(self, name) != getattr(now, name):
                found.append(f"{name}: {_shown(getattr(self, name))} recorded, {_shown(getattr(now, name))} now")
        found += configuration_differences(self.built or self.experiment, now.built or now.experiment, "built: ")
        if not found and self.order != now.order:
            found.append("the order of the samples: this version of Spinloom makes another")
        return found


def digest_of(document: dict[str, Any]) -> str:
    """The digest of the identity in ``document``, as `Identity.to_json` gives it. It does not depend on whether the
    data set was recognised, nor on keys that are no part of an identity."""
    parts = {name: document.get(name) for name in PARTS}
    if isinstance(parts["data"], dict):
        parts["data"] = {name: value for name, value in parts["data"].items() if name != "known"}
    parts |= {name: _told(parts[name]) for name in ("experiment", "built")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _told(value: Any, section: str = "experiment") -> Any:
    """What is in ``section`` of an experiment, as a document, without what goes without saying (``LATER``)."""
    if isinstance(value, list):
        return [_told(each, section) for each in value]
    if not isinstance(value, dict):
        return value
    later = LATER.get(section, {})
    return {name: _told(part, name) for name, part in value.items() if name not in later or part != later[name]}


def configuration_differences(recorded: Experiment, now: Experiment, prefix: str = "") -> list[str]:
    """The fields that differ, each as ``layers[0].cols: 250 recorded, 180 now`` behind ``prefix``."""
    if recorded == now:
        return []
    return [f"{prefix}{place}: {_shown(before)} recorded, {_shown(after)} now"
            for place, before, after in _differing(recorded.model_dump(mode="json"), now.model_dump(mode="json"), "")]


def listed(differences: list[str]) -> str:
    """``differences`` in one line, the first of them."""
    more = len(differences) - SHOWN
    return "; ".join(differences[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _differing(before: Any, after: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Where the documents differ, with both values. Of sections of different kinds the kind alone is named."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = list(before | after)
        if before.get("kind") != after.get("kind"):
            names = ["kind"]
        for name in names:
            yield from _differing(before.get(name), after.get(name), f"{place}.{name}".lstrip("."))
    elif isinstance(before, list) and isinstance(after, list) and any(isinstance(entry, dict) for entry in before):
        if len(before) != len(after):
            yield place, len(before), len(after)
        else:
            for index, pair in enumerate(zip(before, after, strict=True)):
                yield from _differing(*pair, f"{place}[{index}]")
    elif before != after:
        yield place, before, after


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1000:
        return f"{value:,}"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
