"""The LFSRs of a crossbar. Words are drawn in blocks, as tensors."""

from functools import cache

import numpy as np
import torch

from ..contract import lfsr as contract

WORD_MASK = (1 << contract.LEAP) - 1
"""The bits of a state that are the word drawn."""
_AHEAD = 1023
"""Draws computed at a time, at least: programming asks for a few words at once."""


@cache
def _jump_tables(draws: int, torch_device: torch.device) -> torch.Tensor:
    """int64 (4, 256): for each byte of a state, the images of its values after ``draws`` draws. The image of a state is
    the exclusive or of those of its bytes."""
    columns = np.array(contract.jump(draws * contract.LEAP), dtype=np.int64).reshape(4, 8)
    images = np.zeros((4, 1), dtype=np.int64)
    for bit in range(8):
        images = np.concatenate([images, images ^ columns[:, bit:bit + 1]], axis=1)
    return torch.from_numpy(images).to(torch_device)


def jump(states: torch.Tensor, draws: int) -> torch.Tensor:
    """What the int64 ``states`` are after ``draws`` draws, at a cost that does not depend on ``draws``."""
    tables = _jump_tables(draws, states.device)
    image = tables[0][states & 255]
    for byte in range(1, 4):
        image = image ^ tables[byte][states >> 8 * byte & 255]
    return image


class Lfsr:
    """A 32-bit LFSR, of which a draw takes 16 steps (arithmetic 2.2)."""

    def __init__(self, state: int, torch_device: torch.device | str = "cpu") -> None:
        """Starts at ``state``; ``ValueError`` unless that is 1 .. 2**32-1."""
        self._torch_device = torch.device(torch_device)
        self.state = state

    @property
    def state(self) -> int:
        """The state after the last draw. It can be assigned."""
        return self._first if self._states is None else int(self._states[self._position])

    @state.setter
    def state(self, state: int) -> None:
        if not 0 < state < 1 << contract.WIDTH:
            raise ValueError(f"LFSR state {state}: must be 1 to 2**{contract.WIDTH}-1")
        # _states[i] is the state i draws after the block's first; the current one is at _position.
        self._first, self._position = state, 0
        self._states: torch.Tensor | None = None

    def draw(self, count: int) -> torch.Tensor:
        """The next ``count`` words: int64 (count,), 0 .. 65535."""
        states = self._advanced(count)
        return states[self._position - count + 1:self._position + 1] & WORD_MASK

    def word(self) -> int:
        """The next word."""
        return int(self._advanced(1)[self._position]) & WORD_MASK

    def _advanced(self, count: int) -> torch.Tensor:
        """Take ``count`` draws. Returns a block of states, of which the one after them is at ``_position``."""
        if self._states is None or self._position + count >= len(self._states):
            self._states, self._position = self._look_ahead(max(count, _AHEAD)), 0
        self._position += count
        return self._states

    def _look_ahead(self, draws: int) -> torch.Tensor:
        """The present state and at least ``draws`` that follow. Each jump doubles their number."""
        states = torch.tensor([self.state], dtype=torch.int64, device=self._torch_device)
        while len(states) <= draws:
            states = torch.cat([states, jump(states, len(states))])
        return states
