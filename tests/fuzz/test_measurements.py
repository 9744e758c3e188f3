"""Measurements that are damaged: fitted by a device that can be used, or refused in one line; and wild readings, which
change nothing."""

import csv
import io
import json
import tomllib
from random import Random

import pytest
from spinloom.config import load_device
from spinloom.devices import measurements
from spinloom.devices.fit import fittable
from spinloom.devices.kinds import parse_device, random_section
from spinloom.devices.measure import measure

from . import damage
from .campaign import SECONDS, Campaign
from .outcome import outcome

CELLS = ("", " ", "x", "nan", "inf", "-inf", "9.9e37", "-9.9e37", "1e308", "-1e308", "1e-320", "1e999", "0", "-0", "-1",
         "1_0", "0x1", "1,5", "1.5", "٣", "½", "1e", "+", "--1", "1 uS", '"', "\0", "\x1b[31m", "9" * 5000, "=1+1", "#",
         "1;2", "\u2212" "1")
"""What may stand where a number is expected."""
NAMES = ("before", "pulse", "after", "G", "conductance", "number", "length", "device", "n", "", " ", "pulse (V)",
         "before (S)", "after (kOhm)", "before (µS)", "é" * 300)
WILD = (1e3, -1e3, 9.9e37, -9.9e37, 1e6)
"""Readings that no device has given here, in levels."""


def rows_of(random: Random, kind: str) -> list[list[str]]:
    """What a random device of ``kind`` gives under write pulses: the names of the columns, then a row a pulse."""
    device = parse_device(random_section(random, kind), "fuzz")
    pulses = random.choice((2, 20, 300, 1500))
    made = measure(device, pulses, random.randrange(1000), random.choice((1, 1, 2)), random.choice((0, 0.05, 0.5)))
    header = ["before", "pulse", "after"] + (["length"] if made.length is not None else [])
    columns = [getattr(made, name) for name in header]
    return [header, *([f"{value:.6g}" for value in row] for row in zip(*columns, strict=True))]


def as_series(rows: list[list[str]]) -> list[list[str]]:
    """The same as one reading a row."""
    return [["n", "conductance (uS)"], *([str(number), row[2]] for number, row in enumerate(rows[1:]))]


def scaled(cell: str, factor: float) -> str:
    try:
        return f"{float(cell) * factor:g}"
    except ValueError:
        return cell


def spoilt(random: Random, rows: list[list[str]]) -> list[list[str]]:
    """``rows`` after something has happened to some of them."""
    width = max(1, *map(len, rows))
    rows = [row + [""] * (width - len(row)) for row in rows]
    place = random.randrange(width)
    match random.randrange(12):
        case 0 | 1:
            for row in random.sample(rows[1:], min(random.choice((1, 1, 3, 50)), len(rows) - 1)):
                row[random.randrange(width)] = random.choice(CELLS)
        case 2:
            rows[0][place] = random.choice(NAMES)
        case 3:
            rows = [row[:place] + row[place + 1:] for row in rows]
        case 4:
            cell = random.choice((rows[-1][place], *CELLS))
            rows = [rows[0], *([*row[:place], cell, *row[place + 1:]] for row in rows[1:])]
        case 5:
            factor = random.choice((0.0, -1.0, 1e-6, 1e-300, 1e30, 1e300, 1e306))
            rows = [rows[0], *([*row[:place], scaled(row[place], factor), *row[place + 1:]] for row in rows[1:])]
        case 6:
            column = [row[place] for row in rows[1:]]
            random.shuffle(column)
            rows = [rows[0], *([*row[:place], cell, *row[place + 1:]] for row, cell in zip(rows[1:], column,
                                                                                          strict=True))]
        case 7:
            rows = rows[:random.choice((1, 2, 3, 12))]
        case 8:
            rows = [[*row, "0"] if index else [*row, random.choice(NAMES)] for index, row in enumerate(rows)]
        case 9:
            rows = [row[:random.choice((place, len(row), len(row)))] for row in rows]
        case 10:
            rows = [rows[0], *rows[1:] * random.choice((2, 5))]
        case _:
            rows = as_series(rows) if len(rows[0]) >= 3 else rows
    return rows


def text(random: Random, rows: list[list[str]]) -> bytes:
    """``rows`` as a file of one of the forms that people have."""
    content = io.StringIO()
    separator, comma = random.choice(((",", False), (",", False), (";", False), (";", True), ("\t", False),
                                      ("\t", True), ("|", False)))
    writer = csv.writer(content, delimiter=separator, lineterminator=random.choice(("\n", "\r\n")))
    writer.writerow(rows[0])
    writer.writerows([cell.replace(".", ",") if comma else cell for cell in row] for row in rows[1:])
    written = content.getvalue().encode(random.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")))
    return damage.bytes_of(random, written) if random.random() < 0.2 else written


def options(random: Random) -> list[object]:
    """Of the fit, mostly none."""
    given: list[object] = []
    for name, values in (("--kind", [*fittable(), "ideal"]), ("--states", (2, 3, 5, 64)), ("--segments", (1, 2, 1024)),
                         ("--sub-bits", (1, 6)), ("--unit", ("S", "nS", "mV"))):
        if random.random() < 0.2:
            given += [name, random.choice(values)]
    return given


def test_damaged_measurements_are_fitted_or_refused(tmp_path):
    campaign = Campaign("device fit", seconds=2 * SECONDS)
    for random in campaign:
        rows = rows_of(random, random.choice(list(fittable())))
        for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
            rows = spoilt(random, rows)
        path, device = tmp_path / "x.csv", tmp_path / "x.toml"
        path.write_bytes(text(random, rows))
        if random.random() < 0.05:
            damage.no_file(random, path)
        answer = outcome("device", "fit", path, "--out", device, "--json", *options(random), seconds=20)
        assert answer.status in (0, 2), answer
        assert "arning" not in answer.err, answer
        if answer.status == 0:
            campaign.accepted += 1
            assert json.loads(answer.out)["kind"] == tomllib.loads(device.read_text())["kind"]
            load_device(str(device)).compile()
            device.unlink()
        assert not device.exists()
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def fitted(folder, made: measurements.Measurements) -> dict:
    """What is told of the device that is learned from ``made``."""
    measurements.write(folder / "x.csv", made)
    answer = outcome("device", "fit", folder / "x.csv", "--out", folder / "x.toml", "--json")
    assert answer.status == 0, answer
    return json.loads(answer.out)


@pytest.mark.parametrize("kind", fittable())
def test_wild_readings_change_nothing(tmp_path, kind):
    """One or two in a thousand: kind and level of the fit are those without them, and their rows are named."""
    campaign = Campaign(f"wild readings of {kind}", seconds=SECONDS / 2)
    for random in campaign:
        made = measure(load_device(kind), 1500, random.randrange(1000))
        whole = fitted(tmp_path, made)
        wild = random.sample(range(len(made)), random.choice((1, 2)))
        readings = random.choice((made.before, made.after))
        readings[wild] = [random.choice(WILD) for _ in wild]
        struck = fitted(tmp_path, made)
        assert struck["kind"] == whole["kind"]
        assert struck["level"] == pytest.approx(whole["level"], rel=0.02)
        assert all(f"row {index + 2} (" in " ".join(struck["notes"]) for index in wild), struck["notes"]
        campaign.accepted += 1
