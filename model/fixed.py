"""Integer arithmetic on tensors: rounding, saturation, and float formats in which matrix products are exact."""

import torch


def round_shift(value: torch.Tensor, shift: int) -> torch.Tensor:
    """``value * 2**-shift`` rounded to nearest, ties up, for ``shift >= 0``; same shape and dtype.

    Exact where ``abs(value) < 2**(w - 2)`` in a dtype ``w`` bits wide.
    """
    if shift == 0:
        return value
    if shift >= torch.iinfo(value.dtype).bits - 1:
        return torch.zeros_like(value)
    return (value + (1 << shift - 1)) >> shift


def saturate(value: torch.Tensor, bits: int) -> torch.Tensor:
    """``value`` limited to ``-2**(bits-1)`` .. ``2**(bits-1) - 1``."""
    return value.clamp(-(1 << bits - 1), (1 << bits - 1) - 1)


def exact_float(bound: int) -> torch.dtype:
    """A float format in which a matrix product of integers is exact, in any order of summation.

    The absolute values of the terms of a sum add up to at most ``bound``; ``ValueError`` from 2**53 on. float32 is
    chosen only as long as PyTorch multiplies with all of its bits.
    """
    if bound < 1 << 24 and torch.get_float32_matmul_precision() == "highest":
        return torch.float32
    if bound < 1 << 53:
        return torch.float64
    raise ValueError(f"column or row sums reach {bound}: the golden model is exact only below 2**53")
