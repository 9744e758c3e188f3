"""Results: to JSON and back, in this version and from the one before."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from spinloom.contract.errors import ConfigError
from spinloom.contract.results import Result


@dataclass(frozen=True, kw_only=True)
class Part(Result):
    share: float


@dataclass(frozen=True, kw_only=True)
class Whole(Result):
    old_keys: ClassVar = {"events": "pulses"}
    pulses: int
    ratio: float | None
    parts: tuple[Part, ...]
    out: Path


WHOLE = Whole(pulses=3, ratio=0.5, parts=(Part(share=0.25), Part(share=0.75)), out=Path("runs/x"))


def test_json_has_the_fields_then_the_old_keys():
    document = WHOLE.to_json()
    assert list(document) == ["pulses", "ratio", "parts", "out", "events"]
    assert document == {"pulses": 3, "ratio": 0.5, "parts": [{"share": 0.25}, {"share": 0.75}], "out": "runs/x",
                        "events": 3}
    assert Whole.from_json(json.loads(json.dumps(document)), "x") == WHOLE


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_null(value):
    result = Whole(pulses=0, ratio=value, parts=(), out=Path())
    assert '"ratio": null' in json.dumps(result.to_json(), allow_nan=False)


def test_the_previous_version_is_read():
    document = WHOLE.to_json()
    del document["pulses"]
    assert Whole.from_json(document, "x") == WHOLE


@pytest.mark.parametrize(("change", "message"), [
    ({"pulses": "many"}, "x.json: pulses: Input should be a valid integer"),
    ({"parts": [{}]}, "x.json: parts.0.share: Field required"),
    ({"ratio": [1]}, "x.json: ratio: Input should be a valid number"),
])
def test_wrong_content_is_refused_in_one_line(change, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Whole.from_json(WHOLE.to_json() | change, "x.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("document", [None, [1], "text"])
def test_what_is_no_object_is_refused(document):
    with pytest.raises(ConfigError, match="x.json: Input should be a dictionary"):
        Whole.from_json(document, "x.json")
