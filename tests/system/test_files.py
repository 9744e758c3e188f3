"""Files appear as a whole or not at all."""

import json

import pytest
from spinloom.system.files import replace, write_json


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


def test_json(tmp_path):
    write_json(tmp_path / "file.json", {"a": [1, 2.5, None]})
    text = (tmp_path / "file.json").read_text()
    assert json.loads(text) == {"a": [1, 2.5, None]}
    assert text.endswith("}\n")
