"""Files appear as a whole or not at all."""

import errno
import json
import os

import pytest
from spinloom.system.files import replace, safe_name, sweep, write_json


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        replace(path, lambda file, content=content: file.write(content))
        assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_fails_leaves_the_old_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(file):
        file.write(b"ne")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace(path, write)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_names_the_file(tmp_path):
    def write(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/file'") as caught:
        replace(tmp_path / "file", write)
    assert caught.value.filename == str(tmp_path / "file")
    with pytest.raises(FileNotFoundError) as caught:
        replace(tmp_path / "nowhere" / "file", write)
    assert caught.value.filename == str(tmp_path / "nowhere" / "file")


def test_a_pipe_is_written_to_if_somebody_reads_it(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="No such device or address") as caught:
        replace(path, lambda file: file.write(b"all"))
    assert caught.value.filename == str(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    replace(path, lambda file: file.write(b"all"))
    assert os.read(reader, 10) == b"all"
    os.close(reader)


def test_processes_do_not_disturb_each_other(tmp_path):
    """One writes while another does; what a killed one has left is swept away."""
    path = tmp_path / "file"
    replace(path, lambda outer: (replace(path, lambda inner: inner.write(b"inner")), outer.write(b"outer")))
    assert path.read_bytes() == b"outer"
    (tmp_path / ".0123456789abcdef.tmp").write_bytes(b"left")
    (tmp_path / "mine.tmp").write_bytes(b"not ours")
    sweep(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "mine.tmp"]


@pytest.mark.parametrize(("name", "safe"), [
    ("mnist-dw5", "mnist-dw5"), ("../../x", "x"), ("a b/c\\d\0e", "a-b-c-d-e"), ("", "unnamed"), ("...", "unnamed"),
    ("naïve_1.5", "naïve_1.5"), ("x" * 300, "x" * 80), ("ü" * 100, "ü" * 40), ("-rf", "rf"),
])
def test_names_that_are_safe_for_files(name, safe):
    assert safe_name(name) == safe


def test_json(tmp_path):
    write_json(tmp_path / "file.json", {"a": [1, 2.5, None]})
    text = (tmp_path / "file.json").read_text()
    assert json.loads(text) == {"a": [1, 2.5, None]}
    assert text.endswith("}\n")
