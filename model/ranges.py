"""Ranges from data: every number as fine as it can be without being limited often."""

from math import ceil, floor, log2

import torch

BEYOND = 0.001
"""Share of the numbers that may be limited."""


def finest(sizes: torch.Tensor, top: int) -> int | None:
    """The most fraction bits with which at most ``BEYOND`` of the magnitudes ``sizes``, float64 (n,), are limited to
    ``top``. None where so many are 0."""
    usual = sizes.kthvalue(ceil((1 - BEYOND) * len(sizes))).values.item()
    return floor(log2(top / usual)) if usual else None


def limited(sizes: torch.Tensor, top: int, frac: int) -> float:
    """The percentage of the magnitudes ``sizes`` that are limited to ``top`` with ``frac`` fraction bits."""
    return 100 * (sizes * 2.0**frac > top + 0.5).double().mean().item()
