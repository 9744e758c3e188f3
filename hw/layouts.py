"""The payloads of a network's own streams."""

from amaranth.hdl import unsigned
from amaranth.lib import data

from ..contract.geometry import CrossbarGeometry
from ..contract.widths import index_bits
from .crossbar.layouts import boost_bits
from .operations import NetworkOperation


def sample_layout(cols: int) -> data.StructLayout:
    """What the loss must know of a sample: its label, and whether to answer with deltas."""
    return data.StructLayout({"label": unsigned(index_bits(cols)), "train": 1})


def result_layout(cols: int) -> data.StructLayout:
    """The answer to a sample."""
    return data.StructLayout({"prediction": unsigned(index_bits(cols)), "correct": 1})


def network_command_layout(geometries: tuple[CrossbarGeometry, ...]) -> data.StructLayout:
    """An operation of a network. ``label`` and ``boost`` are for samples (see ``command_layout``). ``layer`` is for
    ``APPLY`` and the operations that follow it in ``NetworkOperation``."""
    return data.StructLayout({
        "operation": NetworkOperation,
        "layer": unsigned(index_bits(len(geometries))),
        "label": unsigned(index_bits(geometries[-1].cols)),
        "boost": unsigned(boost_bits(geometries[0])),
    })
