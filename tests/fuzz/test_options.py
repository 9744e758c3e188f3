"""Every option and argument of every command, given nonsense."""

import click
import pytest
from spinloom import cli
from spinloom.cli.options import Real, Text, Whole

from .outcome import outcome

NUMBERS = ("", " ", "x", "nan", "inf", "-inf", "1e400", "-1e400", "1_0", "1_5.0", "1,5", "0x10", "--", "٣", "9" * 5000,
           "-1", "1000000000000", "1e12", "99999999999999999999", "\0", "1\n2")
"""None of them is a number that any option takes."""
WHOLE = (*NUMBERS, "1.5", "1e3")
TEXTS = ("", "a\0b")


def commands(command, *path):
    """Every command with its words."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, *path, name)
    else:
        yield command, path


COMMANDS = {" ".join(path): command for command, path in commands(cli.cli)}


def arguments(name, param, value):
    """Arguments of the command ``name`` that are complete, of which one is ``value``."""
    given = name.split()
    for each in COMMANDS[name].params:
        if each is param:
            given += [each.opts[0], value] if isinstance(each, click.Option) else ["--", value]
        elif each.required:
            given += [each.opts[0], "x"] if isinstance(each, click.Option) else ["x"]
    return given


def of_type(*kinds):
    return [pytest.param(name, param, id=f"{name} {param.name}") for name, command in COMMANDS.items()
            for param in command.params if isinstance(param.type, kinds)]


def test_no_option_takes_numbers_without_bounds():
    for command in COMMANDS.values():
        for param in command.params:
            assert not isinstance(param.type, click.types.IntParamType | click.types.FloatParamType), param.name


@pytest.mark.parametrize(("name", "param"), of_type(Whole, Real))
def test_nonsense_for_a_number_is_refused(tmp_path, monkeypatch, name, param):
    monkeypatch.chdir(tmp_path)
    real = isinstance(param.type, Real)
    for value in NUMBERS if real else WHOLE:
        if real and value in ("1000000000000", "1e12") and param.type.maximum >= 1e12:
            continue
        result = outcome(*arguments(name, param, value))
        assert result.status == 2, value
        assert f"{param.opts[0]}=" in result.err, value
        assert "from" in result.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "param"), of_type(Whole))
def test_whole_numbers_are_taken_to_the_bounds(name, param):
    kind = param.type
    for value in (kind.minimum, kind.maximum):
        assert kind.convert(str(value), param, None) == value
    for value in (kind.minimum - 1, kind.maximum + 1):
        with pytest.raises(click.UsageError, match="must be a whole number from"):
            kind.convert(str(value), param, None)


@pytest.mark.parametrize(("name", "param"), of_type(Text))
def test_nonsense_for_a_text_is_refused(tmp_path, monkeypatch, name, param):
    monkeypatch.chdir(tmp_path)
    for value in TEXTS:
        assert outcome(*arguments(name, param, value)).status == 2, value
    assert not list(tmp_path.iterdir())


CONFIGS = ("nowhere", "nowhere.toml", "nowhere.TOML", ".", "..", "/", "folder.toml", "file.toml/x.toml", "/dev/zero",
           "../../etc/passwd", "~", "*", "digits-dw5.toml", "digits-dw5/", "./digits-dw5", "DIGITS-DW5", "a" * 300,
           "a" * 300 + ".toml", "a" * 5000 + ".toml", "\x1b[31m", "$HOME", "é.toml", "\udcff.toml", "new\nline.toml")
COMMON = {
    "train": ("train", "{}"), "generate": ("generate", "{}", "--out", "out"), "cosim": ("cosim", "{}"),
    "synth": ("synth", "{}"), "estimate": ("estimate", "{}"), "epoch": ("epoch", "{}"),
    "run": ("run", "{}", "--simulate"), "train --device": ("train", "digits-dw5", "--device", "{}"),
    "device show": ("device", "show", "{}"), "device measure": ("device", "measure", "{}", "--out", "out.csv"),
    "evaluate": ("evaluate", "{}"), "energy": ("energy", "{}"),
    "energy --costs": ("energy", "folder.toml", "--costs", "{}"),
    "sweep": ("sweep", "{}"), "reproduce": ("reproduce", "{}"),
    "train --resume": ("train", "digits-dw5", "--resume", "{}"),
    "synth --target": ("synth", "digits-dw5", "--target", "{}"),
    "synth --board": ("synth", "digits-dw5", "--board", "{}"),
    "estimate --board": ("estimate", "digits-dw5", "--board", "{}"),
    "cosim --simulator": ("cosim", "digits-dw5", "--simulator", "{}"),
}


@pytest.mark.parametrize("name", COMMON)
def test_a_name_that_is_none_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "file.toml").write_text("x = 1")
    for config in CONFIGS:
        result = outcome(*(config if argument == "{}" else argument for argument in COMMON[name]), seconds=20)
        assert result.status in (1, 2), config
        assert len(result.err.strip().splitlines()) == 1, (config, result.err)
    assert {path.name for path in tmp_path.iterdir()} == {"folder.toml", "file.toml"}
