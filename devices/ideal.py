"""The ideal device."""

from random import Random
from typing import Any, Literal

from ..contract.device import DeviceTables
from .costs import Cost, DeviceCosts
from .landing import LandingDevice
from .random_figures import common_fields, states


class IdealDevice(LandingDevice):
    """Lands exactly on the nominal state it is programmed to. There is nothing to learn about it."""

    kind: Literal["ideal"]

    def compile(self, certain: bool = False) -> DeviceTables:
        return self._landing([0.0] * self.states, [0.0] * self.states)

    def physical(self) -> dict[str, tuple[float, ...]]:
        return self._landing_figures([0.0] * self.states, [0.0] * self.states) | {"stuck": (self.stuck,)}

    @classmethod
    def costs(cls) -> DeviceCosts:
        nothing = Cost(picojoules=0, standing="placeholder", source="an ideal device costs nothing")
        return DeviceCosts(read=nothing, pulse=nothing)

    @classmethod
    def random_section(cls, random: Random) -> dict[str, Any]:
        return common_fields(random) | {"states": states(random)}
