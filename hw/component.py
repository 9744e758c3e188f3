"""The component that a design is."""

from ..design import BankDesign, Design
from .bank import Bank
from .network import Network
from .store.network import StoredNetwork

Component = Network | StoredNetwork | Bank


def component(design: Design) -> Component:
    """The network of an experiment, with what feeds it if it has a memory for samples; or a bank."""
    if isinstance(design, BankDesign):
        return Bank(geometries=design.crossbars)
    if design.store is None:
        return Network(geometries=design.crossbars, loss=design.loss)
    address_bits, most = design.store.sizes
    return StoredNetwork(geometries=design.crossbars, loss=design.loss, address_bits=address_bits, most=most)
