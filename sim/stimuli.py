"""Random operands and states of a crossbar, with the extremes among them."""

from random import Random

import numpy as np

from ..contract.geometry import CrossbarGeometry


def random_drive(random: Random, geometry: CrossbarGeometry) -> np.ndarray:
    """A drive int64 (cells,) of a random density, with the extremes among it."""
    low, high = geometry.x.minimum, geometry.x.maximum
    density = random.choice((0.0, 0.05, 0.3, 0.7, 1.0))

    def value() -> int:
        single = 1 << random.randrange(high.bit_length())  # a bit alone
        return random.choice((low, high, single, random.randint(low, high)))

    return np.array([value() if random.random() < density else 0 for _ in range(geometry.window.cells)],
                    dtype=np.int64)


def random_deltas(random: Random, geometry: CrossbarGeometry) -> np.ndarray:
    """Deltas int64 (positions, cols) of a random density and magnitude, with the extremes among them; (cols,) if the
    only position reads the whole map."""
    high, window = (1 << geometry.delta_bits - 1) - 1, geometry.window
    density, scale = random.choice((0.0, 0.5, 1.0)), random.uniform(0, high)
    errors = 1.0 if window.positions == 1 else random.choice((0.1, 0.5, 1.0))  # share of positions that have one
    d = [[random.choice((-high - 1, high, round(random.uniform(-scale, scale)))) if random.random() < share else 0
          for _ in range(window.cols)]
         for share in (density * (random.random() < errors) for _ in range(window.positions))]
    return np.array(d[0] if window.plain else d, dtype=np.int64)


def random_state(random: Random, geometry: CrossbarGeometry) -> dict[str, np.ndarray]:
    """A state such as ``model.crossbar.Crossbar.state`` returns, with any value in any place; many residuals are near a
    small multiple of the threshold."""
    shape, chi_limit = (geometry.rows, geometry.cols), 1 << geometry.chi_bits - 1

    def residual() -> int:
        near = random.randint(-3, 3) * geometry.threshold + random.randint(-2, 2)
        chi = random.choice((near, random.randint(-chi_limit, chi_limit - 1)))
        return min(max(chi, -chi_limit), chi_limit - 1)

    def array(lowest: int, highest: int, dtype: type[np.integer]) -> np.ndarray:
        values = [random.randint(lowest, highest) for _ in range(geometry.rows * geometry.cols)]
        return np.array(values, dtype=dtype).reshape(shape)

    chi = np.array([residual() for _ in range(geometry.rows * geometry.cols)], dtype=np.int32).reshape(shape)
    state = {"g": array(*geometry.device.g_range, np.int16), "chi": chi,
             "counters": np.array([random.getrandbits(40) for _ in geometry.counters], dtype=np.int64)}
    if geometry.device.pair:
        plus, minus = (array(0, geometry.device.span, np.int16) for _ in range(2))
        state |= {"g": plus - minus, "g_minus": minus}
    if geometry.device.life_bits:
        state["life"] = array(0, (1 << geometry.device.life_bits) - 1, np.int16)
    if geometry.device.slices:
        levels = np.stack([array(*geometry.device.single.g_range, np.int16) for _ in range(geometry.devices)], axis=-1)
        state |= {"g": (levels * geometry.device.slices.weights).sum(axis=-1).astype(np.int16),
                  "slices": levels[..., :-1]}
    return state | {name: np.array(random.randrange(1, 1 << 32), dtype=np.uint32)
                    for name in geometry.lfsrs}


def random_increments(random: Random, geometry: CrossbarGeometry) -> np.ndarray:
    """Increments int64 (rows, cols) for ``apply``, most of them small, with the extremes among them."""
    limit = 1 << geometry.chi_bits - 1
    scale = limit * 2.0 ** -random.uniform(0, 6)
    values = [random.choice((0, -limit, limit - 1)) if random.random() < 0.1
              else round(random.uniform(-scale, scale - 1)) for _ in range(geometry.rows * geometry.cols)]
    return np.array(values, dtype=np.int64).reshape(geometry.rows, geometry.cols)


def random_states(random: Random, geometry: CrossbarGeometry) -> np.ndarray:
    """States int64 (rows, cols) for ``write``."""
    values = [random.randrange(geometry.device.states) for _ in range(geometry.rows * geometry.cols)]
    return np.array(values, dtype=np.int64).reshape(geometry.rows, geometry.cols)
