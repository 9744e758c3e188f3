"""Drift of conductance after programming, in evaluation: what a trained network is worth some time later."""

import torch

from ..contract.errors import ConfigError
from ..model.network import Network


def drift(network: Network, seconds: float) -> None:
    """Let every conductance of ``network`` fall as it does until ``seconds`` after programming.

    A conductance ``G`` becomes ``G * (t / t0) ** -nu``, rounded to sub-levels; ``nu`` and ``t0`` are the device's
    ``drift_exponent`` and ``drift_time``, and until ``t0`` nothing changes (Nandakumar et al., Front. Neurosci. 14:406,
    2020). ``ConfigError`` if the device does not drift.
    """
    device = network.experiment.device
    if not hasattr(device, "drift_exponent"):
        raise ConfigError(f"device.kind={device.kind!r}: its conductance does not drift; only that of 'pcm_pair' does")
    left = max(seconds / device.drift_time, 1.0) ** -device.drift_exponent
    for crossbar in network.crossbars:
        minus = crossbar.g_minus.double()
        plus = torch.floor((crossbar.g.double() + minus) * left + 0.5)
        minus = torch.floor(minus * left + 0.5)
        crossbar.g.copy_(plus - minus)
        crossbar.g_minus.copy_(minus)
