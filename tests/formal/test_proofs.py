"""Every claim of this folder is proved, and none still holds where a fault is planted."""

import pytest

from .document import PROOFS
from .prover import holds


def name(proof):
    return f"{proof.block}: {proof.size}" if hasattr(proof, "block") else None


pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("proof", "start"), [(proof, start) for proof in PROOFS for start in proof.starts], ids=name)
def test_holds(proof, start, tmp_path):
    assert holds(proof, start, tmp_path)


@pytest.mark.parametrize(("proof", "fault"), [(proof, fault) for proof in PROOFS for fault in proof.faults], ids=name)
def test_a_fault_is_found(proof, fault, tmp_path):
    with fault.planted():
        assert not holds(proof, proof.starts[0], tmp_path)
