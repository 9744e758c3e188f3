"""Devices that are fitted to measurements of a known device come out as that device, within what chance allows.

An estimate may be off by ``SIGMAS`` of its standard error: with other seeds than these, one in
some 16,000 estimates would be further off.
"""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from spinloom.config import load_device
from spinloom.contract.errors import ConfigError
from spinloom.devices import fit as fitting
from spinloom.devices import measure as measuring
from spinloom.devices import measurements
from spinloom.devices.fitting import Options, without_far_readings
from spinloom.devices.kinds import parse_device
from spinloom.devices.measure import measure
from spinloom.devices.measurements import Measurements

SIGMAS = 4


def fitted(document, pulses=20000, seed=1, devices=1, read_noise=0.0, **options):
    data = measure(parse_device(document, "known"), pulses, seed, devices, read_noise)
    kind = fitting.guess(data).kind
    assert kind == ("incremental" if document["kind"] == "measured" else document["kind"])
    return fitting.fit(data, document["kind"], Options(**options))


def table(pulse, before, after, **columns):
    count = len(pulse)
    return Measurements("data.csv", np.arange(count) + 2, np.array(before, dtype=float), np.array(pulse, dtype=float),
                        np.array(after, dtype=float), **columns)


def test_domain_wall():
    sigma, offset = (0.1, 0.3, 0.2), (0.15, -0.3, 0.15)  # offsets without a straight line in them
    found = fitted({"kind": "domain_wall", "states": 3, "sigma": sigma, "offset": offset})
    for state, count in enumerate(row["pulses"] for row in found.table):
        error = sigma[state] / sqrt(count)
        assert abs(found.device.offset[state] - offset[state]) < 2 * SIGMAS * error  # the line has an error of its own
        assert abs(found.device.sigma[state] - sigma[state]) < SIGMAS * error / sqrt(2) + 0.01 * sigma[state]
    assert found.level == pytest.approx(1, abs=0.01)
    assert found.device.variation == 0


def test_domain_wall_in_another_unit_is_the_same_device():
    data = measure(load_device("domain_wall"), 3000, seed=2)
    scaled = table(data.pulse, data.before * 37 - 5, data.after * 37 - 5)
    one, other = (fitting.fit(part, "domain_wall") for part in (data, scaled))
    assert other.level == pytest.approx(37 * one.level)
    np.testing.assert_allclose(other.device.sigma, one.device.sigma, rtol=1e-4)
    np.testing.assert_allclose(other.device.offset, one.device.offset, atol=1e-5)


def test_variation_from_device_to_device_is_told_from_cycle_to_cycle():
    devices = 400
    found = fitted({"kind": "domain_wall", "states": 3, "sigma": 0.1, "variation": 0.2}, 40000, devices=devices)
    assert abs(found.device.variation - 0.2) < SIGMAS * 0.2 / sqrt(2 * devices)
    np.testing.assert_allclose(found.device.sigma, 0.1, rtol=0.05)
    none = fitted({"kind": "domain_wall", "states": 3, "sigma": 0.1}, 40000, devices=devices)
    assert none.device.variation == 0


def test_incremental():
    up, down, sigma, parts = (1.5, 1.1, 0.8, 0.6), (0.6, 0.8, 1.2, 1.6), 0.3, 4
    known = {"kind": "incremental", "states": 33, "up_mean": up, "down_mean": down, "up_sigma": sigma,
             "down_sigma": 0.2}
    found = fitted(known, segments=4, states=33)
    assert found.level == pytest.approx(1, abs=1e-6)
    number = [row["number"] for row in found.table]
    # A figure is the mean over a part of the range, which differs from the known one at its middle by the bend there,
    # less than 0.05; where steps are cut by the end of the range, the last part up and the first down, more.
    for index in range(parts):
        for figures, means, scatter, spread, first, last in (
                (found.device.up_mean, up, found.device.up_sigma, sigma, 0, parts - 1),
                (found.device.down_mean, down, found.device.down_sigma, 0.2, parts, 0)):
            bend = 0.15 if index == last else 0.05
            assert abs(figures[index] - means[index]) < SIGMAS * spread / sqrt(number[first + index]) + bend
            if index != last:
                assert scatter[index] == pytest.approx(spread, rel=SIGMAS / sqrt(2 * number[first + index]) + 0.02)


def test_incremental_variation():
    found = fitted({"kind": "incremental", "states": 33, "variation": 0.15}, 40000, devices=100, states=33)
    assert abs(found.device.variation - 0.15) < SIGMAS * 0.15 / sqrt(2 * 100) + 0.01  # steps that the ends cut
    assert len(set(found.device.up_sigma)) > 1


def test_a_distribution_that_no_mean_and_scatter_describe():
    """Half of the pulses up do nothing, the others move by two levels; pulses down by one, or by three."""
    up, down = (0.0,) * 8 + (2.0,) * 8, (1.0,) * 12 + (3.0,) * 4
    found = fitted({"kind": "measured", "states": 33, "up": (up,), "down": (down,)}, 20000, segments=4, states=33)
    assert found.level == pytest.approx(1, abs=1e-6)
    for rows, steps in ((found.device.up[:3], up), (found.device.down[1:], down)):  # where no end cuts them
        for row in rows:
            assert len(row) == 64
            # A share of the steps is known within its standard error, which moves it by so many places of 64.
            for place, step in enumerate(row):
                if all(abs((place + 0.5) / 64 - share) > 0.08 for share in (0.5, 0.75)):
                    known = np.interp((place + 0.5) / 64 * len(steps) - 0.5, np.arange(len(steps)), steps)
                    assert step == pytest.approx(known, abs=1e-6)
    assert found.device.variation == 0


def test_too_few_pulses_make_fewer_quantiles():
    found = fitted({"kind": "measured", "states": 9}, 600, segments=2)
    assert {len(row) for row in found.device.up + found.device.down} <= set(range(5, 40))
    assert [row["figures"] for row in found.table] == [len(row) for row in found.device.up + found.device.down]


def test_pcm_pair():
    found = fitted({"kind": "pcm_pair"})
    known = load_device("pcm_pair")
    for conductance in (0, 3, 6, 9):
        for name, bound in (("step_mean", 0.05), ("step_sigma", 0.08)):
            one, other = (getattr(device, name) for device in (known, found.device))
            assert abs(one[0] + one[1] * conductance - other[0] - other[1] * conductance) < bound
    assert found.device.g_max == 12
    assert found.device.level == pytest.approx(0.77, rel=0.05)


def test_mtj_from_every_state():
    up, down = (0.3, 0.6, 0.0), (0.0, 0.2, 0.4)
    found = fitted({"kind": "mtj", "curve": None, "up": up, "down": down}, 5000, read_noise=0.03)
    assert (found.device.states, found.device.curve) == (3, None)
    for row, chance in zip(found.table, (0.3, 0.6, 0.2, 0.4), strict=True):
        assert abs(row["switched"] - chance) < SIGMAS * sqrt(chance * (1 - chance) / row["number"])
    assert found.device.up == (found.table[0]["switched"].round(5), found.table[1]["switched"].round(5), 0)


def test_mtj_switching_time():
    found = fitted({"kind": "mtj", "curve": "switching_time"}, read_noise=0.03)
    known = load_device("mtj").model_copy(update={"curve": "switching_time"})
    for length in (2, 2.5, 3, 4, 5):
        assert abs(known.probability(length / 5.62) - found.device.probability(length / 5.62)) < 0.02
    assert "thermal stability" in found.notes[0]


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**1000])
def test_the_unit_of_lengths_does_not_matter(unit):
    data = measure(parse_device({"kind": "mtj", "curve": "switching_time"}, "known"), 2000, 1, 1, 0.0)
    scaled = replace(data, length=data.length * unit)
    assert fitting.fit(scaled, "mtj", Options()).device == fitting.fit(data, "mtj", Options()).device


def test_a_saved_device_is_the_device(tmp_path):
    for kind in fitting.fittable():
        device = fitted({"kind": kind}, 3000, devices=2 if kind == "incremental" else 1, unit="uS").device
        fitting.save(tmp_path / "device.toml", device)
        assert load_device(str(tmp_path / "device.toml")) == device
    with pytest.raises(ConfigError, match=r"must end in \.toml"):
        fitting.save(tmp_path / "device.csv", device)


@pytest.mark.parametrize(("pulse", "before", "after", "kind"), [
    ([0, 1, 2], [0, 0, 0], [1, 2, 3], "domain_wall"),
    ([1, 1, 1], [0, 0, 0], [1, 2, 3], "pcm_pair"),
    ([-1, 1] * 500, np.linspace(0, 1, 1000), np.linspace(0, 1, 1000) ** 2, "incremental"),
    ([-1, 1] * 500, [0, 1] * 500, [1, 0] * 500, "mtj"),
])
def test_the_kind_is_guessed(pulse, before, after, kind):
    assert fitting.guess(table(pulse, before, after))[0] == kind


@pytest.mark.parametrize(("length", "note"), [
    (np.ones(1000), "all pulses have the same length"), (np.arange(1000) % 3 + 1.0, None)])
def test_a_column_length_alone_makes_no_mtj(length, note):
    ramp = np.linspace(0, 10, 1000)
    steps = table([1, -1] * 500, ramp, ramp + 0.1 * np.array([1, -1] * 500), length=length)
    assert fitting.guess(steps).kind == "incremental"
    switched = table([1, -1] * 500, [0, 1] * 500, [1, 0] * 500, length=length)
    assert fitting.guess(switched).kind == "mtj"
    if note:
        assert any(note in each for each in fitting.fit(switched, "mtj").notes)


def soft(count=1200, seed=1, noise=0.2):
    """Trains of pulses up and down on a device with soft bounds: pulse, before, after."""
    random, g, rows = np.random.default_rng(seed), 2.0, []
    for number in range(count):
        up = number // 60 % 2 == 0
        before, g = g, g + (2.2 * (1 - g / 40) if up else -2.2 * g / 40) + noise * random.standard_normal()
        rows.append((1 if up else -1, before, g))
    return (np.array(column) for column in zip(*rows, strict=True))


@pytest.mark.parametrize("wild", [1e3, 9.9e37, -50.0])
def test_a_wild_reading_is_named_and_left_out(wild):
    pulse, before, after = soft()
    clean = fitting.fit(table(pulse, before, after), "incremental")
    before, after = before.copy(), after.copy()
    after[500] = before[501] = wild
    spiked = table(pulse, before, after)
    assert fitting.guess(spiked).kind == "incremental"
    found = fitting.fit(spiked, "incremental")
    assert found.level == pytest.approx(clean.level, rel=0.02)
    np.testing.assert_allclose(found.device.up_sigma, clean.device.up_sigma, rtol=0.2)
    assert any("row 502" in note and "row 503" in note for note in found.notes)


@pytest.mark.parametrize("spike", [60.0, 7.0])
def test_a_wild_landing_is_named_and_left_out(spike):
    data = measure(parse_device({"kind": "domain_wall", "sigma": 0.2}, "known"), 2000, 3)
    aimed = int(np.flatnonzero(data.pulse == 2)[100])
    after = data.after.copy()
    after[aimed] = spike
    found = fitting.fit(table(data.pulse, data.before, after), "domain_wall")
    np.testing.assert_allclose(found.device.sigma, 0.2, atol=0.03)
    assert any(f"row {aimed + 2} " in note for note in found.notes)


def test_pulses_coded_1_and_0_are_directions_where_they_are_no_states():
    pulse, before, after = soft()
    coded = table((pulse + 1) / 2, before, after)
    assert fitting.guess(coded).kind == "incremental"
    found = fitting.fit(coded, "incremental")
    assert found.device == fitting.fit(table(pulse, before, after), "incremental").device
    assert "pulses coded 1 and 0 are taken as up and down" in found.notes


def test_numbers_that_are_neither_states_nor_directions_are_a_question():
    pulse, before, after = soft()
    with pytest.raises(ConfigError, match="no states aimed at, and no directions; --kind KIND says what they are"):
        fitting.guess(table(np.arange(len(pulse)) % 5, before, after))


def test_one_pulse_resets_are_no_steps():
    random, rows = np.random.default_rng(2), []
    for _ in range(60):
        g = 2.0
        while g < 38:
            before, g = g, g + 2.2 + 0.5 * random.standard_normal()
            rows.append((1, before, g))
        rows.append((-1, g, 2 + 0.3 * random.random()))
    data = table(*(np.array(column) for column in zip(*rows, strict=True)))
    assert fitting.guess(data).kind == "pcm_pair"
    found = fitting.fit(data, "pcm_pair")
    assert "60 pulses are resets, to the bottom of the range at once: left out" in found.notes
    assert found.level == pytest.approx(2.2, rel=0.05)
    with pytest.raises(ConfigError, match="reset the device to the bottom of its range at once"):
        fitting.fit(data, "incremental")


def test_parts_that_no_pulse_starts_in_are_taken_from_those_beside():
    pulse, before, after = soft(noise=0.05)
    kept = (pulse > 0) | (before < 20) | (before > 30)
    found = fitting.fit(table(pulse[kept], before[kept], after[kept]), "incremental")
    assert (np.array(found.device.down_mean) > 0).all()
    assert any("taken from the parts beside" in note for note in found.notes)


def test_siemens_without_a_unit_are_refused_where_microsiemens_are_written():
    data = measure(load_device("pcm_pair"), 2000, 1)
    with pytest.raises(ConfigError, match="conductances reach only .*e-05, .* in uS; --unit says"):
        fitting.fit(table(data.pulse, data.before * 1e-6, data.after * 1e-6), "pcm_pair")


def test_implausible_devices_are_refused():
    pulse, before, after = soft(noise=0.0)
    noisy = np.random.default_rng(1).normal(0, 30, len(pulse))
    with pytest.raises(ConfigError, match="writes would scatter by .* no state could be told from another"):
        fitting.fit(table(np.arange(len(pulse)) % 3, before, np.arange(len(pulse)) % 3 * 10 + noisy), "domain_wall")
    with pytest.raises(ConfigError, match="no pulse has switched anything"):
        fitting.fit(table([1, -1] * 500, [0, 1] * 500, [0, 1] * 500), "mtj")


def test_files_of_somebody_else_are_not_replaced(tmp_path):
    wall = load_device("domain_wall")
    data, out, picture = tmp_path / "data.csv", tmp_path / "wall.toml", tmp_path / "fit.png"
    measuring.run(wall, data, pulses=200, seed=1)
    with pytest.raises(ConfigError, match="data.csv: is there already"):  # it could be measurements of a real device
        measuring.run(wall, data, pulses=200, seed=1)
    measuring.run(wall, data, pulses=300, seed=1, overwrite=True)
    for path, answers in ((out, {}), (picture, {"picture": picture})):
        path.write_text("mine")
        with pytest.raises(ConfigError, match=f"{path.name}: is there already, and not made by this command"):
            fitting.run(data, out, **answers)
        assert path.read_text() == "mine"
        fitting.run(data, out, overwrite=True, **answers)
        fitting.run(data, out, **answers)  # it is our own now


def test_a_picture_of_data_and_fit(tmp_path):
    data = measure(load_device("domain_wall"), 500, 1)
    measurements.write(tmp_path / "data.csv", data)
    result = fitting.run(tmp_path / "data.csv", tmp_path / "a" / "d.toml", picture=tmp_path / "b" / "fit.png")
    assert (tmp_path / "b" / "fit.png").read_bytes().startswith(b"\x89PNG")
    assert (result.certainty, result.kind) == ("sure", "domain_wall")


RAMP = np.linspace(0, 10, 1000)
STATES = np.arange(1000) % 3


@pytest.mark.parametrize(("kind", "data", "options", "message"), [
    ("rram", table([1], [0], [1]), {}, "kind='rram': a device can be fitted as domain_wall, incremental"),
    ("domain_wall", table([0, 1], [5, 5], [5, 5]), {}, "the conductance is 5 everywhere"),
    ("domain_wall", table([0, 1.5], [0, 0], [0, 1]), {}, "row 3: pulse=1.5 is no state"),
    ("domain_wall", table([0, -1], [0, 0], [0, 1]), {}, "row 3: pulse=-1 is no state"),
    ("domain_wall", table([0, 64], [0, 0], [0, 1]), {}, "row 3: pulse=64 is no state"),
    ("domain_wall", table(STATES, RAMP, STATES), {"states": 2}, "row 4: pulse=2 is none of the 2 states"),
    ("domain_wall", table([0] * 20 + [1] * 9, [0] * 29, [0] * 20 + [1] * 9), {}, "pulses toward state 1: 9, "),
    ("domain_wall", table([0] * 20 + [2] * 20, [0] * 40, [0] * 20 + [1] * 20), {}, "pulses toward state 1: 0"),
    ("domain_wall", table(STATES, RAMP, np.array([1, 3, 2])[STATES]), {}, "toward state 2 land at 2 .* must ascend"),
    ("domain_wall", table(STATES, RAMP, STATES + 200 * np.sin(np.arange(1000) // 3)), {}, "sigma=.*: must lie in 0 to"),
    ("domain_wall", table(STATES, RAMP, STATES, device=np.minimum(np.arange(1000), 1), devices=("A", "B")), {},
     "pulses on device A: 1"),
    ("incremental", table([1, 0], [0, 1], [1, 2]), {}, "row 3: pulse=0 has no direction"),
    ("incremental", table([1, -1] * 500, RAMP, RAMP - 0.1 * np.array([1, -1] * 500)), {}, "against their sign"),
    ("incremental", table([1] * 1000, RAMP, RAMP + 0.1), {}, "pulses down: 0, and at least 10 are needed"),
    ("incremental", table([1, -1] * 500, RAMP, RAMP + 0.1 * np.array([1, -1] * 500)), {"segments": 100},
     "part 1 of 100: [1-9], .*fewer --segments"),
    ("incremental", table([1, -1] * 500, RAMP, RAMP + 0.1 * np.array([1, -1] * 500)), {"segments": 0}, "segments=0"),
    ("pcm_pair", table([1, -1] * 500, RAMP, RAMP), {}, "row 3: a pulse down"),
    ("pcm_pair", table([1] * 1000, [0] * 1000, RAMP), {}, "starts at the same conductance"),
    ("pcm_pair", table([1] * 1000, RAMP, RAMP - 0.1), {}, "they must raise it"),
    ("pcm_pair", table([1] * 1000, RAMP, RAMP + 0.1), {"states": 3}, "states is not a field"),
    ("mtj", table([1, -1] * 500, RAMP, RAMP + 0.01), {}, "do not fall into separate states"),
    ("mtj", table([1, -1] * 500, [0, 1] * 500, [1, 0] * 500), {"states": 3}, "do not fall into separate states"),
    ("mtj", table([1, -1, 1, -1] * 250, [0, 1, 1, 10] * 250, [1, 0, 10, 1] * 250), {"states": 3},
     "from where evenly spaced"),
    ("mtj", table([1, -1] * 500, [0, 2] * 500, [2, 1] * 500), {}, "500 of 1000 pulses lead elsewhere .* row 2"),
    ("mtj", table([1, -1] * 500 + [1] * 9, [0, 1] * 500 + [1] * 9, [1, 0] * 500 + [2] * 9), {},
     "pulses up from state 1: 9"),
    ("mtj", table([1, -1] * 500, [0, 1] * 500, [1, 0] * 500, length=STATES * 1.0), {}, "row 2: length=0 must be"),
    ("mtj", table([1, -1] * 500, [0, 1] * 500, [1, 0] * 500, length=np.arange(1000) % 2 + 1.0), {},
     "there are 2 pulse lengths"),
    ("mtj", table([1, -1] * 500, [0, 1] * 500, [1, 0] * 500, length=STATES + 1.0), {}, "with the same probability, 1"),
])
def test_what_cannot_be_fitted_is_named(kind, data, options, message):
    with pytest.raises(ConfigError, match=message):
        fitting.fit(data, kind, Options(**options))


def test_a_conductance_that_does_not_change_is_told(tmp_path):
    for text in ("1,1,1\n" * 20, "1e9,1,1e9\n" * 20, "0,1,1e-80\n" * 20):
        (tmp_path / "x.csv").write_text("before,pulse,after\n" + text)
        with pytest.raises(ConfigError, match="everywhere; nothing was switched"):
            fitting.run(tmp_path / "x.csv", tmp_path / "x.toml", "incremental")


def test_spikes_on_both_sides_do_not_hide_each_other():
    made = measure(load_device("domain_wall"), 500, seed=1)
    made.after[[3, 70, 200]] = 1e3, -1e3, 9.9e37
    kept, notes = without_far_readings(made)
    assert len(kept) == 497
    assert "row 5 " in notes[0]
    assert "row 72 " in notes[0]
    assert "row 202 " in notes[0]
