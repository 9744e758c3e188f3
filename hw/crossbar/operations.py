"""The operations of a crossbar."""

from amaranth.lib import enum


class Operation(enum.Enum, shape=4):  # type: ignore[call-arg]  # Amaranth's enumerations have one
    """What a crossbar does on command. The methods of these names of `model.crossbar.Crossbar` are the golden twins."""

    FORWARD = 0
    """Take the drive of a sample, keep its active rows, answer with ``z``."""
    SELECT = 1
    """Take the drive of a sample and keep its active rows, without a forward pass."""
    BACKWARD = 2
    """With the active rows of the ``FORWARD`` or ``SELECT`` before, and the ``d`` that has come since: answer with
    ``e`` of those that have a derivative."""
    UPDATE = 3
    """As ``BACKWARD``; and update the residuals, and program the cells that reach the threshold."""
    ACCUMULATE = 4
    """As ``UPDATE``, without programming."""
    PROGRAM = 5
    """Visit every cell, and program those that have reached the threshold."""
    APPLY = 6
    """Take an increment of the residual for each cell, row-major; visit every cell, and program those that reach the
    threshold."""
    WRITE = 7
    """Take a state for each cell, row-major, and program-and-verify it."""
    LOAD = 8
    """Take the complete state: the cells row-major, the LFSRs, the counters."""
    DUMP = 9
    """Answer with the complete state."""
    CONFIGURE = 10
    """Take the run-time parameters."""
