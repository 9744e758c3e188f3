"""What the controller may do, against a model that looks back at the slots of every earlier clock cycle."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.hw.crossbar.hazards import Hazards
from spinloom.hw.crossbar.timing import ADDRESS, HOLD, SUM, write_back

FLAGS = ("forward", "last", "write", "fetch", "fire", "override")
INPUTS = ("programmed", "adc_ready", "replace_waits", "fetch_waits", "start")
ROWS = 12


def geometry_of(ports: int, stochastic: bool):
    document = {"input": {"count": ROWS}, "device": {"kind": "mtj"}, "layers": [{"cols": 3, "ports": ports}]}
    if stochastic:
        document |= {"update": {"rounding": "stochastic", "residual": "none", "threshold": 1.0}}
    return parse(document, "hazards").crossbars[0]


class Model:
    """``slots`` and ``inputs`` are those of all clock cycles until now, the latest one at the end."""

    def __init__(self, geometry) -> None:
        self.depth, self.ports = write_back(geometry), geometry.ports
        self.slots, self.inputs = [], []

    def _slot(self, back: int, cycle: int = -1) -> dict:
        """The slot of ``back`` clock cycles before ``cycle``."""
        place = cycle % len(self.slots) - back
        return self.slots[place] if place >= 0 else dict.fromkeys((*FLAGS, "row"), 0)

    def _recent(self, cycles: int, *flags: str, cycle: int = -1) -> bool:
        """Whether a slot of the last ``cycles`` clock cycles had one of ``flags``."""
        return any(self._slot(back, cycle)[flag] for back in range(1, cycles + 1) for flag in flags)

    def _programming(self, cycle: int) -> bool:
        return not self.inputs[cycle]["programmed"] or self._recent(self.depth - ADDRESS, "override", cycle=cycle)

    def _visited(self) -> int:
        """The row before which a forward pass may read: that of the last visit that had ended and been looked at when
        programming began, or now."""
        now = len(self.slots) - 1
        begun = now
        if self._programming(now):
            while begun and self._programming(begun - 1):
                begun -= 1
            begun -= 1
        for ended in range(begun - 1, -1, -1):
            if self.inputs[ended]["start"]:
                return 0
            visit = self._slot(self.depth + 1, ended)
            if visit["fire"]:
                return 0 if any(self.inputs[cycle]["start"] for cycle in range(begun, now)) else visit["row"]
        return 0

    def answers(self) -> dict[str, bool]:
        inputs, age = self.inputs[-1], self.depth - ADDRESS
        writes_back = self.ports == 1 and self._slot(age)["write"]
        replaced = self._slot(age)["override"]
        may_replace = not self._recent(age, "override") and not writes_back
        replaces = inputs["replace_waits"] and may_replace
        may_fetch = not replaces and not replaced and not writes_back
        serves = replaces or inputs["fetch_waits"] and may_fetch
        may_forward = not serves and not (self.ports == 1 and replaced)
        settled = inputs["programmed"] and not self._recent(self.depth + 1, "fire", "override")
        return {
            "may_replace": may_replace,
            "may_fetch": may_fetch,
            "may_update": not serves and not writes_back,
            "may_forward": may_forward,
            "may_forward_row": settled or inputs["row"] < self._visited() and may_forward,
            "may_override": not self._recent(HOLD, "override"),
            "may_convert": inputs["adc_ready"] and not any(
                self._slot(back)["forward"] and self._slot(back)["last"] for back in range(1, SUM + 1)),
            "settled": settled,
            "drained": inputs["programmed"] and not self._recent(self.depth + 1, "forward", "write", "fetch"),
        }


@pytest.mark.parametrize("ports", [1, 2])
@pytest.mark.parametrize("stochastic", [False, True])
def test_answers_follow_from_the_slots_before(ports, stochastic):
    geometry = geometry_of(ports, stochastic)
    hazards, model, random = Hazards(geometry=geometry), Model(geometry), Random(ports + 2 * stochastic)
    seen = {}

    async def testbench(ctx):
        ctx.set(hazards.driven, 1)
        density = 0.0
        for cycle in range(3000):
            if cycle % 40 == 0:
                density = random.choice((0.0, 0.02, 0.2, 0.7))
            slot = {flag: int(random.random() < density) for flag in FLAGS} | {"row": random.randrange(ROWS)}
            inputs = {name: int(random.random() < {"programmed": 0.9, "start": 0.02}.get(name, 0.5)) for name in INPUTS}
            inputs["row"] = random.randrange(ROWS)
            model.slots.append(slot)
            model.inputs.append(inputs)
            ctx.set(hazards.slot, slot)
            ctx.set(hazards.visit, {name: slot[name] for name in ("write", "fire", "override", "row")})
            for name, value in inputs.items():
                ctx.set(hazards.row[0] if name == "row" else getattr(hazards, name), value)
            for name, answer in model.answers().items():
                assert ctx.get(getattr(hazards, name)) == answer, (name, cycle)
                seen.setdefault(name, set()).add(bool(answer))
            await ctx.tick()

    simulator = Simulator(hazards)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert all(answers == {False, True} for answers in seen.values())
