import pytest
from spinloom import config
from spinloom.train import loop

SMALL = {"epochs": 2, "learning_rate_shifts": [4], "input": {"count": 64}, "device": {"kind": "domain_wall"},
         "layers": [{"cols": 8, "weight_step": -3, "z_frac": 6}, {"cols": 10, "weight_step": -1}]}


def trained(folder, trace=False, **fields):
    """The folder of a small run on some samples."""
    loop.run(config.parse(SMALL | fields, "small").replaced(name="small"), out=folder, samples=100, progress=False,
             trace=trace)
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a run, which is not to be changed."""
    return trained(tmp_path_factory.mktemp("runs") / "small")
