"""What the account of a run answers: joules and seconds of the whole training."""

from dataclasses import dataclass

from ...contract.results import Result

OPERATION = ("a multiplication or an addition, two a cell and pass; dense counts every cell at every position, done "
             "only those in rows that are not 0")


@dataclass(frozen=True, kw_only=True)
class EventResult(Result):
    """One kind of event in one phase of one layer."""

    layer: int
    """From 0."""
    phase: str
    """``forward``, ``backward``, ``update`` or ``programming``."""
    event: str
    number: int
    """How often it has happened."""
    joules: float
    """With memories banked."""
    joules_one_memory: float
    """With one memory for an array."""
    standing: str
    """The weakest standing of the figures behind its energy; empty if it is not paid for."""
    source: str
    """Where these figures come from, with memories banked."""
    source_one_memory: str
    """The same with one memory for an array."""
    seconds: float
    """The time that it adds, one after the other; 0 if it happens while something else does."""
    time_standing: str
    """The weakest standing of the figures behind its time; empty if it adds none."""
    time_source: str


@dataclass(frozen=True, kw_only=True)
class PhaseResult(Result):
    """One phase of one layer."""

    layer: int
    phase: str
    joules: float
    joules_one_memory: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class EfficiencyResult(Result):
    """A phase of all layers, by the operations that it stands for. The update includes programming. Memories are
    banked."""

    phase: str
    operations: int
    """Dense: rows that are 0 count, too."""
    operations_done: int
    """Of rows that are not 0."""
    joules: float
    seconds: float
    operations_per_joule: float | None
    """Operations a second and a watt, dense; None if nothing was spent."""
    done_per_joule: float | None
    """The same of those done."""
    operations_per_second: float | None
    """Dense, one after the other; None if it takes no time."""
    placeholder_share: float
    """Fraction of the joules that rests on placeholders."""


@dataclass(frozen=True, kw_only=True)
class DigitalResult(Result):
    """A digital implementation of the same training."""

    name: str
    """As the table of costs calls it."""
    bits: int
    """Width of a weight."""
    zeros: bool
    """Whether it computes with what is 0. If not, it leaves out the rows that we leave out."""
    multiplications: int
    """And as many additions."""
    weight_accesses: int
    joules: float
    """With memories banked."""
    joules_one_memory: float
    ratio: float | None
    """Its joules over ours, both with memories banked. None where they do not stand for the same work: nothing was
    trained, or a host had a part in it."""
    ratio_one_memory: float | None
    """The same, both with one memory for an array."""
    sources: tuple[str, ...]
    """Its events, each with the standing of what it costs and where that comes from; of weight accesses, with memories
    banked and as one."""


@dataclass(frozen=True, kw_only=True)
class TimeResult(Result):
    """How long the arrays of a layer, and what is around them, are at work."""

    layer: int
    reads: float
    """Of the array, forward and backward."""
    conversions: float
    updates: float
    """Of the accumulator."""
    pulses: float
    """Of the array, with reading back."""


@dataclass(frozen=True, kw_only=True)
class SensitivityResult(Result):
    """What a placeholder decides: the first of two figures is with a tenth of it, the second with ten times as much.
    Memories are banked."""

    figure: str
    """Its place in the table of costs."""
    value: float
    """In picojoules or nanoseconds."""
    joules: tuple[float, float]
    ratio: tuple[float | None, float | None]
    """To the dense 32-bit implementation."""
    seconds: tuple[float, float]
    """One after the other."""


@dataclass(frozen=True, kw_only=True)
class PublishedResult(Result):
    """A figure of a published system, and ours beside it."""

    quantity: str
    """What it is, in words."""
    unit: str
    published: float
    here: float | None
    """Of this run, memories banked; None where it has none."""
    system: str
    """What it was published of."""
    source: str


@dataclass(frozen=True, kw_only=True)
class IncrementsResult(Result):
    """The increments of some samples in one layer. Each number counts cells, sample by sample."""

    layer: int
    samples: int
    given: int
    """Cells of the rows that were updated: what the ledger counts."""
    with_error: int
    """Those of them in columns whose delta is not 0."""
    changing: int
    """Those of them whose increment is not 0."""
    due: int
    """Those whose increment is 0 and whose residual reaches the threshold none the less."""
    joules: float
    """Of the update of these samples, memories banked."""
    joules_with_error: float
    """The same if residuals in columns whose delta is 0 were neither read, written nor compared."""


@dataclass(frozen=True, kw_only=True)
class EnergyResult(Result):
    """The energy and the time of a training run, beside digital implementations."""

    run: str
    """The run folder."""
    kind: str
    """The kind of device."""
    layers: tuple[str, ...]
    """Each in short: ``250``, ``16C5-MP2``."""
    samples: int
    """Samples that were trained."""
    joules: float
    """What the machine has spent, with memories banked as the RTL's are: one for each lane of an array."""
    joules_one_memory: float
    """The same with one memory for an array."""
    placeholder_share: float
    """Fraction of ``joules`` that rests on placeholders."""
    digital_joules: float
    """What the dense 32-bit implementation would have spent, memories banked (`DigitalResult`)."""
    digital_joules_one_memory: float
    ratio: float | None
    """Of the two with memories banked."""
    ratio_one_memory: float | None
    seconds: float
    """Everything one after the other."""
    seconds_pipelined: float
    """All layers side by side, each on another sample, and in them array, converters and accumulator: the time of the
    busiest one. In training it is a bound, since a sample then meets older weights."""
    seconds_placeholder_share: float
    """Fraction of ``seconds`` that rests on placeholders."""
    phases: tuple[PhaseResult, ...]
    """By layer; those in which nothing happened are left out."""
    events: tuple[EventResult, ...]
    """Likewise."""
    digital: tuple[DigitalResult, ...]
    operation: str
    """What an operation is."""
    efficiency: tuple[EfficiencyResult, ...]
    times: tuple[TimeResult, ...]
    sensitivity: tuple[SensitivityResult, ...]
    """Of the placeholders that decide anything."""
    published: tuple[PublishedResult, ...]
    notes: list[str]
    """What the figures leave out."""
    increments: tuple[IncrementsResult, ...] = ()
    """By layer, where they were asked for."""
