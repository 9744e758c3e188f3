"""Drift of conductance after programming: what a trained network is worth some time later."""

import torch

from ..contract.errors import ConfigError
from ..devices.pcm_pair import PcmPairDevice
from ..model.network import Network


def drift(network: Network, seconds: float) -> None:
    """Let the conductances of ``network`` fall as they do in ``seconds`` after programming.

    A conductance ``G`` becomes ``G * (t / t0) ** -nu``, rounded to sub-levels (Nandakumar et al., Front. Neurosci.
    14:406, 2020). ``nu`` and ``t0`` are the device's ``drift_exponent`` and ``drift_time``. Until ``t0`` nothing
    changes. ``ConfigError`` if the device does not drift.
    """
    device = network.experiment.device
    if not isinstance(device, PcmPairDevice):
        raise ConfigError(f"device.kind={device.kind!r}: its conductance does not drift; only that of 'pcm_pair' does")
    left = max(seconds / device.drift_time, 1.0) ** -device.drift_exponent
    for crossbar in network.crossbars:
        g, g_minus = crossbar.arrays["g"], crossbar.arrays["g_minus"]
        minus = g_minus.double()
        plus = torch.floor((g.double() + minus) * left + 0.5)
        minus = torch.floor(minus * left + 0.5)
        g.copy_(plus - minus)
        g_minus.copy_(minus)
