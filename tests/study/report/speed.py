"""How large a report of 1,000 runs is, and how long a browser takes to open it:

    python tests/study/report/speed.py [RUNS]
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from browser import chromium, drawn, load  # noqa: E402 - beside this file
from spinloom import config  # noqa: E402
from spinloom.study.report import page  # noqa: E402
from spinloom.train import loop  # noqa: E402
from synthetic import sweep  # noqa: E402


def measure(runs):
    """Prints size and times."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        loop.run(config.load("digits-dw5").replaced(epochs=2), out=folder / "run", progress=False)
        sweep(folder / "sweep", runs, folder / "run")
        began = time.perf_counter()
        answer = page.run([folder / "sweep"], folder / "report.html")
        print(f"{answer.runs:,} runs, {answer.charts} charts: {answer.bytes / 1e6:.1f} MB, "
              f"written in {time.perf_counter() - began:.1f} s")
        with chromium() as driver:
            driver.get("about:blank")
            for browser in ("a browser that has just been started", "the same once more"):
                print(f"{browser}: text, pictures and tables after {load(driver, answer.out):.2f} s, "
                      f"the first chart after {drawn(driver):.2f} s")


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
