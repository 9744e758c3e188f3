import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spinloom.contract import lfsr as contract
from spinloom.model.lfsr import Lfsr, jump

STATES = st.integers(1, 2**32 - 1)


def stepped(state, count):
    """``count`` draws by the definition: (words, state)."""
    words = []
    for _ in range(count):
        for _ in range(contract.LEAP):
            state = contract.step(state)
        words.append(state & 0xFFFF)
    return words, state


@given(state=STATES, draws=st.integers(1, 50))
def test_jump_equals_stepping(state, draws):
    assert jump(torch.tensor([state]), draws).tolist() == [stepped(state, draws)[1]]


@given(state=STATES, counts=st.lists(st.integers(0, 40), max_size=6))
def test_draws_of_any_size_follow_one_sequence(state, counts):
    lfsr = Lfsr(state)
    drawn = [word for count in counts for word in lfsr.draw(count).tolist()]
    words, after = stepped(state, sum(counts))
    assert drawn == words
    assert lfsr.state == after


def test_blocks_join():
    one, many = Lfsr(12345), Lfsr(12345)
    whole = one.draw(5000).tolist()
    assert [word for _ in range(50) for word in many.draw(100).tolist()] == whole
    assert many.state == one.state


def test_a_draw_may_be_as_long_as_a_block():
    """States are computed ahead in blocks, whose sizes are powers of two."""
    whole = Lfsr(12345).draw(4096).tolist()
    for count in (1023, 1024, 2048):
        assert Lfsr(12345).draw(count).tolist() == whole[:count]


def test_words_and_draws_mix():
    lfsr = Lfsr(99)
    first = lfsr.draw(3).tolist()
    second = [lfsr.word() for _ in range(1500)]
    third = lfsr.draw(2).tolist()
    words, after = stepped(99, 1505)
    assert first + second + third == words
    assert lfsr.state == after


@pytest.mark.parametrize("state", [0, -1, 2**32])
def test_impossible_states_are_refused(state):
    with pytest.raises(ValueError, match="must be 1 to"):
        Lfsr(state)
