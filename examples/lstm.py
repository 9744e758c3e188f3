"""An LSTM that predicts characters, in arrays of pairs of phase-change devices or of 5-state domain walls. It reads the
sonnets of Shakespeare, or another text, such as the Penn Treebank (ptb). Adam makes the increments."""

from math import log

import torch
from common import Run, descend, falling, options, schedulers, spread_residuals, start
from spinloom import device, nn, optim
from spinloom.contract.errors import ConfigError

EMBEDDED, HIDDEN, STREAMS, STEPS = 48, 128, 32, 32
"""Numbers that stand for a character; size of the state; parts of the text read at once; characters of a stretch."""
CELLS = {
    "pcm_pair": {"device": device("pcm_pair"), "write": {"margin": 0.75}, "update": {"threshold": 0.6},
                 "weight_step": -3, "init_spread": 1.5},
    "domain_wall": {"device": device("domain_wall", states=5, sigma=0.2), "synapse": {"slices": (16, 4, 1)},
                    "weight_step": -5, "init_spread": 6.0},
}
RATES = {"pcm_pair": 0.08, "domain_wall": 0.3, "weights": 0.01, "around": 0.01}  # at first; of cells, in levels


class Characters(torch.nn.Module):
    """From characters, int64 (time, streams), to what comes next. It goes on where it has been."""

    def __init__(self, symbols: int, lstm: torch.nn.Module, linear: torch.nn.Module) -> None:
        super().__init__()
        self.weights = torch.nn.ModuleList([lstm, linear])
        self.around = torch.nn.ParameterList([torch.rand(symbols, EMBEDDED) - 0.5, torch.ones(1), torch.zeros(symbols)])
        self.register_buffer("state", torch.zeros(2, 1, STREAMS, HIDDEN))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (lstm, linear), (embedding, scale, bias) = self.weights, self.around
        outputs, state = lstm(embedding[x].tanh(), tuple(self.state))
        self.state = torch.stack(state).detach()
        return scale * linear(outputs) + bias


def in_arrays(symbols: int, kind: str) -> Characters:
    cells = CELLS[kind] | {"z_bits": 12, "delta_bits": 16, "delta_frac": 13}
    model = Characters(symbols, nn.LSTM(EMBEDDED, HIDDEN, **cells), nn.Linear(HIDDEN, symbols, **cells))
    spread_residuals(model)
    return model


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
    state, model.eval().state = model.state, torch.zeros_like(model.state)
    with torch.no_grad():
        nats = sum(loss(model, *stretch).item() for stretch in zip(*test, strict=True))
    model.train().state = state
    return nats / test[1].numel() / log(2)


def train(run: Run, name: str, model: Characters, optimizer, training, test) -> float:
    """Bits a character after the epochs. ``optimizer`` is that of the weights."""
    optimizers = {"optimizer": optimizer, "adam": torch.optim.Adam(model.around.parameters(), lr=RATES["around"])}
    rates = schedulers(optimizers, falling, run.options.epochs * len(training[0]))
    for _ in run.epochs(name, lambda: bits(model, test), model=model, **optimizers, **rates):
        for x, following in run.batches(*training, size=1, shuffle=False):
            descend(loss(model, x[0], following[0]), *optimizers.values())
            for rate in rates.values():
                rate.step()
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
    twin = Characters(symbols, torch.nn.LSTM(EMBEDDED, HIDDEN), torch.nn.Linear(HIDDEN, symbols, bias=False))
    adam = torch.optim.Adam(twin.to(run.torch_device).weights.parameters(), lr=RATES["weights"])
    run.answer(model, bits_per_character=reached,
               baseline_bits_per_character=train(run, "floats", twin, adam, *parts) if run.baseline else None)


if __name__ == "__main__":
    start(main)
