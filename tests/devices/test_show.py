"""Tables beside figures, and pictures: of every kind of device."""

import io

import pytest
from matplotlib.image import imread
from spinloom.contract.errors import ConfigError
from spinloom.devices import show
from spinloom.devices.kinds import KINDS, parse_device

DEVICES = [
    *({"kind": kind} for kind in KINDS),
    {"kind": "ideal", "states": 2},
    {"kind": "domain_wall", "states": 3, "sigma": (0.1, 0.0, 0.3), "offset": (0.1, 0.0, -0.2), "variation": 0.1},
    {"kind": "domain_wall", "states": 64, "sub_bits": 2},
    {"kind": "incremental", "up_mean": (1.5, 0.5), "down_mean": -0.1, "variation": 0.1},
    {"kind": "incremental", "states": 2, "up_mean": 0.0, "down_mean": 0.0},
    {"kind": "pcm_pair", "refresh_high": 0.2, "refresh_low": 0.6},
    {"kind": "mtj", "curve": "switching_time", "pulse_bits": 3, "stuck": 0.1},
    {"kind": "mtj", "curve": "none", "up": 0.5, "down": (0.0, 0.2, 0.3)},
]
HALF_UNIT = {"sigma": 1 / 32, "variation": 1 / 32, "probability": 2**-17, "curve": 2**-17, "stuck": 2**-17}
"""Half of what an entry of a table counts in: sub-levels, or absolute for those of 16 bits; else half a sub-level."""


@pytest.mark.parametrize("document", DEVICES)
def test_every_entry_is_its_figure_rounded(document):
    device = parse_device(document, "test")
    tables, rows = device.compile(), show.entries(device)
    for row in rows:
        half = HALF_UNIT.get(row.table, 0.5)
        if row.table not in ("probability", "curve", "stuck"):
            half /= 2**tables.sub_bits
        assert row.stands_for == row.entry * 2 * half
        assert row.error == row.stands_for - row.physical
        rounded = 2 if "refresh" in row.table else 1  # times: these are fractions of a rounded span
        assert abs(row.error) <= rounded * half + 1e-12
    for name in ("mean", "sigma", "probability"):
        assert tuple(row.entry for row in rows if row.table == name) == getattr(tables, name)


def test_places_say_what_an_entry_is_for():
    rows = show.entries(parse_device({"kind": "incremental", "states": 9}, "test"))
    places = [row.place for row in rows if row.table == "mean"]
    assert (places[0], places[-1]) == ("up from 0 to 1", "down from 8 to 8")
    rows = show.entries(parse_device({"kind": "mtj"}, "test"))
    assert [row.place for row in rows][:4] == ["up from state 0", "up from state 1", "up from state 2",
                                                  "down from state 0"]


def test_distributions_are_summarised():
    """A row for each segment up and down; quantiles of steps from 0 to 2 levels that are evenly spread."""
    device = parse_device({"kind": "measured", "states": 9, "sub_bits": 6, "up": [[0, 1, 2]], "down": [[0.5]]}, "test")
    entries = show.entries(device)
    rows = show.distributions(entries)
    assert len(rows) == len([entry for entry in entries if entry.table == "quantiles"]) // 64
    assert (rows[0]["step"], rows[-1]["step"]) == ("up from 0 to 1", "down from 8 to 8")
    assert [rows[0][name] for name in show.SHOWN] == pytest.approx([0.0, 0.25, 1.0, 1.75, 2.0], abs=0.03)
    assert [rows[-1][name] for name in show.SHOWN] == [0.5] * 5
    assert show.distributions(show.entries(parse_device({"kind": "incremental"}, "test"))) == []


@pytest.mark.parametrize("document", [*DEVICES[:len(KINDS)], *DEVICES[len(KINDS)::2]])
def test_a_picture_is_drawn(document):
    file = io.BytesIO()
    show.draw(file, parse_device(document, "test"), "test")
    picture = imread(io.BytesIO(file.getvalue()), format="png")
    assert picture.shape[:2] == (1210, 990)
    assert len({tuple(pixel) for pixel in picture[::7, ::7].reshape(-1, picture.shape[2]).tolist()}) > 10


def test_a_picture_of_somebody_else_is_not_replaced(tmp_path):
    device, picture = parse_device({"kind": "ideal"}, "test"), tmp_path / "mine.png"
    picture.write_bytes(b"\x89PNG of a camera")
    with pytest.raises(ConfigError, match="mine.png: is there already, and not made by this command"):
        show.run(device, "mine", picture)
    show.run(device, "mine", picture, overwrite=True)
    show.run(device, "mine", picture)  # it is our own now
