"""Every example runs, small, as it stands, and answers in JSON."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import spinloom

EXAMPLES = Path(spinloom.__file__).parent / "examples"


@pytest.mark.parametrize("options", [[], ["--no-baseline", "--seed", "2"]])
@pytest.mark.parametrize("name", ["digits"])
def test_examples_run(name, options):
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < 100
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py", "--epochs", "1", "--json", *options],
                          capture_output=True, text=True, check=True, timeout=300)
    result = json.loads(done.stdout)
    assert list(result) == ["test_accuracy", "baseline_accuracy", "write_pulses", "backend", "seconds"]
    assert result["test_accuracy"] > 50
    assert (result["baseline_accuracy"] is None) == ("--no-baseline" in options)
    assert result["write_pulses"] > 0


def test_every_example_is_tried():
    tried = test_examples_run.pytestmark[0].args[1]
    assert sorted(tried) == sorted(path.stem for path in EXAMPLES.glob("*.py"))
