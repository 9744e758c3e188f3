"""Commands about memory devices."""

from pathlib import Path

import click

from ..config import load_device
from ..render.text import columns, table
from ..system.files import require_apart
from .common import Answer, answers, replace_option
from .options import PRINTABLE, SEED, Real, Whole

MAX_PULSES = 1_000_000


@click.group("device")
def devices() -> None:
    """Devices: from measurements, and what they are.

    DEVICE is the path of a TOML file, a device's or an experiment's, or the name of a kind (domain_wall, ...), of a
    published device (see list) or of a preset.
    """


@devices.command()
@click.argument("data")
@click.option("--out", required=True, metavar="FILE", help="File of the device, which must end in .toml.")
@click.option("--kind", metavar="KIND",
              help="domain_wall, incremental, pcm_pair, mtj or measured; else as the data look.")
@click.option("--states", type=Whole(2, 64), metavar="N", help="Number of states, instead of what the data show.")
@click.option("--segments", type=Whole(1, 1024), default=8, show_default=True, metavar="N",
              help="Parts of the range in which the steps of an incremental or measured device are learned.")
@click.option("--sub-bits", type=Whole(1, 6), metavar="N",
              help="log2 of the sub-levels of a level; else as fine as needed.")
@click.option("--unit", type=PRINTABLE, default="", metavar="UNIT",
              help="Unit of the conductances, if the header does not say it. S, mS, nS and pS are taken to uS.")
@click.option("--before", metavar="NAME", help="Column of the conductances before the pulses.")
@click.option("--pulse", metavar="NAME", help="Column of the pulses: states aimed at, or directions.")
@click.option("--after", metavar="NAME", help="Column of the conductances after the pulses.")
@click.option("--conductance", metavar="NAME", help="Column of readings, where there is one a pulse.")
@click.option("--number", metavar="NAME", help="Column of the numbers of the pulses, beside such readings.")
@click.option("--length", metavar="NAME", help="Column of the lengths of the pulses.")
@click.option("--device", metavar="NAME", help="Column of the names of the devices.")
@click.option("--picture", metavar="FILE", help="Also draw the data beside what the device learned would give (PNG).")
@replace_option
@answers
def fit(data: str, out: str, kind: str | None, states: int | None, segments: int, sub_bits: int | None,
        unit: str, picture: str | None, overwrite: bool, **names: str | None) -> Answer:
    """Make a device of the measurements in DATA, a CSV file with the columns before, pulse and after: conductance
    before a write pulse, the state aimed at or a number whose sign is the direction, conductance after. A column length
    gives pulse lengths, a column device names devices. Or with one reading a row: pulse number against conductance.

    Separators, decimal commas and units in the header are found out, and whatever was concluded is said. Rows that do
    not fit the others are left out and named.
    """
    from ..devices import fit as fitting
    from ..devices.fitting import Options

    result = fitting.run(data, out, kind, Options(states, segments, sub_bits, unit), picture=picture,
                         overwrite=overwrite,
                         columns={role: name for role, name in names.items() if name is not None})
    certainty = "" if result.certainty == result.why else f"; {result.certainty}"
    head = {"kind": f"{result.kind}{certainty}: {result.why}", "pulses": f"{result.pulses:,}",
            "one level": f"{result.level:.5g} {result.unit}".strip(),
            "sub-levels a level": 2**result.device.sub_bits, "device": result.out}
    return result, "\n".join([table(head), "", columns(result.table), *result.notes]), True


@devices.command("list")
@answers
def listed() -> Answer:
    """Name the published devices that are here, and where their figures come from."""
    from ..devices import listing

    result = listing.run()
    return result, columns([vars(device) for device in result.devices]), True


@devices.command()
@click.argument("device")
@click.option("--out", metavar="FILE", help="Picture; default runs/device-NAME.png.")
@replace_option
@answers
def show(device: str, out: str | None, overwrite: bool) -> Answer:
    """Draw a device, and print its integer tables beside the figures that they stand for. Of distributions, five
    quantiles are printed; --json has them all."""
    specification = load_device(device)
    from ..devices import show as showing

    name = Path(device).stem
    picture = out if out is not None else Path("runs") / f"device-{name}.png"
    require_apart(picture, device)
    result = showing.run(specification, name, picture, overwrite)
    effects = [(name, getattr(result.device, name)) for name in ("measured", "ageing", "retention")]
    head = {"device": f"{device}, {result.kind}", "pulse": result.pulse, "states": result.states,
            "sub-levels a level": 2**result.device.sub_bits, "bits of g": result.g_bits,
            **{name: text for name, text in effects if text}, "picture": result.picture}
    steps = showing.distributions(result.tables)
    figures = [vars(entry) for entry in result.tables if entry.table != "quantiles"]
    return result, "\n\n".join([table(head), *([columns(steps)] if steps else []), columns(figures)]), True


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
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
@answers
def measure(device: str, out: str, pulses: int, count: int, read_noise: float, seed: int, overwrite: bool) -> Answer:
    """Write the measurements that a DEVICE would give: data to try fit on, in the form that it reads."""
    specification = load_device(device)
    from ..devices import measure as measuring

    require_apart(out, device)
    result = measuring.run(specification, out, pulses=pulses, seed=seed, devices=count, read_noise=read_noise,
                           overwrite=overwrite)
    return result, table({"pulses": f"{result.pulses:,}", "measurements": result.out}), True
