"""Models on a board: a simulated one, whose line damages what it carries."""

import gc
from random import Random

import pytest
import spinloom as sl
import torch
from spinloom import nn, optim
from spinloom.boards.link import LinkError
from spinloom.contract.errors import ConfigError
from spinloom.hw.link.linked_design import linked_bank
from spinloom.sim.board import Noise, SimulatedBoard

from .twins import crossbar_states

LANES = 4


def network(cols: int = 4) -> torch.nn.Sequential:
    nn.manual_seed(3)
    wall = sl.device("domain_wall", states=5, sigma=0.2)
    model = torch.nn.Sequential(
        nn.Conv2d(1, 2, 3, device=wall), torch.nn.MaxPool2d(2), nn.ReLU(bits=6),
        nn.Flatten(), nn.Linear(2 * 2 * 2, cols, bias=True, device=wall))
    model(torch.zeros(1, 1, 6, 6))
    return model


@pytest.fixture(scope="module")
def board(verilator):
    design = linked_bank(nn.bank(network(), lanes=LANES), divisor=4)
    with SimulatedBoard(design, Noise(Random(1), 0.002), Noise(Random(2), 0.002)) as board:
        yield board


def train(model, optimizer, count):
    generator = torch.Generator().manual_seed(count)
    criterion = nn.CrossEntropy()
    for _ in range(count):
        images, labels = torch.rand(2, 1, 6, 6, generator=generator), torch.randint(0, 4, (2,), generator=generator)
        optimizer.zero_grad()
        criterion(model(images), labels).backward()
        optimizer.step()


def test_a_model_moves_to_a_board_and_back(board):
    stays, moves = network(), network()
    optimizers = [optim.InSitu(model, learning_rate_shift=4) for model in (stays, moves)]
    for count, backend in ((1, f"board:{board.port}"), (3, "golden"), (2, f"board:{board.port}"), (4, "golden")):
        for model, optimizer in zip((stays, moves), optimizers, strict=True):
            train(model, optimizer, count)
        assert crossbar_states(moves) == crossbar_states(stays)
        nn.to_backend(moves, backend, lanes=LANES)
    assert crossbar_states(moves) == crossbar_states(stays)


def test_a_board_with_another_design_is_refused(board):
    model = network(cols=3)
    with pytest.raises(LinkError, match="another design"):
        nn.to_backend(model, f"board:{board.port}", lanes=LANES)
    assert {array.backend for array in nn.arrays(model)} == {"golden"}


def test_a_port_that_is_not_there_is_refused(recwarn):
    with pytest.raises(ConfigError, match="cannot open the port /dev/nowhere"):
        nn.to_backend(network(), "board:/dev/nowhere")
    gc.collect()
    assert not [warning for warning in recwarn if "never used" in str(warning.message)]  # no hardware is made in vain
