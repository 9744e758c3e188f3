"""The energy and the time of a training run, beside digital implementations of the same training.

Data flows one way: the counters of a run become `events`, these get `costs`, the `ledger` keeps them, and `account`
sums them up to `results`. Figures that were published stand in a file and are only put beside (`published`).
"""
