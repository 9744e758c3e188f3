"""The component that a design is."""

from ..design import BankDesign, Design
from .bank import Bank
from .network import Network


def component(design: Design) -> Network | Bank:
    """The network of an experiment, or a bank."""
    if isinstance(design, BankDesign):
        return Bank(geometries=design.crossbars)
    return Network(geometries=design.crossbars, loss=design.loss)
