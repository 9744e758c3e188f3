"""Caches move to where they can be written, and only if they must."""

import errno
import os

import pytest
from spinloom.system import caches

VARIABLES = ("SPINLOOM_CACHE", "NUMBA_CACHE_DIR", "YOWASP_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME",
             "XDG_CONFIG_HOME")


@pytest.fixture
def settle(monkeypatch, tmp_path):
    """Settles as in a new process with the home folder ``home``; returns the variables that are set then."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def settled(home, temporary=temporary, **variables):
        for name in VARIABLES:
            monkeypatch.setenv(name, "")  # so that what is set below is undone
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(home))
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setattr(caches.tempfile, "gettempdir", lambda: str(temporary))
        monkeypatch.setattr(caches, "_COMPILED", tmp_path / "compiled")
        caches.settle.cache_clear()
        caches.settle()
        return {name: os.environ[name] for name in VARIABLES if name in os.environ}

    yield settled
    caches.settle.cache_clear()


def test_what_can_be_written_stays(settle, tmp_path, capsys):
    assert settle(tmp_path / "a home") == {}
    assert capsys.readouterr().err == ""
    assert caches.folder() == tmp_path / "a home" / ".cache" / "spinloom"
    assert not (tmp_path / "a home").exists()  # nothing is made before it is needed


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nobody", "file"])
def test_a_home_that_cannot_be_written_is_replaced(settle, tmp_path, capsys, home):
    (tmp_path / "file").write_text("")
    found = settle(tmp_path / home)
    for name in ("SPINLOOM_CACHE", "YOWASP_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"):
        assert found[name].startswith(str(tmp_path / "temporary"))
    err = capsys.readouterr().err
    assert err.startswith("warning: the cache ")
    assert err.count("\n") == 1
    mode = (tmp_path / "temporary" / f"spinloom-{os.getuid()}").stat().st_mode
    assert mode & 0o777 == 0o700


def test_an_installation_that_cannot_be_written_uses_the_users_cache(settle, tmp_path, capsys):
    (tmp_path / "compiled").write_text("")
    assert settle(tmp_path) == {"NUMBA_CACHE_DIR": str(tmp_path / ".cache" / "spinloom" / "numba")}
    assert capsys.readouterr().err == ""


def test_one_bad_cache_moves_alone(settle, tmp_path):
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "YoWASP").write_text("")
    found = settle(tmp_path)
    assert found["YOWASP_CACHE_DIR"].startswith(str(tmp_path / "temporary"))
    assert found["SPINLOOM_CACHE"] == str(tmp_path / ".cache" / "spinloom")
    assert "XDG_CACHE_HOME" not in found


def test_a_folder_of_somebody_else_is_not_trusted(settle, tmp_path):
    (tmp_path / "temporary" / f"spinloom-{os.getuid()}").symlink_to(tmp_path)
    assert not settle("/dev/null")["SPINLOOM_CACHE"].startswith(
        str(tmp_path / "temporary" / f"spinloom-{os.getuid()}"))


def test_nowhere_to_write_is_one_line(settle):
    with pytest.raises(caches.CacheError, match="the cache /dev/null/.cache/spinloom cannot be used: Not a directory; "
                                                "nor can a temporary one"):
        settle("/dev/null", temporary="/proc")


def test_a_full_disk_keeps_what_is_there(settle, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(caches, "room", lambda folder: 0)
    assert settle(tmp_path) == {}
    assert capsys.readouterr().err == ""
    assert caches._problem(tmp_path, 1).errno == errno.ENOSPC
