"""Documents that somebody, or something, has damaged."""

import copy
import datetime
from collections.abc import Iterator
from random import Random
from typing import Any

import tomli_w
from spinloom.config import KINDS, Converters, Experiment, Host, Input, Layer, UpdateRule, WriteRule

WHOLE = (0, 1, -1, 2, 3, 5, 64, 65, 255, 256, 2047, 2048, 2049, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1,
         -1 << 63, 10**12, 10**18, 10**30)
FRACTIONS = (0.0, -0.0, 0.5, -0.5, 1.0, 1e-3, 1e-30, 5e-324, 1e12, 1e13, 1e300, 1.7e308, -1.7e308, float("inf"),
             float("-inf"), float("nan"))
TEXTS = ("", " ", "x", "5", "1_5.0", "nan", "none", "digits", "mnist", "mtj", "../../x", "/", ".", "..", "-x", "a\\b",
         "a\0b", "line\nbreak", "tab\t", "\x1b[31m", "\x7f", "cost_$\\alpha$", "$", "über", "神经网络", "🧲",
         "\u202egnp", "module", "x.toml", "nowhere.toml", "a" * 300, "b" * 5000)
OTHER = (True, False, [], {}, [[]], [1, 2, 3], [0.1] * 5000, ["x"], [{}], {"kind": "ideal"}, datetime.date(2020, 2, 29))
NAMES = ("x", "kind", "name", "sigma", "états", "a b", 'quo"te', "new\nline", "", "a" * 300, "__class__",
         "model_config")


FIELDS = tuple(dict.fromkeys(
    field for section in (Experiment, Input, UpdateRule, WriteRule, Converters, Host, Layer, *KINDS.values())
    for field in section.model_fields))
"""Of configurations, wherever they belong."""
POSSIBLE = (0, 1, 2, 3, 4, 5, 8, 12, 16, -1, -4, 0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 3.5, True, False, "signed", "ternary",
            "sigmoid", "hard_tanh", "relu", "stochastic", "none", "nominal", "sgd", "squared_hinge", "conv", [4, 5],
            [8, 8, 1], [0.1, 0.2], [0.5, 0.5, 0.5, 0.5, 0.5], {}, {"read_noise": 0.5}, {"max_attempts": 3},
            {"residual": "nominal"})
"""What some of them may be."""


def value(random: Random) -> Any:
    """Something that may stand anywhere."""
    kind = random.choice((WHOLE, FRACTIONS, TEXTS, OTHER))
    return copy.deepcopy(random.choice(kind))


def damaged(random: Random, document: dict[str, Any], most: int = 3) -> dict[str, Any]:
    """A copy of ``document`` with 1 to ``most`` faults, rather few."""
    document = copy.deepcopy(document)
    for _ in range(min(random.randint(1, most), random.randint(1, most))):
        _damage(random, document)
    return document


def text(random: Random, document: dict[str, Any]) -> bytes:
    """``document`` as the bytes of a TOML file, sometimes damaged as such."""
    content = tomli_w.dumps(document).encode("utf-8", "replace")
    if random.random() < 0.8:
        return content
    place = random.randrange(len(content) + 1)
    return random.choice((
        lambda: content[:place],
        lambda: content[:place] + random.randbytes(random.randint(1, 8)) + content[place:],
        lambda: content[:place] + content[place + random.randint(1, 8):],
        lambda: content + content,
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.replace(b"\n", b"\r\n"),
        lambda: content.replace(b"\n", b"\r"),
        lambda: b"\xff\xfe" + content.decode().encode("utf-16-le"),
        lambda: content.decode().encode("utf-16-be"),
        lambda: content + b"x = " + b"[" * random.choice((10, 500, 50_000)),
        lambda: content + b"\n" + b".".join([b"a"] * random.choice((10, 500, 50_000))) + b" = 1\n",
        lambda: content + b"\nx = 0x" + b"f" * 5000 + b"\n",
        lambda: content + b"\nx = " + b"9" * random.choice((30, 5000)) + b"\n",
        lambda: content + b"#" * (1 << 19),
        lambda: b"",
    ))()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container within ``node`` with each key or index of it."""
    for key, entry in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(entry, dict | list):
            yield from _places(entry)


def _damage(random: Random, document: dict[str, Any]) -> None:
    places = list(_places(document))
    if not places:
        return
    node, key = random.choice(places)
    entry = node[key]
    match random.randrange(12):
        case 0:
            del node[key]
        case 1 | 2:
            node[key] = value(random)
        case 3 if isinstance(entry, int | float) and not isinstance(entry, bool):
            node[key] = random.choice((-entry, entry + 1, entry - 1, entry * 2, entry / 2, entry * 1000, float(entry),
                                       str(entry), [entry]))
        case 4 if isinstance(node, dict):
            node[random.choice(NAMES)] = node.pop(key)
        case 5 if isinstance(node, list):
            node.insert(key, copy.deepcopy(entry))
        case 6:
            node[key] = random.choice(({"x": entry}, [entry], [entry, entry]))
        case 7:
            node = random.choice([place for place, _ in places if isinstance(place, dict)])
            node[random.choice(FIELDS)] = value(random)
        case 8 | 9 | 10:
            node = random.choice([place for place, _ in places if isinstance(place, dict)])
            node[random.choice(FIELDS)] = copy.deepcopy(random.choice(POSSIBLE))
        case _:
            other, place = random.choice(places)
            if isinstance(other, dict):
                other[place] = copy.deepcopy(entry)
