"""The golden model's training, compiled for one CPU thread: the integers of `model.network`, tens of times as fast.

It follows events. Only rows whose drive is not zero are touched, and cells are looked at one by one only in rows where
a residual has reached the threshold. What depends on a ``z`` alone, neurons and loss, is looked up in tables that the
golden model's own classes have filled.

`trainer` is what other code uses. `tables` holds the data of compiled code, `arithmetic` its integers, `programming`
what happens to cells, and `steps` the passes of a sample. In inner loops NumPy's scalar functions stand for operators:
they keep the width of their operands. Compiled operators widen to 64 bits, and vectors then hold half as much.
"""

from ...system import caches

caches.settle()  # before Numba looks
