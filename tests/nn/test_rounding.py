import pytest
import torch
from spinloom.nn.rounding import by_tensors, in_one_pass

TIES = [-9.5, -8.75, -8.5, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 7.25, 7.5, 8.0, 8.5, 9.0]
pytestmark = pytest.mark.parametrize("rounded", [by_tensors, in_one_pass])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_to_nearest_ties_up_and_limited(rounded, dtype):
    values = torch.tensor([*TIES, float("inf"), float("-inf")], dtype=dtype)
    integers, beyond, numbers = rounded(values / 4, 4.0, -8, 7)
    assert integers.dtype == torch.int16
    assert integers.tolist() == [-8, -8, -8, -1, 0, 0, 0, 0, 1, 1, 7, 7, 7, 7, 7, 7, -8]
    assert (beyond, numbers) == (4, True)


def test_any_order_of_memory(rounded):
    values = (torch.arange(60.0).reshape(3, 4, 5) / 8).permute(2, 0, 1)
    assert rounded(values, 2.0, 0, 10)[0].tolist() == torch.floor(values * 2 + 0.5).clamp(0, 10).tolist()
    assert rounded(torch.empty(0, 3), 1.0, 0, 1)[0].shape == (0, 3)


def test_what_is_not_a_number_is_found(rounded):
    assert not rounded(torch.tensor([0.0, float("nan"), 1.0]), 1.0, -2, 2)[2]
