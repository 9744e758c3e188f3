import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spinloom.model.fixed import exact_float, round_shift, saturate


@pytest.mark.parametrize(("dtype", "bits"), [(torch.int32, 32), (torch.int64, 64)])
@given(data=st.data())
def test_round_shift_rounds_to_nearest_ties_up(dtype, bits, data):
    limit = 2 ** (bits - 2) - 1
    values = data.draw(st.lists(st.integers(-limit, limit), min_size=1))
    shift = data.draw(st.integers(0, 80))
    expected = [(2 * value + 2**shift) // 2 ** (shift + 1) for value in values]
    assert round_shift(torch.tensor(values, dtype=dtype), shift).tolist() == expected


@given(values=st.lists(st.integers(-2**40, 2**40), min_size=1), bits=st.integers(1, 40))
def test_saturate_limits_to_twos_complement(values, bits):
    expected = [max(-2 ** (bits - 1), min(2 ** (bits - 1) - 1, value)) for value in values]
    assert saturate(torch.tensor(values), bits).tolist() == expected


def test_exact_float_is_the_narrowest_that_holds_every_integer():
    assert exact_float(2**24 - 1) is torch.float32
    assert exact_float(2**24) is torch.float64
    assert exact_float(2**53 - 1) is torch.float64
    with pytest.raises(ValueError, match=r"exact only below 2\*\*53"):
        exact_float(2**53)


def test_exact_float_mistrusts_shortened_products():
    torch.set_float32_matmul_precision("high")
    try:
        assert exact_float(1) is torch.float64
    finally:
        torch.set_float32_matmul_precision("highest")
