"""TOML as it is written and read."""

import os
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spinloom.contract.errors import ConfigError
from spinloom.system import toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.one_of(TEXT, st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False))
NAMES = st.sampled_from(["kind", "states", "sigma", "measured"])
DOCUMENTS = st.recursive(st.dictionaries(NAMES, st.one_of(PLAIN, st.lists(PLAIN))), lambda sections: st.dictionaries(
    NAMES, st.one_of(PLAIN, sections, st.lists(sections, min_size=1))))


@given(DOCUMENTS)
def test_what_is_written_reads_as_it_was(document):
    assert tomllib.loads(toml.text_of(document)) == document


def test_a_document_is_a_line_a_field(tmp_path):
    text = toml.text_of({"kind": "mtj", "measured": "🧲 \x7f \"a\"", "up": (0.5, 1), "down": []})
    assert text == 'kind = "mtj"\nmeasured = "🧲 \\u007f \\"a\\""\nup = [0.5, 1]\ndown = []\n'
    (tmp_path / "x.toml").write_text(text)
    assert toml.read(tmp_path / "x.toml")["measured"] == "🧲 \x7f \"a\""


def test_sections_stand_behind_the_fields():
    text = toml.text_of({"cell": {"size": {"rows": 2}, "kind": "mtj"}, "layers": [{"cols": 3}, {}], "seed": 1})
    assert text == ('seed = 1\n\n[cell]\nkind = "mtj"\n\n[cell.size]\nrows = 2\n\n[[layers]]\ncols = 3\n\n'
                    '[[layers]]\n')


def test_texts_do_not_count_as_keys(tmp_path):
    words = ".".join(["word"] * 100)
    path = tmp_path / "x.toml"
    path.write_text(f"a = '{words}' # {words}\nb = \"\"\"{words}\nmore\"\"\"\nc = [{'0.1, ' * 500}]\n# {'.' * 500}\n")
    assert toml.read(path)["a"] == words
    path.write_text(f"{words} = 1\n")
    with pytest.raises(ConfigError, match="nested more than 32 deep"):
        toml.read(path)


@pytest.mark.parametrize("depth", [10, 33, 900, 5000])
def test_nesting_has_a_bound(tmp_path, depth):
    path = tmp_path / "x.toml"
    for text in ("x = " + "[" * depth + "]" * depth, "x = " + "{x = " * depth + "1" + "}" * depth,
                 "x." * depth + "x = 1", "[" + "x." * depth + "x]"):
        path.write_text(text)
        if depth == 10:
            assert toml.read(path)
        else:
            with pytest.raises(ConfigError, match="x.toml: sections, lists or keys are nested more than 32 deep"):
                toml.read(path)


def test_what_would_never_end_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "x.toml")
    for path in (tmp_path / "x.toml", "/dev/zero", "/dev/stdin"):
        with pytest.raises(ConfigError, match="not a regular file"):
            toml.read(path)
