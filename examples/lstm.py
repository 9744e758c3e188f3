"""An LSTM that predicts characters, in arrays of pairs of phase-change devices or of 5-state domain walls. It reads the
sonnets of Shakespeare, or another text, such as the Penn Treebank (ptb). Adam makes the increments."""

from math import log

import torch
from common import Run, falling, options, start
from spinloom import device, nn, optim
from spinloom.contract.errors import ConfigError

HIDDEN, STREAMS, STEPS = 128, 32, 32
"""Size of the state; parts of the text that are read at once; characters of each part in a mini-batch."""
CELLS = {
    "pcm_pair": {"device": device("pcm_pair"), "write": {"margin": 0.75}, "weight_step": -4, "init_spread": 3.0},
    "domain_wall": {"device": device("domain_wall", states=5, sigma=0.2), "weight_step": -1},
}
RATES = {"pcm_pair": 0.3, "domain_wall": 0.05, "weights": 0.02}  # at first; of cells, in levels


class Characters(torch.nn.Module):
    """From characters, int64 (time, streams), to what comes next. It goes on where it has been."""

    def __init__(self, lstm: torch.nn.Module, linear: torch.nn.Module) -> None:
        super().__init__()
        self.lstm, self.linear = lstm, linear
        self.register_buffer("state", torch.zeros(2, 1, STREAMS, HIDDEN))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one_hot = torch.nn.functional.one_hot(x, self.linear.out_features).float()
        outputs, state = self.lstm(one_hot, tuple(self.state))
        self.state = torch.stack(state).detach()
        return self.linear(outputs)


def in_arrays(symbols: int, kind: str) -> Characters:
    cells = CELLS[kind] | {"delta_bits": 12, "delta_frac": 11}
    return Characters(nn.LSTM(symbols, HIDDEN, **cells), nn.Linear(HIDDEN, symbols, bias=True, **cells))


def in_floats(symbols: int) -> Characters:
    return Characters(torch.nn.LSTM(symbols, HIDDEN), torch.nn.Linear(HIDDEN, symbols))


def stretches(characters: torch.Tensor, limit: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Characters and those that follow them: int64 (stretches, STEPS, STREAMS), of at most ``limit`` stretches."""
    count = min((len(characters) - 1) // (STREAMS * STEPS), limit or len(characters))
    if not count:
        raise ConfigError(f"a text of {len(characters)} characters: it must have more than {STREAMS * STEPS}")
    parts = (characters[ahead:][:count * STREAMS * STEPS] for ahead in (0, 1))
    return tuple(part.reshape(STREAMS, count, STEPS).permute(1, 2, 0) for part in parts)


def loss(model: Characters, x: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """The sum over all characters, in nats."""
    return torch.nn.functional.cross_entropy(model(x).flatten(0, 1), following.flatten(), reduction="sum")


def bits(model: Characters, test: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Bits a character that ``model`` needs for ``test``, read from the beginning."""
    state, model.state = model.state, torch.zeros_like(model.state)
    model.eval()
    with torch.no_grad():
        nats = sum(loss(model, *stretch).item() for stretch in zip(*test, strict=True))
    model.train()
    model.state = state
    return nats / test[1].numel() / log(2)


def train(run: Run, name: str, model: Characters, optimizer, training, test) -> float:
    """Bits a character after the epochs."""
    steps = run.options.epochs * len(training[0])
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: falling(step / (steps + 1)))
    for _ in run.epochs(name, lambda: bits(model, test), model=model, optimizer=optimizer, scheduler=scheduler):
        for x, following in run.batches(*training, size=1, shuffle=False):
            optimizer.zero_grad()
            loss(model, x[0], following[0]).backward()
            optimizer.step()
            scheduler.step()
    return run.measured


def main() -> None:
    parser = options(__doc__, epochs=6, dataset="ptb")
    parser.add_argument("--cells", choices=tuple(CELLS), default="pcm_pair", help="(%(default)s)")
    run = Run(parser.parse_args())
    training, test, symbols = run.text()
    parts = stretches(training, run.options.samples), stretches(test)
    model = run.placed(in_arrays(symbols, run.options.cells), parts[0][0][0])
    model.state.zero_()
    reached = train(run, "arrays", model, optim.Host(torch.optim.Adam, model, lr=RATES[run.options.cells]), *parts)
    twin = in_floats(symbols).to(run.torch_device)
    adam = torch.optim.Adam(twin.parameters(), lr=RATES["weights"])
    run.answer(model, bits_per_character=reached,
               baseline_bits_per_character=train(run, "floats", twin, adam, *parts) if run.baseline else None)


if __name__ == "__main__":
    start(main)
