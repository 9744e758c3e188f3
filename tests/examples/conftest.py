import signal
import sys
from pathlib import Path

import pytest
import spinloom
import torch
from spinloom.system.stop import SIGNALS

EXAMPLES = Path(spinloom.__file__).parent / "examples"


@pytest.fixture(autouse=True)
def _as_from_their_folder(monkeypatch):
    """Examples import each other, and heed requests to stop. The tensors are small, and tests run side by side."""
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    torch.set_num_threads(1)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
