"""The golden model: what the machine computes, in PyTorch and in integers. ``docs/arithmetic.md`` is its
specification; docstrings here refer to its sections."""
