"""Commands that show what others have left: a page, and figures as files."""

import click

from ..contract.results import Result
from ..render.text import table
from ..system.notice import warn
from .common import answers, replace_option

folders_argument = click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")


@click.command()
@folders_argument
@click.option("--out", default="report.html", show_default=True, metavar="FILE", help="The page.")
@replace_option
@answers
def report(folders: tuple[str, ...], out: str, overwrite: bool) -> tuple[Result, str, bool]:
    """Make one page of HTML of what is in each FOLDER: runs, sweeps, co-simulations, syntheses, boards, devices.

    Runs and sweeps are found by their files; other results as --json prints them, in files that end in .json. The page
    needs no network.
    """
    from ..study.report import page

    answer = page.run(folders, out, overwrite)
    _tell(answer.left_out)
    return answer, table({"page": answer.out, "size": f"{answer.bytes / 1e6:.1f} MB", "runs": f"{answer.runs:,}",
                          "charts": answer.charts}), True


@click.command()
@folders_argument
@click.option("--out", required=True, metavar="DIR", help="Folder for the figures.")
@click.option("--format", "formats", default="png", show_default=True, metavar="F,F,...", help="Of png, svg and pdf.")
@replace_option
@answers
def figures(folders: tuple[str, ...], out: str, formats: str, overwrite: bool) -> tuple[Result, str, bool]:
    """Write the figures of a report as files, each with its data as CSV beside it."""
    from ..study.report import files

    answer = files.run(folders, out, formats.split(","), overwrite)
    _tell(answer.left_out)
    return answer, "\n".join(str(path) for path in answer.files if path.suffix != ".csv"), True


def _tell(left_out: tuple[str, ...]) -> None:
    """Warnings of what could not be read."""
    for line in left_out:
        warn(f"left out: {line}")
