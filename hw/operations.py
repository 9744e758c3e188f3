"""The operations of a network."""

from amaranth.lib import enum


class NetworkOperation(enum.Enum, shape=4):  # type: ignore[call-arg]  # Amaranth's enumerations have one
    """What a network does on command."""

    INFER = 0
    """Take the drive of one sample, answer with the prediction."""
    TRAIN = 1
    """``INFER``, then train on the label, programming at once."""
    ACCUMULATE = 2
    """As ``TRAIN``, without programming: a sample of a mini-batch."""
    PROGRAM = 3
    """Program every cell whose residual has reached the threshold: the end of a mini-batch."""
    APPLY = 4
    """Take an increment of the residual for each cell of ``layer``, row-major; visit every cell, and program those that
    reach the threshold."""
    WRITE = 5
    """Take a state for each cell of ``layer``, row-major, and program-and-verify it."""
    LOAD = 6
    """Take the complete state of ``layer``."""
    DUMP = 7
    """Answer with the complete state of ``layer``."""
    CONFIGURE = 8
    """Take the run-time parameters of ``layer``."""
