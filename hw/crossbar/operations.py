"""What a crossbar does on command."""

from amaranth.lib import enum


class Operation(enum.Enum, shape=4):
    """What a crossbar does on command; the primitives of the same names are their golden twins."""

    FORWARD = 0
    """Take the drive of one sample, keep its active rows, answer with ``z``."""
    SELECT = 1
    """Take the drive of one sample and keep its active rows, without a forward pass."""
    BACKWARD = 2
    """Take the ``d`` that comes from then on, answer with ``e`` of every input row."""
    UPDATE = 3
    """On the rows kept by the ``FORWARD`` or ``SELECT`` before, and with the ``d`` that is taken from then on: answer
    with ``e`` and update, programming at once."""
    ACCUMULATE = 4
    """As ``UPDATE``, without programming."""
    PROGRAM = 5
    """Visit every cell and program those that have reached the threshold."""
    APPLY = 6
    """Take an increment of the residual a cell, row-major, and visit and program every cell."""
    WRITE = 7
    """Take a state a cell, row-major, and program-and-verify each."""
    LOAD = 8
    """Take the complete state: the cells row-major, the LFSRs, the counters in the order of ``COUNTERS``."""
    DUMP = 9
    """Answer with the complete state."""
    CONFIGURE = 10
    """Take the run-time parameters, see `contract.parameters`."""
