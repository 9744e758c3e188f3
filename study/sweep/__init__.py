"""Sweeps: many runs of configurations that differ in some fields, and one table of what came out.

`run` trains one, `read` reads its table.

A `document.Sweep` says which points there are (``points``), a `plan.Run` is what one of them comes to, and ``runs``
sees that each has run: in processes of this machine or on a cluster (``executors``), where ``worker`` trains it.
``search`` makes points of what earlier ones gave, ``table`` puts the results together.
"""

from .results import SweepResult
from .runs import RUNS, run
from .table import read

__all__ = ["RUNS", "SweepResult", "read", "run"]
