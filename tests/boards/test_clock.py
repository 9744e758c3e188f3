"""The clock over lanes and seeds: what is placed, recorded and drawn."""

from io import BytesIO

import pytest
from spinloom.boards import clock
from spinloom.boards.clock import Placed
from spinloom.contract.errors import ConfigError


def entry(lanes, seed, fmax):
    return Placed(network="64-10", lanes=lanes, seed=seed, fmax_mhz=fmax, tool_versions={"a tool": "1"})


def test_what_is_recorded_is_not_placed_again(tmp_path, monkeypatch):
    file, asked = tmp_path / "clocks.json", []

    def clocks(experiment, board, folder, seeds, *, progress):
        asked.append((experiment.crossbars[0].lanes, board.name, list(seeds)))
        yield from ((50.0 + seed, {"a tool": "1"}) for seed in seeds)

    monkeypatch.setattr(clock, "clocks", clocks)
    clock.write([entry(5, 2, 70.0)], file)
    clock.place("64-10", 5, range(1, 4), file)
    clock.place("64-10", 5, range(1, 4), file)
    assert asked == [(5, "ulx3s", [1, 3])]
    assert clock.read(file) == [entry(5, 1, 51.0), entry(5, 2, 70.0), entry(5, 3, 53.0)]


def test_the_picture_shows_all_placements():
    file = BytesIO()
    clock.draw(file, [entry(2, 1, 70.0), entry(2, 2, 72.0), entry(10, 1, 65.0)])
    assert file.getvalue().startswith(b"\x89PNG")


def test_every_record_can_be_placed_again():
    for placed in clock.read():
        assert clock.experiment(placed.network, placed.lanes).topology == placed.network


def test_lanes_must_fit():
    with pytest.raises(ConfigError, match="lanes=3"):
        clock.experiment("64-10", 3)
