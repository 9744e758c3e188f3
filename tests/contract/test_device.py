import pytest
from pydantic import ValidationError
from spinloom.contract.device import DomainWallDevice, IdealDevice, nominal


def wall(**fields):
    return DomainWallDevice(kind="domain_wall", **fields)


def test_states_are_balanced_around_zero():
    assert [nominal(state, 2, 3) for state in range(2)] == [-4, 4]
    assert [nominal(state, 5, 3) for state in range(5)] == [-16, -8, 0, 8, 16]


def test_tables_in_sub_levels():
    tables = wall(states=3, sub_bits=2, sigma=(0.1, 0.2, 0.3), offset=0.25).compile()
    assert tables.mean == (-3, 1, 5)
    assert tables.sigma == (6, 13, 19)  # 0.1, 0.2, 0.3 times 4 sub-levels times 16, rounded
    assert (tables.states, tables.origin) == (3, -4)


def test_an_ideal_device_is_as_narrow_as_its_states():
    assert IdealDevice(kind="ideal", states=2, sub_bits=1).compile().g_bits == 2
    assert IdealDevice(kind="ideal", states=5, sub_bits=3).compile().g_bits == 6


@pytest.mark.parametrize(("fields", "message"), [
    ({"sigma": (0.1, 0.2)}, "give one value, or one for each of the 5 states"),
    ({"sigma": -0.1}, "sigma=-0.1: must lie in 0 to"),
    ({"sigma": 9.0}, "sigma=9.0: must lie in 0 to 1.99219 levels"),
    ({"offset": 1.5}, "offset=1.5: must lie in -1 to 1 levels"),
    ({"offset": (1.0, 0.0, 0.0, 0.0, 0.0)}, "must ascend with the state"),
    ({"states": 1}, "greater than or equal to 2"),
    ({"sub_bits": 0}, "greater than or equal to 1"),
])
def test_contradictory_specifications_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        wall(**fields)
