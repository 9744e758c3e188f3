"""CSV files of measurements: what is read, and what is refused by row and column."""

import os

import numpy as np
import pytest
from spinloom.config import load_device
from spinloom.contract.errors import ConfigError
from spinloom.devices import measurements, reading
from spinloom.devices.kinds import KINDS
from spinloom.devices.measure import measure


def written(tmp_path, text):
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_columns_are_found_by_name_and_others_ignored(tmp_path):
    path = written(tmp_path, "\ufeffafter, note ,pulse,device,before\n2.5,x,-1,A,1\n\n3,,1,B,1e-3\n")
    data = reading.read(path)
    assert data.before.tolist() == [1, 1e-3]
    assert data.pulse.tolist() == [-1, 1]
    assert data.after.tolist() == [2.5, 3]
    assert data.row.tolist() == [2, 4]
    assert (data.devices, data.device.tolist(), data.length) == (("A", "B"), [0, 1], None)


@pytest.mark.parametrize(("text", "message"), [
    ("", "no column 'before'; the first line must name the columns, and names none; call it 'before', or name it: "
         "`spinloom device fit --before NAME`"),
    ("before,after\n1,2\n", "no column 'pulse'; .* names before, after"),
    ("before,pulse,after,after\n1,2,3,4\n", "more than one column 'after'"),
    ("before,pulse,after\n", "no measurements below"),
    ("before,pulse,after\n1,1,2\n1,,2\n", "row 3: pulse is empty"),
    ("before,pulse,after\n1,1\n", "row 2: after is empty"),
    ("before,pulse,after\n1,1,2\n1,1,2 uS\n", "row 3: after='2 uS' is not a number"),
    ("before,pulse,after\nnan,1,2\n", "row 2: before='nan' is not finite"),
    ("before,pulse,after,device\n1,1,2,\n", "row 2: device is empty"),
    (b"before,pulse,after\n\xff,1,2\n", "not text in UTF-8"),
    (b"before,pulse,after\n\0,1,2\n", "not text: it has null characters"),
    ("before,pulse,after\n1_5.0,1,2\n", "row 2: before='1_5.0' is not a number"),
    ("before,pulse,after\n0x10,1,2\n", "row 2: before='0x10' is not a number"),
    ("before,pulse,after\n9e999,1,2\n", "row 2: before='9e999' is beyond 1e.60"),
    ("before (uS),pulse,after (kg)\n1,1,2\n", "the columns before and after have the units 'uS' and 'kg'"),
    ("before (kOhm),pulse,after (kOhm)\n1,1,2\n", "are resistances .kOhm.; conductances are needed"),
    ("n,G\n1,2\n", "no measurements below"),
    ("n,G\n1,2\n1,3\n1,4\n", "every reading begins a train of pulses"),
])
def test_what_is_missing_or_no_number_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        reading.read(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*data\.csv"):
        reading.read(tmp_path / "data.csv")


@pytest.mark.parametrize("kind", KINDS)
def test_made_measurements_are_read_back_and_repeatable(tmp_path, kind):
    made = measure(load_device(kind), 200, seed=3, devices=3, read_noise=0.01)
    measurements.write(tmp_path / "data.csv", made)
    read = reading.read(tmp_path / "data.csv")
    for name in ("before", "pulse", "after"):
        np.testing.assert_allclose(getattr(read, name), getattr(made, name), rtol=1e-5)
    assert (read.devices, read.device.tolist()) == (made.devices, made.device.tolist())
    again = measure(load_device(kind), 200, seed=3, devices=3, read_noise=0.01)
    assert (again.after == made.after).all()


def test_every_device_gets_a_pulse():
    with pytest.raises(ConfigError, match="devices=4: must be 1 to the number of pulses, 3"):
        measure(load_device("ideal"), 3, seed=1, devices=4)


@pytest.mark.parametrize(("text", "notes"), [
    ("before;pulse;after\n1,5;1;2,25\n", ["decimal commas: 1,5 is read as 1.5"]),
    ("before\tpulse\tafter\n1.5\t1\t2.25\n", []),
    ("before|pulse|after\n1.5|1|2.25\n", []),
    ("before pulse after\n1.5 1 2.25\n", []),
    ("# a comment\n\nbefore,pulse,after\n1.5,+1,2.25\n", []),
    ("G_before;Direction;G after\n1.5;1;2.25\n",
     ["column 'G_before' is taken as before", "column 'G after' is taken as after",
      "column 'Direction' is taken as pulse"]),
    ('before,pulse,after\n"1,5",1,"2,25"\n', ["decimal commas: 1,5 is read as 1.5"]),
    ("before,pulse,after\r\n1.5,1,2.25\r\n".encode("utf-16"), []),
])
def test_separators_decimal_commas_and_names(tmp_path, text, notes):
    data = reading.read(written(tmp_path, text))
    assert (data.before.tolist(), data.pulse.tolist(), data.after.tolist()) == ([1.5], [1], [2.25])
    assert list(data.notes) == notes


def test_columns_are_found_as_told(tmp_path):
    path = written(tmp_path, "G0 (uS),V,G1 (uS)\n1,-1,0.5\n")
    data = reading.read(path, {"before": "G0 (uS)", "pulse": "V", "after": "G1"})
    assert (data.before.tolist(), data.pulse.tolist(), data.after.tolist(), data.unit) == ([1], [-1], [0.5], "uS")
    with pytest.raises(ConfigError, match="no column 'G2', which --after names; there are G0 .uS., V, G1 .uS."):
        reading.read(path, {"after": "G2"})


@pytest.mark.parametrize(("header", "unit", "factor"), [
    ("before (S),pulse,after (S)", "", 1e6), ("before [nS],pulse,after [nS]", "", 1e-3),
    ("before (µS),pulse,after (uS)", "", 1), ("before,pulse,after", "S", 1e6)])
def test_siemens_are_taken_to_microsiemens(tmp_path, header, unit, factor):
    data = reading.read(written(tmp_path, f"{header}\n1.5,1,2.5\n"), unit=unit)
    assert (data.before.tolist(), data.after.tolist(), data.unit) == ([1.5 * factor], [2.5 * factor], "uS")


def test_a_unit_that_contradicts_the_header_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--unit mS contradicts the header, which says uS"):
        reading.read(written(tmp_path, "before (uS),pulse,after (uS)\n1,1,2\n"), unit="mS")


def test_pulse_number_against_conductance(tmp_path):
    up, down = [1, 2, 3, 4, 5, 6, 7, 8], [5, 4.6, 4.2, 3.8, 3.4, 3, 2.6, 2.2]  # a drop from 8 to 5 between the trains
    trains = "".join(f"{number}\t{value}\n" for _ in range(2) for number, value in enumerate(up + down, 1))
    data = reading.read(written(tmp_path, "Pulse number\tConductance (uS)\n" + trains))
    one = [(a, 1.0, b) for a, b in zip(up, up[1:], strict=False)] + [
        (a, -1.0, b) for a, b in zip(down, down[1:], strict=False)]
    assert list(zip(data.before, data.pulse, data.after, strict=True)) == one * 2
    assert any("directions follow from the readings: 14 pulses up, 14 down, in 4 trains" in note for note in data.notes)


def test_directions_against_conductance(tmp_path):
    data = reading.read(written(tmp_path, "pulse,g\n1,1\n1,2\n-1,1.5\n1,2.5\n"))
    assert list(zip(data.before, data.pulse, data.after, strict=True)) == [(1, 1, 2), (2, -1, 1.5), (1.5, 1, 2.5)]


def test_what_would_never_end_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 40)
    for path, message in (("/dev/zero", "not a regular file"), (tmp_path / "fifo", "not a regular file"),
                          (tmp_path / "large", "it has more than 64 MiB")):
        with pytest.raises(ConfigError, match=f"cannot read {path}: {message}"):
            reading.read(path)


def test_folders_of_measurements_are_made(tmp_path):
    measurements.write(tmp_path / "new" / "data.csv", measure(load_device("ideal"), 3, seed=1))
    assert len(reading.read(tmp_path / "new" / "data.csv")) == 3
