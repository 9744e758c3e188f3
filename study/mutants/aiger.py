"""Circuits of AND gates and registers, in files of the format AIGER, and what tells a mutant from its original.

A literal is twice the number of an input, a register or a gate, plus 1 where it is inverted; 0 and 1 are the constants.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Circuit:
    """A circuit as it is read; registers begin at 0. Literals number inputs from 1, then registers, then gates."""

    inputs: list[str]
    following: list[int]
    """What each register takes over."""
    outputs: dict[str, list[int]]
    """By name, the lowest bit first."""
    gates: list[tuple[int, int]]

    @classmethod
    def read(cls, path: Path) -> "Circuit":
        """From a binary file with a symbol table."""
        data = path.read_bytes()
        header, _, rest = data.partition(b"\n")
        _, inputs, latches, outputs, gates = map(int, header.split()[1:])
        *lines, rest = rest.split(b"\n", latches + outputs)
        words = [int(line.split()[0]) for line in lines]
        pairs, place = [], 0

        def delta() -> int:
            nonlocal place
            value = shift = 0
            while True:
                byte = rest[place]
                place += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value

        for number in range(inputs + latches + 1, inputs + latches + gates + 1):
            first = 2 * number - delta()
            pairs.append((first, first - delta()))
        names = [f"?{number}" for number in range(inputs)]
        found: dict[str, dict[int, int]] = {}
        for line in rest[place:].split(b"\nc\n")[0].decode().splitlines():
            kind, _, name = line.partition(" ")
            if kind[:1] == "i":
                names[int(kind[1:])] = name
            elif kind[:1] == "o":
                port, _, bit = name.removesuffix("]").rpartition("[") if name.endswith("]") else (name, "", "0")
                found.setdefault(port, {})[int(bit)] = words[latches + int(kind[1:])]
        return cls(names, words[:latches], {port: [bits[bit] for bit in sorted(bits)] for port, bits in found.items()},
                   pairs)


@dataclass
class _Graph:
    """Gates without two that are the same."""

    first: int
    """The number of the first gate; what is below are inputs and registers."""
    gates: list[tuple[int, int]] = field(default_factory=list)
    known: dict[tuple[int, int], int] = field(default_factory=dict)

    def both(self, a: int, b: int) -> int:
        if a > b:
            a, b = b, a
        if a < 2:
            return b if a else 0
        if a ^ b < 2:
            return a if a == b else 0
        found = self.known.get((a, b))
        if found is None:
            found = self.known[a, b] = 2 * (self.first + len(self.gates))
            self.gates.append((a, b))
        return found

    def either(self, literals: Iterable[int]) -> int:
        none = 1
        for literal in literals:
            none = self.both(none, literal ^ 1)
        return none ^ 1

    def differ(self, a: int, b: int) -> int:
        return self.either((self.both(a, b ^ 1), self.both(a ^ 1, b)))

    def values(self, leaves: list[int], gates: list[tuple[int, int]]) -> list[int]:
        """The literals here of what is before the ``gates`` of a circuit, which are ``leaves``, and of these gates."""
        values = leaves.copy()
        both = self.both
        for a, b in gates:
            values.append(both(values[a >> 1] ^ a & 1, values[b >> 1] ^ b & 1))
        return values


def _at(values: list[int], literal: int) -> int:
    return values[literal >> 1] ^ literal & 1


def _inputs(circuit: Circuit, chosen: dict[str, int]) -> list[int]:
    """The literals of the constant 0 and of the inputs, of which some are ``chosen``, constants."""
    return [0, *(chosen.get(name, 2 * number) for number, name in enumerate(circuit.inputs, start=1))]


def resting(circuit: Circuit, chosen: dict[str, int]) -> set[int]:
    """The numbers of registers that stay 0 whatever the inputs are, but for those that are ``chosen``: the largest set
    of which each takes over 0 as long as all of them are 0."""
    leaves = len(circuit.inputs)
    inputs = _inputs(circuit, chosen)
    still = set(range(len(circuit.following)))
    while True:
        graph = _Graph(1 + leaves + len(circuit.following))
        registers = [0 if number in still else 2 * (1 + leaves + number) for number in range(len(circuit.following))]
        values = graph.values(inputs + registers, circuit.gates)
        left = {number for number in still if _at(values, circuit.following[number]) == 0}
        if left == still:
            return still
        still = left


def miter(circuit: Circuit, one: dict[str, int], other: dict[str, int], still: set[int], counts: dict[str, str],
          path: Path) -> int | None:
    """Write to ``path`` a circuit whose only output tells two copies of ``circuit`` apart. Their inputs are the same,
    but for those that are constants in ``one`` of them and in the ``other``. Registers in ``still`` stay 0 in the first
    copy: see ``resting``. An output counts only while the one named in ``counts``, if any, is 1 in one of the copies.

    Returns its number of registers; None if nothing tells the copies apart, as all outputs have become the same gates.
    Registers that take over the same in both copies are one.
    """
    leaves, registers = len(circuit.inputs), len(circuit.following)
    graph = _Graph(1 + leaves + 2 * registers)
    own = [0 if number in still else 2 * (1 + leaves + number) for number in range(registers)]
    twin = [2 * (1 + leaves + registers + number) for number in range(registers)]
    original = graph.values(_inputs(circuit, one) + own, circuit.gates)
    apart: set[int] = set()
    while True:
        mutated = graph.values(_inputs(circuit, other) + [twin[i] if i in apart else own[i] for i in range(registers)],
                               circuit.gates)
        found = apart | {i for i, literal in enumerate(circuit.following)
                         if _at(original, literal) != _at(mutated, literal)}
        if found == apart:
            break
        apart = found
    told = [graph.both(graph.either(graph.differ(_at(original, bit), _at(mutated, bit)) for bit in bits),
                       graph.either(_at(copy, bit) for bit in circuit.outputs[counts[name]]
                                    for copy in (original, mutated)) if name in counts else 1)
            for name, bits in circuit.outputs.items()]
    output = graph.either(told)
    if not output:
        return None
    following = [_at(original, literal) for literal in circuit.following]
    following += [_at(mutated, literal) if i in apart else 0 for i, literal in enumerate(circuit.following)]
    return _write(path, leaves, following, output, graph)


def _write(path: Path, leaves: int, following: list[int], output: int, graph: _Graph) -> int:
    """Write what the ``output`` depends on; the inputs are all kept. Returns the number of registers."""
    needed, waiting = set(), [output >> 1]
    while waiting:
        number = waiting.pop()
        if number in needed or not number:
            continue
        needed.add(number)
        if number >= graph.first:
            waiting += [literal >> 1 for literal in graph.gates[number - graph.first]]
        elif number > leaves:
            waiting.append(following[number - leaves - 1] >> 1)
    registers = [number for number in range(leaves + 1, graph.first) if number in needed]
    gates = [number for number in range(graph.first, graph.first + len(graph.gates)) if number in needed]
    numbers = {number: place for place, number in enumerate([*range(leaves + 1), *registers, *gates])}

    def literal(old: int) -> int:
        return 2 * numbers[old >> 1] + (old & 1)

    lines = [f"aig {len(numbers) - 1} {leaves} {len(registers)} 1 {len(gates)}",
             *(f"{literal(following[number - leaves - 1])}" for number in registers), f"{literal(output)}", ""]
    deltas = bytearray()
    for number in gates:
        low, high = sorted(literal(operand) for operand in graph.gates[number - graph.first])
        for delta in (2 * numbers[number] - high, high - low):
            while delta > 127:
                deltas.append(delta & 127 | 128)
                delta >>= 7
            deltas.append(delta)
    path.write_bytes("\n".join(lines).encode() + deltas)
    return len(registers)
