"""Claims about blocks, and what proves them: ABC's property-directed reachability, inside Yosys.

A `Bench` is a block, any environment that keeps its contract, and claims about the block. `holds` looks for a run
in which a claim is broken. Finding none is a proof for runs of any length, unless a number of clock cycles is named.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Cat, Module, ResetSignal, Signal, Value
from amaranth.lib import stream, wiring
from spinloom.hw.export import abc
from spinloom.hw.export.tool import yosys

SECONDS = 300
"""How long a proof may take."""
Start = Literal["power-up", "any state"]
STARTS: tuple[Start, ...] = ("power-up", "any state")
"""Where a run begins: with every register as it is initialised; or with any values in all registers and memories, and a
clock cycle of reset. In either case, a reset may come at any time after that."""
PREPARE = ("read_rtlil design.il; prep -flatten -top top; memory_map; async2sync; dffunmap; {start}"
           "chformal -lower; opt -full -nodffe -nosdff; {engine}")
ABC = ("techmap; simplemap; opt -full -nodffe -nosdff; simplemap; dffunmap; abc -g AND -keepff; delete -output; "
       "write_aiger -I -B -zinit -no-startoffset design.aig; {prove}")


class UndecidedError(Exception):
    """The proof has not ended in time."""


class Bench(wiring.Component):
    """A block with claims. ``describe`` adds the block and them to a module."""

    origin: Start = "power-up"
    restarts = True
    """Whether a run from any state begins with a reset."""

    def describe(self, m: Module) -> None:
        raise NotImplementedError

    def elaborate(self, platform) -> Module:
        m = Module()
        self._begun = begun = Signal(reset_less=True, name="begun")
        m.d.sync += begun.eq(1)
        self._early = ~begun if self.origin == "any state" and self.restarts else 0
        m.d.comb += Assume(ResetSignal() | ~self._early)
        self.describe(m)
        return m

    def assume(self, m: Module, condition) -> None:
        m.d.comb += Assume(self._early | condition)

    def claim(self, m: Module, condition) -> None:
        m.d.comb += Assert(self._early | condition)

    def keep(self, m: Module, value: Signal) -> None:
        """``value``, an input, is any constant."""
        before = Signal.like(value, reset_less=True)
        m.d.sync += before.eq(value)
        m.d.comb += Assume(~self._begun | (value == before))

    def stays(self, m: Module, kind: Callable, valid, ready, *payload) -> None:
        """``kind`` is `assume` or `claim`: a beat once offered stays as it is until it is taken, or a reset comes."""
        offer = Cat(valid, *(Value.cast(part) for part in payload))
        refused, offered = Signal(), Signal.like(offer)
        m.d.sync += [refused.eq(valid & ~ready), offered.eq(offer)]
        kind(m, ~refused | (offer == offered))


def counted(m: Module, bits: int, *events) -> list[Signal]:
    """How often each of ``events`` has happened, modulo ``2**bits``."""
    counts = [Signal(bits) for _ in events]
    for count, event in zip(counts, events, strict=True):
        m.d.sync += count.eq(count + event)
    return counts


def streams(component: wiring.Component) -> Iterable[tuple[stream.Interface, bool]]:
    """The streams of a component, however deep in its interfaces; and whether it is the one that offers."""

    def search(signature, interface, out):
        for name, member in signature.members.items():
            if member.is_signature:
                port, offers = getattr(interface, name), (member.flow == wiring.Out) == out
                if isinstance(member.signature, stream.Signature):
                    yield port, offers
                else:
                    yield from search(member.signature, port, offers)

    return search(component.signature, component, True)


@dataclass(frozen=True)
class Fault:
    """A line of a block that is replaced by a wrong one, so that a claim about it no longer holds."""

    owner: type
    method: str
    line: str
    wrong: str

    @contextmanager
    def planted(self):
        method = getattr(self.owner, self.method)
        source = textwrap.dedent(inspect.getsource(method))
        assert source.count(self.line) == 1, f"{self.owner.__name__}.{self.method}: {self.line}"
        names = {}
        exec(source.replace(self.line, self.wrong), method.__globals__, names)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.owner, self.method, names[self.method])
            yield


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What is proved of which block, of which size, how, and a fault that breaks it."""

    block: str
    """The file, below ``hw``."""
    claim: str
    size: str
    bench: Callable[[], Bench]
    faults: tuple[Fault, ...]
    cycles: int | None = None
    """How many clock cycles it is proved for; any number if it is none."""
    starts: tuple[Start, ...] = STARTS
    correspondence: bool = False
    """Whether signals that are always equal are found first (`scorr` of ABC), as those of a reference may be."""
    instead: tuple[tuple[ModuleType, str, Any], ...] = ()
    """What stands in modules for names there: smaller sizes, or a part that is proved elsewhere by what it is to do."""


def holds(proof: Proof, start: Start, folder: Path, seconds: int = SECONDS) -> bool:
    """Whether no run breaks a claim of ``proof``. `UndecidedError` if that was not found out in time."""
    with pytest.MonkeyPatch.context() as patch:
        for module, attribute, value in proof.instead:
            patch.setattr(module, attribute, value)
        bench = proof.bench()
        bench.origin = start
        (folder / "design.il").write_text(rtlil.convert(bench, name="top", emit_src=False))
    find = f"pdr -T {seconds}" if proof.cycles is None else f"bmc3 -T {seconds} -F {proof.cycles}"
    if proof.correspondence:
        find = f"scorr; {find}"
    prove = abc.write_script(folder, "prove.abc", ["design.aig"], f"fold; strash; {find}")
    forget = "setattr -unset init w:* w:begun* %d; " if start == "any state" else ""
    yosys(PREPARE.format(start=forget, engine=ABC.format(prove=prove)), folder)
    answer, frame = (folder / "design.aig.status").read_text().split()[:2]
    if answer.endswith("_SAT"):
        return False
    if answer.endswith("_UNSAT") or proof.cycles is not None and int(frame) >= proof.cycles - 1:
        return True
    raise UndecidedError(f"{proof.block}: {proof.claim}: {answer} {frame}")
