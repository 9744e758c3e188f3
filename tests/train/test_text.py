"""Texts as characters: the same places, names, checks and messages as of images."""

import gzip
import hashlib
import os

import pytest
from spinloom.contract.errors import ConfigError
from spinloom.train import data, idx, known_sets, text

DATA = os.environ.get("SPINLOOM_DATA")


@pytest.fixture(autouse=True)
def _no_other_data(monkeypatch):
    monkeypatch.delenv("SPINLOOM_DATA", raising=False)


def write(folder, *files):
    """Files of the names and texts that are given."""
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(encoded) if name.endswith(".gz") else encoded)


def read(part, loaded):
    return "".join(loaded.characters[place] for place in part)


def test_the_sonnets_are_packaged():
    loaded = text.load("sonnets")
    assert (len(loaded.train), len(loaded.test), len(loaded.characters)) == (85_187, 9_466, 61)
    assert read(loaded.train[:42], loaded) == "From fairest creatures we desire increase,"
    assert read(loaded.test, loaded).endswith("\n  Love's fire heats water, water cools not love.\n")
    assert loaded.record.known == "sonnets"


@pytest.mark.parametrize("files", [
    ("train.txt", "test.txt"), ("tiny.train.txt.gz", "Tiny-Test.TXT"), ("tiny/train.txt", "tiny/test.txt.gz"),
    ("Tiny/raw/tiny_train.txt", "Tiny/raw/test.txt"),
])
def test_texts_are_found_and_read(tmp_path, files):
    write(tmp_path, *zip(files, ("abra\ncadabra", "grüße €"), strict=True), ("tiny.valid.txt", "not read"))
    loaded = text.load("tiny", tmp_path)
    assert loaded.characters == "\n abcdegrßü€"
    assert read(loaded.train, loaded) == "abra\ncadabra"
    assert read(loaded.test, loaded) == "grüße €"
    assert (loaded.record.train, loaded.record.test) == (12, 7)


def test_one_file_is_parted(tmp_path, monkeypatch):
    write(tmp_path, ("anything.txt", "0123456789" * 3), ("other.csv", "x"))
    monkeypatch.setenv("SPINLOOM_DATA", str(tmp_path))
    loaded = text.load("mine")
    assert (read(loaded.train, loaded), read(loaded.test, loaded)) == ("0123456789" * 2 + "0123456", "789")


@pytest.mark.parametrize(("files", "message"), [
    ((), "no data set 'tiny' there; its files are train.txt and test.txt, or one text .* there is nothing$"),
    ((("a.txt", "x" * 9), ("b.txt", "y")), "no data set 'tiny' there; .* there is a.txt, b.txt$"),
    ((("a.txt", "x" * 9),), "a.txt: 9 characters; one file to train on and to test with needs 10"),
    ((("train.txt", "abc"),), r"test.txt\[.gz\] is missing from the data set 'tiny'"),
    ((("train.txt", "abc"), ("test.txt", "")), "test.txt: holds no characters"),
    ((("train.txt", b"ab\xff"), ("test.txt", "")), "train.txt: no text in UTF-8: byte 2 is 0xff; convert it"),
    ((("train.txt", gzip.compress(b"abc" * 99)[:-9]), ("test.txt", "a")), "train.txt: truncated or corrupt gzip file"),
])
def test_what_is_missing_or_damaged_is_named(tmp_path, files, message):
    write(tmp_path, *files)
    with pytest.raises(ConfigError, match=message) as caught:
        text.load("tiny", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_must_be_named(tmp_path):
    with pytest.raises(ConfigError, match="text 'tiny': give the folder of its files with --data DIR or SPINLOOM_DATA"):
        text.load("tiny")
    with pytest.raises(ConfigError, match="there is no such folder"):
        text.load("tiny", tmp_path / "nowhere")


def test_a_gzip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "WHOLE_BYTES", 1000)
    write(tmp_path, ("train.txt.gz", "a" * 1001), ("test.txt", "a"))
    with pytest.raises(ConfigError, match="train.txt.gz: holds more than 1000 bytes: no text"):
        text.load("tiny", tmp_path)


def test_known_texts_are_recognised_and_a_mismatch_is_refused(tmp_path, monkeypatch, capsys):
    write(tmp_path, ("ptb.train.txt.gz", "abc"), ("ptb.test.txt", "bc"))
    write(tmp_path / "other", ("train.txt", "abc"), ("test.txt", "bc"))
    monkeypatch.setattr(known_sets, "_OWNER", {hashlib.md5(part).hexdigest(): "ptb" for part in (b"abc", b"bc")})
    assert text.load("PTB", tmp_path).record.known == "ptb"
    assert capsys.readouterr().err == ""
    assert text.load("mine", tmp_path / "other").record.known == "ptb"
    assert "the data set 'mine' is ptb" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="the files are those of ptb, and the configuration has dataset='mnist'"):
        text.load("mnist", tmp_path / "other")


@pytest.mark.parametrize(("train", "test", "remark"), [
    ("aaa", "a", "every character of the training text is 'a': there is nothing to learn"),
    ("ab", "aXY", "the test text has characters that the training text lacks: 'X', 'Y'"),
    ("ab", "ab", "the test text is the training text"),
])
def test_what_is_odd_is_said_in_a_line(tmp_path, capsys, train, test, remark):
    write(tmp_path, ("train.txt", train), ("test.txt", test))
    text.load("tiny", tmp_path)
    unknown, line = capsys.readouterr().err.splitlines()
    assert unknown.startswith(f"warning: {tmp_path}: the data set 'tiny' is none that is known (sha256 ")
    assert line == f"warning: {tmp_path / 'train.txt'}: {remark}"


def test_a_text_is_no_set_of_images(tmp_path):
    write(tmp_path, ("ptb.train.txt", "abc"), ("ptb.test.txt", "abc"))
    with pytest.raises(ConfigError, match="no data set 'ptb' there; its files are train-images-.*; that is text, for"):
        data.load("ptb", tmp_path)


@pytest.mark.skipif(not DATA, reason="needs the Penn Treebank in the folder named by SPINLOOM_DATA")
def test_the_penn_treebank_is_recognised():
    loaded = text.load("ptb", DATA)
    assert (loaded.record.known, len(loaded.train), len(loaded.test), len(loaded.characters)) == (
        "ptb", 5_101_618, 449_945, 50)
