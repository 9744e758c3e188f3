"""The register of kinds: every kind is whole, and its random sections are valid and reach what they should."""

from random import Random

import pytest
from spinloom.devices import kinds
from spinloom.devices.kinds import KINDS, parse_device, random_section
from spinloom.devices.landing import LandingDevice


class Unfinished(LandingDevice):
    """A kind of which only the tables were written."""

    kind: str = "unfinished"

    def compile(self, certain=False):
        return self._landing([0.0] * self.states, [0.0] * self.states)


def test_a_kind_that_lacks_something_is_refused():
    with pytest.raises(TypeError, match="Unfinished lacks costs, physical, random_section"):
        kinds._by_name(Unfinished)
    with pytest.raises(TypeError, match="abstract"):
        Unfinished()


@pytest.mark.parametrize("kind", KINDS)
def test_random_sections_are_valid_and_reach_every_field_and_the_extremes(kind):
    random = Random(kind)
    # A measured section is dear, as it holds up to 3200 figures, but it has few fields.
    sections = [random_section(random, kind) for _ in range(200 if kind == "measured" else 1500)]
    devices = [parse_device(section, "random") for section in sections]
    assert set().union(*sections) == KINDS[kind].model_fields.keys() - {"ageing", "retention", "measured",
                                                                        "conductances",
                                                                        "drift_exponent", "drift_time"}
    assert {device.sub_bits for device in devices} == {1, 2, 3, 4, 5, 6}
    assert {0.0, 1.0} < {device.stuck for device in devices}
    tables = [device.compile() for device in devices]
    if "variation" in KINDS[kind].model_fields:
        assert {0, 1023} < {table.variation for table in tables}
    if "states" in KINDS[kind].model_fields:
        assert {2, 3, 64} < {table.states for table in tables}
    if kind == "mtj":
        assert {device.curve for device in devices} == {"tanh", "switching_time", None}
        assert {device.pulse_bits for device in devices} == {None, 1, 2, 3, 4, 5, 6}
    for name in ("sigma", "offset", "up_mean", "down_sigma", "up", "down"):
        if name in KINDS[kind].model_fields and kind != "measured":
            assert {float, tuple} <= {type(getattr(device, name)) for device in devices}
