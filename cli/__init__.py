"""The program ``spinloom``.

Every command prints a short summary on standard output, or with ``--json`` one JSON object and nothing else. Progress
and errors, one line each, go to standard error. The exit status is 0 for success, 1 for a failure (such as a
co-simulation that differs, or a full disk), 2 for bad input, 130 after an interruption.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import click

from ..contract.errors import InterruptedRunError, SpinloomError, one_line, shown
from ..system import caches, disk
from ..system.stop import ignore_stop, raise_on_stop
from ..system.streams import close_output, guard_streams
from . import design, device, energy, options, report, simulation, study, trace, training


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spinloom", message="%(prog)s %(version)s")
def cli() -> None:
    """Networks that train inside crossbars of stochastic memory devices: golden model, RTL, and proof that they agree.

    CONFIG is the name of a preset (digits-dw5, mnist-dw5, ...) or the path of a TOML file.
    """
    caches.settle()


for command in (training.train, training.evaluate, training.reproduce, design.generate, simulation.cosim, design.synth,
                design.estimate, simulation.epoch, device.devices, energy.energy, study.sweep, study.demo, study.bench,
                simulation.run_on_board, training.calibrate, report.report, report.figures, trace.trace):
    cli.add_command(command)
options.require_text(cli)


def main() -> None:
    """Run the program, and end the process with its exit status. `spinloom.__main__` is the entry point."""
    raise_on_stop()
    guard_streams()
    warnings.filterwarnings("ignore", ".* created but never used")  # Amaranth's, of designs that a stop leaves behind
    status = run(sys.argv[1:])
    ignore_stop()
    close_output()
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run the program with ``arguments``; returns its exit status. Errors that are meant for people (``SpinloomError``,
    bad arguments, those of the operating system) end in one line. Any other exception is a defect, and passes
    through."""
    try:
        return cli.main(arguments, prog_name="spinloom", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        status, message = error.exit_code, error.format_message()
    except (KeyboardInterrupt, click.Abort):
        status, message = InterruptedRunError.exit_status, "interrupted"
    except OSError as error:
        status = 1 if disk.is_full(error) else 2
        message = f"{error.filename or _place(error)}: {error.strerror or error}"
    except MemoryError as error:
        status, message = 1, f"there is not enough memory: {error}"
    except UnicodeEncodeError as error:
        status, message = 1, f"{shown(error.object)} cannot be written in {error.encoding}; set PYTHONUTF8=1"
    except SpinloomError as error:
        status, message = error.exit_status, str(error)
    click.echo(f"spinloom: {one_line(message)}", err=True)
    return status


def _place(error: OSError) -> str:
    """Where ``error``, which names no file, comes from: folders on a full disk, or nobody knows."""
    places = (Path(), Path(tempfile.gettempdir()), caches.folder()) if disk.is_full(error) else ()
    full = [str(place.absolute()) for place in places if disk.room(place) < disk.LITTLE]
    return " or ".join(dict.fromkeys(full)) or "the operating system"
