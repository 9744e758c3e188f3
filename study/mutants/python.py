"""Mutants of Python: small faults in the golden model, one at a time, and which tests fail with them.

No file changes. Each mutant has a process of its own, a copy of one that has imported everything and collected the
tests. There the code of functions is replaced. A fault that is in no function is planted as the module is imported once
more.
"""

import ast
import contextlib
import functools
import gc
import inspect
import os
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from hypothesis import Phase, settings

from ...contract.errors import SpinloomError
from .apart import apart
from .planting import spread

ROOT = Path(__file__).parents[2]
PACKAGE = __name__.partition(".")[0]
PATIENCE = 900
"""Seconds after which the tests are given up: a mutant that loops has been noticed."""
_OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,), ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.FloorDiv,),
    ast.Div: (ast.Mult,), ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,), ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,), ast.BitXor: (ast.BitOr,), ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.And: (ast.Or,), ast.Or: (ast.And,), ast.USub: (ast.UAdd,),
}
"""What an operator becomes."""
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}
"""What the function or method of a call becomes."""


class BenchError(SpinloomError, RuntimeError):
    """The tests cannot be run, with a mutant or without one."""


@dataclass(frozen=True, kw_only=True)
class SourceMutant:
    """A fault in the source of a module, which stays the same as long as the module does."""

    design: str
    """The part of the package that the file is in: a list of tests."""
    file: str
    """From the package on."""
    line: int
    place: int
    """The number of the change among all those of the file."""
    change: str
    """What becomes what, in a few words."""

    @property
    def key(self) -> str:
        """The mutant in a word that tells it from all others."""
        return f"{self.design} {self.file}:{self.line} {self.place} {self.change}"

    @property
    def name(self) -> str:
        """A short name, its own in its file."""
        return f"{self.line} {self.place} {self.change}"

    @property
    def where(self) -> str:
        """Its place, for the table."""
        return (ROOT / self.file).read_text(encoding="utf-8").splitlines()[self.line - 1].strip().replace("|", "\\|")


def _changes(tree: ast.Module) -> Iterator[tuple[int, str, Callable[[], None]]]:
    """Every change of ``tree``: its line, what it is, and what makes it, which is called at most once."""
    for node in _arithmetic(tree):
        for field, value in ast.iter_fields(node):
            for number, operator in enumerate(value if isinstance(value, list) else [value]):
                for other in _OPERATORS.get(type(operator), ()):
                    change = f"{type(operator).__name__} to {other.__name__}"
                    yield _line(node), change, _set(node, field, number, other())
        match node:
            case ast.Constant(value=bool(value)):
                yield _line(node), f"{value} to {not value}", _set(node, "value", 0, not value)
            case ast.Constant(value=int(value)):
                yield _line(node), f"{value} to {value + 1}", _set(node, "value", 0, value + 1)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _NAMES:
                field = "id" if isinstance(node.func, ast.Name) else "attr"
                yield _line(node), f"{name} to {_NAMES[name]}", _set(node.func, field, 0, _NAMES[name])
            case ast.If() | ast.IfExp() | ast.While():
                yield _line(node.test), "condition inverted", _set(node, "test", 0, ast.UnaryOp(ast.Not(), node.test))
            case ast.Expr(value=ast.Call()) | ast.AugAssign():
                yield _line(node), "statement dropped", _drop(node)


def _arithmetic(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that compute, in order: none of annotations, of decorators, and of what is said when something is
    wrong."""
    yield tree
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import,
                                                                     ast.ImportFrom)):
                yield from _arithmetic(child)


def _line(node: Any) -> int:
    return node.lineno


def _set(node: ast.AST, field: str, number: int, value: Any) -> Callable[[], None]:
    def change() -> None:
        old = getattr(node, field)
        if isinstance(old, list):
            old[number] = value
        else:
            setattr(node, field, value)
    return change


def _drop(node: Any) -> Callable[[], None]:
    def change() -> None:
        dropped = ast.Expr(ast.Constant(None))
        node.__class__, node.__dict__ = dropped.__class__, {**vars(node), **vars(dropped)}
    return change


def candidates(part: str, files: Sequence[str], seed: int, most: int) -> list[SourceMutant]:
    """Mutants of ``files``: of each at most ``most``, spread evenly over its lines."""
    dice = random.Random(f"{part} {seed}")
    found = []
    for file in files:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        mutants = [SourceMutant(design=part, file=file, line=line, place=place, change=change)
                   for place, (line, change, _) in enumerate(_changes(tree))]
        found += spread(mutants, dice)[-most:]
    return found


def planted(mutant: SourceMutant) -> CodeType:
    """The code of the module with ``mutant`` in it."""
    path = ROOT / mutant.file
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for place, (_, _, change) in enumerate(_changes(tree)):
        if place == mutant.place:
            change()
            break
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


def notice(mutant: SourceMutant | None, tests: Sequence[str], plugins: Sequence[str] = ()) -> str | None:
    """Which of the ``tests``, files or functions in the folder of tests, fails first with ``mutant`` in its module;
    None if none does. They run in the order given, with ``plugins`` of pytest, in a process of their own."""
    import torch  # noqa: PLC0415 - for all the copies of this process

    torch.set_num_threads(1)
    if mutant is not None and differs_at_import(mutant):
        return apart(lambda: _anew(mutant, tests, plugins), "the tests", PATIENCE)
    bench = _Bench(mutant)
    return _pytest(bench, tests, plugins) or bench.found


class _Failures:
    """A plugin of pytest that keeps what fails first, and lets Hypothesis try the same examples for each mutant, which
    it does not make simpler."""

    def __init__(self) -> None:
        self.first: str | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        settings.register_profile("mutants", parent=settings(), deadline=None, derandomize=True, database=None,
                                  phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and self.first is None:
            self.first = report.nodeid.rpartition("/")[2]

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and self.first is None:
            self.first = f"{report.nodeid.rpartition('/')[2]} cannot be imported"


class _Bench(_Failures):
    """Runs the tests that have been collected in a copy of this process, with ``mutant`` in it."""

    def __init__(self, mutant: SourceMutant | None) -> None:
        super().__init__()
        self.mutant = mutant
        self.found: str | None = None
        """Which failed first there."""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.found = apart(lambda: self._run(session), "the tests", PATIENCE)
        return True

    def _run(self, session: pytest.Session) -> str | None:
        if self.mutant is not None:
            _plant(self.mutant)
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.first is not None:
                break
        return self.first


def _pytest(plugin: _Failures, tests: Sequence[str], plugins: Sequence[str]) -> str | None:
    """Run pytest on the ``tests``; what failed first, if anything did. Raises ``BenchError`` where pytest cannot run
    them."""
    arguments = [f"--rootdir={ROOT}", "-q", "-x", "--tb=no", "--assert=plain", "-m", "not slow",
                 "-p", "no:cacheprovider", *(argument for name in plugins for argument in ("-p", name)),
                 *(str(ROOT / "tests" / test) for test in tests)]
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere), \
            contextlib.redirect_stderr(nowhere):
        status = pytest.main(arguments, plugins=[plugin])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and plugin.first is None:
        raise BenchError(f"pytest ends with {status}")
    return plugin.first


def _functions(code: CodeType) -> Iterator[CodeType]:
    """The code of a module, of the classes and functions in it, and of theirs; not what is inside of functions."""
    yield code
    if not code.co_flags & inspect.CO_OPTIMIZED:
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                yield from _functions(inner)


def _changed(mutant: SourceMutant) -> list[tuple[CodeType, CodeType]]:
    """What the mutant changes, and into what."""
    path = ROOT / mutant.file
    before = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    pairs = zip(_functions(before), _functions(planted(mutant)), strict=True)
    return [(one, other) for one, other in pairs if _content(one) != _content(other)]


def _content(code: CodeType) -> Any:
    """What tells ``code`` from that of a mutant; of modules and classes, without their functions."""
    return code if code.co_flags & inspect.CO_OPTIMIZED else (code.co_code, code.co_names, [
        (type(value), value) for value in code.co_consts if not isinstance(value, CodeType)])


def differs_at_import(mutant: SourceMutant) -> bool:
    """Whether the mutant changes what is done as the module is imported."""
    return any(not one.co_flags & inspect.CO_OPTIMIZED or one.co_name.startswith("<") for one, _ in _changed(mutant))


def _plant(mutant: SourceMutant) -> None:
    """Replace the code of the function that the mutant is in, and forget what functions keep."""
    changed = {_place(before): after for before, after in _changed(mutant)}
    planted = set()
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and (place := _place(each.__code__)) in changed:
            each.__code__ = changed[place]
            planted.add(place)
        elif isinstance(each, functools._lru_cache_wrapper) and (each.__module__ or "").startswith(f"{PACKAGE}."):
            each.cache_clear()
    assert planted == set(changed), f"{mutant.key}: not planted"


def _place(code: CodeType) -> tuple[str, str, int]:
    return os.path.realpath(code.co_filename), code.co_name, code.co_firstlineno


def _anew(mutant: SourceMutant, tests: Sequence[str], plugins: Sequence[str]) -> str | None:
    """Run the tests on a package that is imported once more, with ``mutant``; so are modules of tests, which may have
    been collected for another mutant."""
    ours, tests_folder = re.compile(rf"{PACKAGE}(\.|$)"), ROOT.resolve() / "tests"
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if ours.match(name) or (file and Path(file).resolve().is_relative_to(tests_folder)):
            del sys.modules[name]
    place, code, original = os.path.realpath(ROOT / mutant.file), planted(mutant), SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> CodeType | None:
        return code if os.path.realpath(self.path) == place else original(self, name)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    return _pytest(_Failures(), tests, plugins)
