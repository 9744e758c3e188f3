"""The golden model's training, compiled for the CPU: the integers of `model.network`, tens of times as fast.

It follows events. Only rows whose drive is not zero are touched, and cells are looked at one by one only in rows where
a residual has reached the threshold. What depends on a ``z`` alone, neurons or the probability that they fire, and
loss, is looked up in tables that the golden model's own classes have filled. A layer is applied at its positions one
after the other, and once if it is dense; in the second pass at those with an error.

`trainer` and, without a network around it, `crossbar` are what other code uses. `state` is the state that both work
on. `tables` holds the data of compiled code, `arithmetic` its integers, `lanes` its vectors, `programming` what happens
to cells, `forward` and `second` what the two passes of a layer consist of, and `steps` the way of a sample through
them. `batch` is the update by a mini-batch, of which `threads` share the samples or the rows. Functions that are marked
``forceinline`` are small, or would be called too often.
"""

from ...system import caches

caches.settle()  # before Numba looks
