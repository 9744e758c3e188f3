"""CSV files of measurements: what is read, and what is refused by row and column."""

import numpy as np
import pytest
from spinloom.config import load_device
from spinloom.contract.errors import ConfigError
from spinloom.devices import measurements
from spinloom.devices.kinds import KINDS
from spinloom.devices.measure import measure


def written(tmp_path, text):
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_columns_are_found_by_name_and_others_ignored(tmp_path):
    path = written(tmp_path, "\ufeffafter, note ,pulse,device,before\n2.5,x,-1,A,1\n\n3,,1,B,1e-3\n")
    data = measurements.read(path)
    assert data.before.tolist() == [1, 1e-3]
    assert data.pulse.tolist() == [-1, 1]
    assert data.after.tolist() == [2.5, 3]
    assert data.row.tolist() == [2, 4]
    assert (data.devices, data.device.tolist(), data.length) == (("A", "B"), [0, 1], None)


@pytest.mark.parametrize(("text", "message"), [
    ("", "no column 'before'; the first line must name the columns, and names none"),
    ("before,after\n1,2\n", "no column 'pulse'; .* names before, after"),
    ("before,pulse,after,after\n1,2,3,4\n", "more than one column 'after'"),
    ("before,pulse,after\n", "no measurements below"),
    ("before,pulse,after\n1,1,2\n1,,2\n", "row 3: pulse is empty"),
    ("before,pulse,after\n1,1\n", "row 2: after is empty"),
    ("before,pulse,after\n1,1,2\n1,1,2 uS\n", "row 3: after='2 uS' is not a number"),
    ("before,pulse,after\nnan,1,2\n", "row 2: before='nan' is not finite"),
    ("before,pulse,after,device\n1,1,2,\n", "row 2: device is empty"),
    (b"before,pulse,after\n\xff,1,2\n", "not text in UTF-8"),
])
def test_what_is_missing_or_no_number_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        measurements.read(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*data\.csv"):
        measurements.read(tmp_path / "data.csv")


@pytest.mark.parametrize("kind", KINDS)
def test_made_measurements_are_read_back_and_repeatable(tmp_path, kind):
    made = measure(load_device(kind), 200, seed=3, devices=3, read_noise=0.01)
    measurements.write(tmp_path / "data.csv", made)
    read = measurements.read(tmp_path / "data.csv")
    for name in ("before", "pulse", "after"):
        np.testing.assert_allclose(getattr(read, name), getattr(made, name), rtol=1e-5)
    assert (read.devices, read.device.tolist()) == (made.devices, made.device.tolist())
    again = measure(load_device(kind), 200, seed=3, devices=3, read_noise=0.01)
    assert (again.after == made.after).all()


def test_every_device_gets_a_pulse():
    with pytest.raises(ConfigError, match="devices=4: must be 1 to the number of pulses, 3"):
        measure(load_device("ideal"), 3, seed=1, devices=4)
