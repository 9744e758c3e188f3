"""Random values for the parameters of a crossbar that can be replaced while it runs, and how they are replaced."""

from dataclasses import replace
from random import Random
from typing import Any

from ..contract.device import PROBABILITY_BITS, SIGMA_BITS, SwitchingCurve
from ..contract.geometry import CrossbarGeometry
from ..contract.parameters import quotient_bits, replacements
from ..hw.crossbar.parameters import parameter_layout
from .benches.packing import Packing
from .benches.streams import PinBench


def reconfigured(random: Random, geometry: CrossbarGeometry) -> CrossbarGeometry:
    """A geometry of the same kind and widths, with other `contract.parameters`: a machine that was built for
    ``geometry`` can become it."""
    device, certain, noisiest = geometry.device.single, 1 << PROBABILITY_BITS, (1 << SIGMA_BITS) - 1

    def fraction() -> int:
        return random.choice((0, certain, random.randrange(certain)))

    changes: dict[str, Any] = {
        "mean": tuple(min(max(mean + random.randint(-4, 4), -1 << device.g_bits - 1), (1 << device.g_bits - 1) - 1)
                      for mean in device.mean),
        "sigma": tuple(random.choice((sigma, random.randint(0, noisiest))) for sigma in device.sigma),
        "quantiles": tuple(random.choice((step, random.randint(-1 << device.g_bits, (1 << device.g_bits) - 1)))
                           for step in device.quantiles),
        "probability": tuple(fraction() for _ in device.probability),
    }
    if device.differs:
        changes |= random.choice(({"variation": random.randint(1, noisiest), "stuck": fraction() // 2},
                                  {"variation": 0, "stuck": random.randint(1, certain // 2)}))
    if device.pair:
        changes |= {name: random.randint(0, device.span) for name in ("refresh_high", "refresh_low")}
    if device.life_bits:
        changes["wear"] = fraction()
    if device.curve is not None:
        count = len(device.curve.base)
        points = sorted(fraction() for _ in range(count + 1))
        changes["curve"] = SwitchingCurve(
            base=tuple(points[:-1]), slope=tuple(b - a for a, b in zip(points, points[1:], strict=False)))

    threshold = geometry.threshold
    if geometry.rounding == "threshold":
        largest = 1 << geometry.chi_bits - 1
        # The most levels that a residual can ask for must not need more bits.
        lowest = (largest >> quotient_bits(geometry)) + 1
        threshold = random.choice((lowest, largest - 1, random.randrange(lowest, largest)))
    widest = min(1 << device.sub_bits, (1 << device.g_bits) - 1)
    return replace(
        geometry, threshold=threshold, margin=random.choice((0, geometry.margin, widest)),
        max_attempts=random.choice((1, 2, random.randint(1, 40))),
        cell_seed=random.getrandbits(32) if device.differs else 0,
        device=replace(geometry.device, **changes),
        read_noise=random.randint(1, noisiest) if geometry.read_noise else 0,
        offset=random.randint(1, noisiest) if geometry.offset else 0,
        gain=random.randint(1, noisiest) if geometry.gain else 0,
        column_seed=random.getrandbits(32) if geometry.mismatched else 0,
        nonlinearity=tuple(random.randint(-noisiest, noisiest) for _ in geometry.nonlinearity))


async def configure(bench: PinBench, generated: CrossbarGeometry, wanted: CrossbarGeometry) -> None:
    """Replace the parameters of a part that was generated for ``generated``, at its port ``parameters``, by those of
    ``wanted``. The port has anything without ``enable`` in some clock cycles between, and in many after."""
    layout = parameter_layout(generated)
    packing = Packing(layout)

    async def drive(index: int, word: int, enable: bool) -> None:
        bench.pins.set("parameters", packing.pack({"index": index, "word": word, "enable": int(enable)}))
        await bench.run(1)

    async def drive_anything() -> None:
        index, word = (bench.random.getrandbits(layout[name].width) for name in ("index", "word"))
        await drive(index, word, enable=False)

    for index, parameter in enumerate(replacements(generated, wanted)):
        if bench.random.random() < 0.2:
            await drive_anything()
        await drive(index, parameter.value, enable=True)
    for _ in range(40):
        await drive_anything()
