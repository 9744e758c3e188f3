"""Tools of synthesis run in processes that do not outlive their purpose."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

DESIGN = "read_verilog top.v; synth -top top; abc -g AND; abc -g AND; abc -g AND"
SOURCE = "module top(input [127:0] a, b, output [255:0] y); assign y = a * b; endmodule"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="there is no /proc that tells a process's children")
def test_a_tool_ends_with_whoever_has_started_it(tmp_path):
    (tmp_path / "top.v").write_text(SOURCE)
    program = f"from spinloom.hw.export.tool import yosys; yosys({DESIGN!r}, {str(tmp_path)!r})"
    owner = subprocess.Popen([sys.executable, "-c", program])
    children, log = Path(f"/proc/{owner.pid}/task/{owner.pid}/children"), tmp_path / "yosys.log"
    while not (log.is_file() and "Executing" in log.read_text()):
        assert owner.poll() is None
        time.sleep(0.1)
    [tool] = children.read_text().split()
    assert Path("/proc", tool).is_dir()
    owner.kill()
    owner.wait()
    assert _ends(tool)


def _ends(process: str) -> bool:
    for _ in range(600):
        try:
            if "State:\tZ" in Path("/proc", process, "status").read_text():  # nobody asks for its status
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False
