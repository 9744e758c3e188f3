"""The golden model: the integers of the machine, in PyTorch. ``docs/arithmetic.md`` is its specification."""
