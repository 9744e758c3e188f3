"""What is said of designs: the meanings of their ports and fields, and how they are driven."""

from dataclasses import dataclass, replace

from ...design import BankDesign, Design

_PORTS = (
    "One clock, `clk`, rising edge; `rst` is synchronous, active high.",
    "A word moves on a stream in every clock cycle in which `valid` and `ready` are both 1. Once `valid` is 1 it stays "
    "so, with the payload unchanged, until the word has moved; `valid` never waits for `ready`.",
)
_WORDS = (
    "LOAD and DUMP move the complete state of a {crossbar}: the cells row by row, the LFSRs, then the counters, a word "
    "each, in the low bits. WRITE takes a state (0 to states-1) a cell, APPLY an increment of the residual (signed, in "
    "its units), row by row. CONFIGURE takes the run-time parameters, a word each, in the order of their table; the "
    "machine starts with those of its configuration."
)
_FIELDS = {
    "chi": "residual",
    "g": "conductance level",
    "g_minus": "level of the device of a pair that counts negative",
    "slices": "levels of its devices but for the last",
    "last": "this beat is the last of its sample",
    "operation": "what to do",
    "x": "what drives the cell",
}


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What is said of one kind of design."""

    crossbar: str
    """What its crossbars are called."""
    source: str
    """What describes it."""
    members: dict[str, str]
    """What the members of its signature mean."""
    fields: dict[str, str]
    """What the fields of payloads mean."""
    protocol: tuple[str, ...]
    """How it is driven; the first two sentences are about ports."""


NETWORK = Wording(
    crossbar="layer",
    source="experiment",
    members={
        "command": "operations, carried out in order",
        "x": "the drive of the first crossbar",
        "result": "the answer to each sample, in order",
        "state_in": "words that APPLY, WRITE, LOAD and CONFIGURE take",
        "state_out": "words that DUMP answers with",
        "idle": "every command taken has been carried out and its effects have reached the memories",
    },
    fields=_FIELDS | {
        "boost": "learning rate 2**-(slowest_learning_rate_shift - boost)",
        "correct": "whether the prediction is the label",
        "derivative": "derivative of the neuron that drives the row",
        "label": "class of the sample; ignored by INFER but for `correct`",
        "layer": "crossbar that APPLY, WRITE, LOAD, DUMP and CONFIGURE are meant for",
        "prediction": "class predicted before the update",
        "row": "cell of the feature map of the input, which is the row of the first crossbar if that is dense; "
               "ascending within a sample",
    },
    protocol=(
        *_PORTS,
        "The arrays start at zero and the LFSRs at 1: LOAD every layer before the first sample.",
        "A sample is one command (INFER, TRAIN or ACCUMULATE) and its beats on `x`: the cells of the feature map of "
        "the input whose drive is not zero, ascending, `last` on the final one; a sample without any is one beat of "
        "zero. Commands and beats may come in any order relative to each other. `result` answers once a sample, in the "
        "order of the commands.",
        _WORDS.format(crossbar="layer") + " A command that moves words waits until everything before it is done, and "
        "`state_in` and `state_out` belong to it alone.",
    ),
)

STORED = replace(
    NETWORK,
    members=NETWORK.members | {
        "feed": "samples of a stored set that are to be taken, and what is done on them",
        "report": "what the samples of a feed came to",
        "access": "words of the memory that are to be written, or of which a digest is wanted",
        "words": "the words that are written",
        "digest": "CRC-32 of the words, as zlib computes it of their bytes, little endian",
        "stop": "no sample is begun any more",
        "drop": "what was asked of the memory and has not come is for nobody",
        "memory__commands": "what the memory is to do: docs/store.md, `MemoryInterface` in hw/store/memory.py",
        "memory__writes": "words for the memory",
        "memory__reads": "words from the memory",
    },
    fields=NETWORK.fields | {
        "address": "word of the memory",
        "base": "word at which the set begins",
        "correct": "whether the prediction is the label; of a report, of how many samples",
        "slices": "levels of its devices but for the last",
    "last": "this beat is the last of its sample; of a feed, the place of its last sample",
        "batch": "samples of a mini-batch; 1 unless operation is ACCUMULATE",
        "count": "of a feed: samples of the set; of an access: words",
        "cycles": "clock cycles that the feed took",
        "damaged": "a sample was not what had been stored",
        "filled": "samples of the mini-batch that came before",
        "first": "place of the first sample in the order",
        "key": "of the permutation of the epoch",
        "length": "words, less 1",
        "samples": "samples that were taken",
        "permute": "whether the order is permuted; otherwise samples come as they are numbered",
        "stalls": "clock cycles in which the network waited for a sample",
        "write": "whether words are written; otherwise they are read",
    },
    protocol=(
        *NETWORK.protocol,
        "A feed is taken when every command and every access before it has been carried out; no other is taken until "
        "it is reported. Between feeds the network is driven sample "
        "by sample, as said above; all results are taken before the next feed.",
    ),
)

BANK = Wording(
    crossbar="crossbar",
    source="bank",
    members={
        "command": "operations, carried out one after the other",
        "operands": "what operations take: beats of `x` or `d` of the crossbar, or words",
        "answers": "what they answer: beats of `z` or `e` of the crossbar, or words",
        "idle": "every command taken has been carried out and its effects have reached the memories",
    },
    fields=_FIELDS | {
        "boost": "of UPDATE and ACCUMULATE: learning rate 2**-(n - boost), n the larger of `learning_rate_shifts`",
        "col": "column; of several deltas that of the first, a multiple of their number",
        "crossbar": "which crossbar the operation is for",
        "delta": "delta of a column",
        "derivative": "whether the row sum of the cell is asked for; a beat of `e` without only carries `last`",
        "e": "exact row sum of the cell",
        "position": "where the column has that delta",
        "row": "cell of the feature map, which is the row if the crossbar is dense; ascending within a sample",
        "z": "output of a column; groups of columns ascend, at one position after the other",
    },
    protocol=(
        *_PORTS,
        "The arrays start at zero and the LFSRs at 1: LOAD every crossbar before its first sample.",
        "A command is taken when the one before has been carried out and answered. What it takes comes on `operands`, "
        "before or after it; what it answers leaves on `answers`. Beats and words are in the low bits.",
        "FORWARD and SELECT take a sample, beats of `x`: the cells of the feature map whose drive or derivative is not "
        "zero, ascending, `last` on the final one; a sample without any is one beat of zeros. FORWARD answers with all "
        "outputs, beats of `z`.",
        "BACKWARD, UPDATE and ACCUMULATE are about the sample before. They take its deltas, beats of `d` with `last` "
        "on the final one; those that are not sent are zero. They answer with the row sums that were asked for, beats "
        "of `e` with `last` on the final one. So errors are passed back by SELECT, with derivatives and without a "
        "drive, and BACKWARD; cells are updated by SELECT with the drive, and UPDATE or ACCUMULATE.",
        _WORDS.format(crossbar="crossbar"),
    ),
)


def wording(design: Design) -> Wording:
    """What is said of designs such as ``design``."""
    if isinstance(design, BankDesign):
        return BANK
    return NETWORK if design.store is None else STORED
