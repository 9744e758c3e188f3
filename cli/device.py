"""Commands about memory devices."""

from pathlib import Path

import click

from ..config import load_device
from ..render.text import columns, table
from .common import answers
from .options import PRINTABLE, SEED, Real, Whole

MAX_PULSES = 1_000_000


@click.group("device")
def devices() -> None:
    """Devices: from measurements, and what they are.

    DEVICE is the path of a TOML file, a device's or an experiment's, or the name of a kind (domain_wall, ...) or
    preset.
    """


@devices.command()
@click.argument("data")
@click.option("--out", required=True, metavar="FILE", help="File of the device, which must end in .toml.")
@click.option("--kind", metavar="KIND", help="domain_wall, incremental, pcm_pair or mtj; else as the data look.")
@click.option("--states", type=Whole(2, 64), metavar="N", help="Number of states, instead of what the data show.")
@click.option("--segments", type=Whole(1, 1024), default=8, show_default=True, metavar="N",
              help="Parts of the range in which the steps of an incremental device are learned.")
@click.option("--sub-bits", type=Whole(1, 6), metavar="N",
              help="log2 of the sub-levels of a level; else as fine as needed.")
@click.option("--unit", type=PRINTABLE, default="", metavar="UNIT", help="Unit of the conductances, for texts: uS, ...")
@answers
def fit(data, out, kind, states, segments, sub_bits, unit):
    """Make a device of the measurements in DATA, a CSV file with the columns before, pulse and after: conductance
    before a write pulse, the state aimed at or a number whose sign is the direction, conductance after. A column length
    gives pulse lengths, a column device names devices."""
    from ..devices import fit as fitting
    from ..devices import measurements

    measured = measurements.read(data)
    why = "as asked for"
    if kind is None:
        kind, why = fitting.guess(measured)
    found = fitting.fit(measured, kind, fitting.Options(states, segments, sub_bits, unit))
    fitting.save(out, found.device)
    answer = {"kind": kind, "why": why, "pulses": len(measured), "level": found.level, "unit": unit,
              "table": found.table, "notes": found.notes, "device": found.device.model_dump(mode="json"), "out": out}
    head = {"kind": f"{kind}; {why}", "pulses": f"{len(measured):,}", "one level": f"{found.level:.5g} {unit}".strip(),
            "sub-levels a level": 2**found.device.sub_bits, "device": out}
    return answer, "\n".join([table(head), "", columns(found.table), *found.notes]), True


@devices.command()
@click.argument("device")
@click.option("--out", metavar="FILE", help="Picture; default runs/device-NAME.png.")
@answers
def show(device, out):
    """Draw a device, and print its integer tables beside the figures that they stand for."""
    specification = load_device(device)
    from ..devices import show as showing
    from ..system.files import replace

    name = Path(device).stem
    picture = Path(out) if out is not None else Path("runs") / f"device-{name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    replace(picture, lambda file: showing.draw(file, specification, name))
    entries = showing.entries(specification)
    tables = specification.compile()
    answer = {"kind": specification.kind, "pulse": tables.pulse, "kernel": tables.pulse,
              "states": tables.states, "g_bits": tables.g_bits,
              "tables": entries, "device": specification.model_dump(mode="json"), "picture": str(picture)}
    head = {"device": f"{device}, {specification.kind}", "pulse": tables.pulse, "states": tables.states,
            "sub-levels a level": 2**tables.sub_bits, "bits of g": tables.g_bits,
            **({"measured": specification.measured} if specification.measured else {}), "picture": picture}
    return answer, "\n".join([table(head), "", columns(entries)]), True


@devices.command()
@click.argument("device")
@click.option("--out", required=True, metavar="FILE", help="CSV file to write.")
@click.option("--pulses", type=Whole(1, MAX_PULSES), default=5000, show_default=True, metavar="N", help="Write pulses.")
@click.option("--devices", "count", type=Whole(1, MAX_PULSES), default=1, show_default=True, metavar="N",
              help="Devices that get them.")
@click.option("--read-noise", type=Real(0, 1000), default=0.0, show_default=True, metavar="LEVELS",
              help="Standard deviation of a reading.")
@click.option("--seed", type=SEED, default=1, show_default=True, metavar="N",
              help="Of the random numbers.")
@answers
def measure(device, out, pulses, count, read_noise, seed):
    """Write the measurements that a DEVICE would give: data to try fit on, in the form that it reads."""
    specification = load_device(device)
    from ..devices import measurements

    measurements.write(out, measurements.measure(specification, pulses, seed, count, read_noise))
    return {"pulses": pulses, "out": out}, table({"pulses": f"{pulses:,}", "measurements": out}), True
