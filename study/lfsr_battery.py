"""``python -m spinloom.study.lfsr_battery``: statistical tests of the random words of the machine, as it draws them.

Exit status 1 if a test fails at the level 0.01 after Holm's correction. What an LFSR fails by construction is reported
beside them. docs/lfsr.md explains the tests.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from ..contract.errors import ConfigError
from ..contract.lfsr import LEAP, MAX_SEGMENTS, STREAMS, WIDTH, hashed_state, initial_state
from ..contract.results import Result
from ..model.lfsr import Lfsr, jump
from ..render import markdown
from ..system.files import replace
from . import randomness

LEVEL = 0.01
"""Of the p-values after correction: the chance that a battery of good words fails."""
LANES = 8
NEIGHBOURS = 16
"""Seeds in a row that are compared."""
PERIOD = (1 << WIDTH) - 1
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"
"""Between them, a page has the figures."""
USES = {"lfsr": "programming", "rounding_lfsr": "rounding", "read_lfsr": "read noise", "neuron_lfsr": "neurons"}
"""What the LFSRs of a crossbar are for, by their names in its state."""


@dataclass(frozen=True, kw_only=True)
class Outcome(Result):
    """A test of some words."""

    test: str
    subject: str
    """The words."""
    p: float
    corrected: float
    """``p`` after Holm's correction for all tests of the battery."""


@dataclass(frozen=True, kw_only=True)
class Structure(Result):
    """What shows that the words come from an LFSR, and is no failure."""

    rank: int
    """Highest rank of 64 matrices of 64 x 64 bits in a row."""
    rank_p: float
    linear_complexity: int
    """Of 1024 bits in a row."""
    linear_complexity_p: float
    triple: tuple[int, int]
    """Draws ``(a, b)``, the smallest ``b``, for which every word is the exclusive or of those ``a`` and ``b`` draws
    later."""
    triple_moment: float
    """Mean of the product of the noise of three such words, in sigma^3: 0 if they were independent."""
    triple_deviations: float
    """That, in standard deviations of what independent words give."""


@dataclass(frozen=True, kw_only=True)
class Battery(Result):
    """All tests."""

    seeds: tuple[int, ...]
    words: int
    """Of each stream."""
    outcomes: tuple[Outcome, ...]
    closest: dict[str, int]
    """Steps between the two LFSRs of each group that start closest to one another."""
    structure: Structure

    @property
    def failed(self) -> list[Outcome]:
        """The tests that fail."""
        return [outcome for outcome in self.outcomes if outcome.corrected < LEVEL]


def starts(seed: int, layers: int = MAX_SEGMENTS) -> dict[tuple[str, int], int]:
    """The states at which all LFSRs of a network of ``layers`` layers start, by use and layer."""
    return {(use, layer): initial_state(seed, layer) if name == "lfsr" else hashed_state(seed, STREAMS[name], layer)
            for name, use in USES.items() for layer in range(layers)}


def words(state: int, count: int) -> np.ndarray:
    """int64 (count,): what an LFSR that starts at ``state`` draws."""
    return Lfsr(state).draw(count).numpy()


def streams(seed: int, count: int) -> dict[str, np.ndarray]:
    """The streams that are tested one by one, ``count`` words each, by what they are."""
    states = starts(seed)
    chosen = [*((use, 0) for use in USES.values()), ("programming", MAX_SEGMENTS - 1)]
    lanes = lane_words(seed, count)
    return {f"seed {seed}, {use}, layer {layer}": words(states[use, layer], count) for use, layer in chosen} \
        | {f"seed {seed}, rounding, layer 0, lane {lane}": lanes[lane] for lane in (0, LANES - 1)}


def lane_words(seed: int, count: int) -> np.ndarray:
    """int64 (LANES, count): what each lane of stochastic rounding gets, of the one sequence of its crossbar."""
    return words(starts(seed, 1)["rounding", 0], LANES * count).reshape(count, LANES).T


def groups(seed: int, count: int) -> dict[str, np.ndarray]:
    """Streams that are compared with one another: int64 (k, count), by what they are."""
    states = starts(seed)
    return {
        f"seed {seed}, lanes": lane_words(seed, count),
        f"seed {seed}, layers": np.stack([words(states["programming", layer], count)
                                          for layer in range(MAX_SEGMENTS)]),
        f"seed {seed}, uses": np.stack([words(states[use, 0], count) for use in USES.values()]),
        f"seeds {seed} to {seed + NEIGHBOURS - 1}": np.stack([words(initial_state(seed + number, 0), count)
                                                              for number in range(NEIGHBOURS)]),
    }


def passed(count: int) -> np.ndarray:
    """int64 (count,): the state 1, and those that an LFSR passes from there, draw by draw."""
    drawn = np.append([0, 1], words(1, count - 1))
    return drawn[:-1] << LEAP | drawn[1:]  # a state is two words in a row


def places(states: list[int]) -> np.ndarray:
    """int64: how many steps after the state 1 an LFSR comes to each of ``states``, 0 .. 2**32-2. By baby steps and
    giant steps, of 2**16 draws each."""
    small = 1 << LEAP
    babies = passed(small)
    order = np.argsort(babies)
    giants = torch.tensor(states)[:, None]
    while giants.shape[1] < small:
        giants = torch.cat([giants, jump(giants, small * giants.shape[1])], dim=1)
    found = np.minimum(np.searchsorted(babies[order], giants.numpy()), small - 1)
    met = babies[order][found] == giants.numpy()
    assert met.any(axis=1).all(), "a state is on no cycle but that of all states other than 0"
    giant = met.argmax(axis=1)
    baby = order[found[np.arange(len(states)), giant]]
    return (baby - giant * small) * LEAP % PERIOD


def closest(states: list[int]) -> int:
    """Steps between the two of ``states`` that are closest to one another on the cycle; 0 if two are the same."""
    around = np.sort(places(states))
    return int(np.diff(around, append=around[0] + PERIOD).min())


def closest_p(distance: int, number: int) -> float:
    """The chance that, of ``number`` states anywhere on the cycle, two are so close to one another."""
    return -math.expm1(-number * (number - 1) * distance / PERIOD)


def tested(named: Mapping[str, np.ndarray]) -> dict[tuple[str, str], float]:
    """The p-value of each test of each stream."""
    return {(test, name): function(stream) for name, stream in named.items()
            for test, function in randomness.WORD_TESTS.items()}


def compared(named: Mapping[str, np.ndarray]) -> dict[tuple[str, str], float]:
    """The p-values of the correlations within each group."""
    return {(test, name): randomness.cross_correlation(values) for name, group in named.items()
            for test, values in (("cross-correlation of words", group),
                                 ("cross-correlation of noise", randomness.noise(group)))}


def outcomes(p: Mapping[tuple[str, str], float]) -> tuple[Outcome, ...]:
    """The tests of the p-values ``p``, corrected for their number."""
    return tuple(Outcome(test=test, subject=subject, p=value, corrected=corrected)
                 for ((test, subject), value), corrected
                 in zip(p.items(), randomness.holm(list(p.values())), strict=True))


def triple(most: int = 1 << 18) -> tuple[int, int]:
    """Draws ``(a, b)``, the smallest ``b`` up to ``most``, such that each word is the exclusive or of those ``a`` and
    ``b`` draws later. As all is linear, the state 1 shows it."""
    states = passed(most + 1)
    order = np.argsort(states)
    wanted = states ^ states[0]
    found = order[np.minimum(np.searchsorted(states[order], wanted), most)]
    b = int(np.flatnonzero((states[found] == wanted) & (found < np.arange(most + 1)))[0])
    return int(found[b]), b


def structure(stream: np.ndarray) -> Structure:
    """What a ``stream``, of more than 2**18 words, shows of its origin."""
    ranks = randomness.matrix_ranks(stream, 64)
    bits = (stream[:64, None] >> np.arange(LEAP - 1, -1, -1) & 1).ravel().tolist()
    length = randomness.linear_complexity(bits)
    a, b = triple()
    noise = randomness.noise(stream)
    products = noise[:-b] * noise[a:len(noise) - b + a] * noise[b:]
    return Structure(rank=max(ranks), rank_p=randomness.ranks_p(ranks), linear_complexity=length,
                     linear_complexity_p=randomness.linear_complexity_p(length, len(bits)), triple=(a, b),
                     triple_moment=float(products.mean()),
                     triple_deviations=float(products.mean() / randomness.QUANTILES.std() ** 3
                                             * math.sqrt(len(products))))


def run(seeds: tuple[int, ...] = (1, 2, 3), count: int = 1 << 20) -> Battery:
    """Test ``count`` words of each stream, of networks of each of ``seeds``."""
    p: dict[tuple[str, str], float] = {}
    nearest: dict[str, int] = {}
    for seed in seeds:
        p |= tested(streams(seed, count)) | compared(groups(seed, count // 8))
        states = starts(seed)
        hashed = [state for (use, layer), state in states.items() if use != "programming" or layer == 0]
        neighbours = [initial_state(number, 0) for number in range(seed, seed + 64)]
        for name, group in ((f"hashed starts, seed {seed}", hashed), (f"seeds {seed} to {seed + 63}", neighbours)):
            distance = closest(group)
            p["starts apart", name] = closest_p(distance, len(group))
            nearest[name] = distance
        nearest[f"programming, all layers, seed {seed}"] = closest(
            [states["programming", layer] for layer in range(MAX_SEGMENTS)])
    return Battery(seeds=seeds, words=count, outcomes=outcomes(p), closest=nearest,
                   structure=structure(words(starts(seeds[0])["programming", 0], 1 << 20)))


def report(battery: Battery) -> str:
    """The figures, in Markdown: a line for each test, with the smallest of its p-values."""
    by_test: dict[str, list[Outcome]] = {}
    for outcome in battery.outcomes:
        by_test.setdefault(outcome.test, []).append(outcome)
    rows: list[list[Any]] = []
    for test, found in by_test.items():
        worst = min(found, key=lambda outcome: outcome.p)
        rows.append([test, len(found), f"{worst.p:.2g}", worst.subject, f"{worst.corrected:.2g}",
                     "fails" if worst.corrected < LEVEL else "passes"])
    shown = battery.structure
    a, b = shown.triple
    return "\n".join([
        f"{len(battery.outcomes)} tests, of {battery.words:,} words a stream; seeds "
        f"{', '.join(map(str, battery.seeds))}:", "",
        markdown.table(["test", "p-values", "smallest", "of", "after Holm", ""], rows, right=(1, 2, 4)), "",
        "The two starts of each group that are closest to one another:", "",
        markdown.table(["group", "steps", "draws that take as many"], [[name, f"{steps:,}", f"{steps // LEAP:,}"]
                                                     for name, steps in battery.closest.items()], right=(1, 2)), "",
        "What shows that it is an LFSR, as it must:", "",
        markdown.table(["test", "found", "p"], [
            ["rank of matrices of 64 x 64 bits", f"at most {shown.rank}", f"{shown.rank_p:.2g}"],
            ["linear complexity of 1,024 bits", shown.linear_complexity, f"{shown.linear_complexity_p:.2g}"],
            [f"noise of words {a:,} and {b:,} draws apart: mean of the product of the three",
             f"{shown.triple_moment:.3f} sigma^3, {abs(shown.triple_deviations):.0f} standard deviations",
             f"{randomness.normal_p(shown.triple_deviations):.2g}"]], right=(2,)), ""])


def around(page: Path) -> tuple[str, str]:
    """What stands in ``page`` up to the first mark, and from the second one on. ``ConfigError`` if it has none."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{page}: {error.strerror}") from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"{page}: no lines {BEGIN.strip()} and {END}, between which the figures go")
    return before + begin, end + after


@click.command(help=__doc__)
@click.option("--seed", "seeds", type=click.IntRange(0, PERIOD - 64), multiple=True, default=(1, 2, 3),
              show_default=True, metavar="N", help="Can be given several times.")
@click.option("--words", "count", type=click.IntRange(1 << 17, 1 << 24), default=1 << 20, show_default=True,
              metavar="N", help="Words of each stream.")
@click.option("--page", type=click.Path(path_type=Path), metavar="FILE", help="Put the figures into this page too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every p-value.")
def main(seeds: tuple[int, ...], count: int, page: Path | None, as_json: bool) -> None:
    """Run the tests and print what they have found."""
    try:
        above, below = around(page) if page else ("", "")
    except ConfigError as error:
        click.echo(f"spinloom: {error}", err=True)
        raise SystemExit(2) from None
    battery = run(tuple(dict.fromkeys(seeds)), count)
    click.echo(json.dumps(battery.to_json()) if as_json else report(battery))
    if page:
        replace(page, lambda file: file.write(f"{above}\n{report(battery)}\n{below}".encode()))
    if battery.failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
