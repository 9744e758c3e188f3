"""The loss behind the last crossbar: the prediction, and the delta from which training starts."""

import torch

from ..contract import geometry, tables
from .fixed import round_shift, saturate


def predict(z: torch.Tensor) -> torch.Tensor:
    """The column of the largest output, the first of equals; ``z`` is (cols,) or (n, cols)."""
    return z.argmax(dim=-1)


class Loss:
    """The delta of the output columns (arithmetic 6)."""

    def __init__(self, kind: geometry.Loss, last: geometry.CrossbarGeometry,
                 torch_device: torch.device | str = "cpu") -> None:
        """The loss ``kind`` behind the crossbar of geometry ``last``."""
        self.kind = kind
        self.last = last
        if kind == "cross_entropy":
            self._one = (1 << last.delta_frac) - 1
            self._sigmoid = torch.from_numpy(tables.sigmoid(last.z_bits, last.z_frac, self._one)).to(torch_device)

    def delta(self, z: torch.Tensor, label: int) -> torch.Tensor:
        """The delta ``d``, int64 (cols,), of the outputs ``z`` (cols,) for ``label``."""
        last = self.last
        if self.kind == "cross_entropy":
            d = self._sigmoid[z + (1 << last.z_bits - 1)]
            d[label] -= self._one
            return d
        one = 1 << last.z_frac
        y = torch.full_like(z, -1)
        y[label] = 1
        d = -y * (one - y * z).clamp(min=0)
        shift = min(last.delta_frac - last.z_frac, 16)  # from there on, all but 0 saturates
        return saturate(d << shift if shift >= 0 else round_shift(d, -shift), last.delta_bits)
