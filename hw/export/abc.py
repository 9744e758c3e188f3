"""ABC, which Yosys has inside, on circuits in files: for proofs."""

from pathlib import Path

RUN = "design -reset; read_rtlil nothing.il; abc -script {script}"
"""The commands of Yosys that run ABC's ``script`` (see `write_script`), which only runs on logic of a design: here on a
gate that does not matter."""
_NOTHING = """module \\nothing
  wire input 1 \\a
  wire output 2 \\y
  cell $_NOT_ $1
    connect \\A \\a
    connect \\Y \\y
  end
end
"""


def write_script(folder: Path, script: str, circuits: list[str], commands: str) -> str:
    """Write a script that runs ABC's ``commands`` on each of the ``circuits``, files ``NAME`` in ``folder``, and leaves
    ``NAME.status``. ``{name}`` in a command becomes that name. Return the commands of Yosys that run it."""
    lines = ["backup"]
    for name in circuits:
        lines += [f"read_aiger {name}", *commands.format(name=name).split("; "), f"write_status {name}.status"]
    (folder / "nothing.il").write_text(_NOTHING, encoding="utf-8")
    (folder / script).write_text("\n".join([*lines, "restore", ""]), encoding="utf-8")
    return RUN.format(script=script)
