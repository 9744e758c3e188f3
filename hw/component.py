"""The component that a design is."""

from ..config import Experiment
from ..contract.errors import ConfigError
from ..design import BankDesign, Design
from .axi.network import AxiTop
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


def axi_top(experiment: Experiment) -> AxiTop:
    """The network of ``experiment`` behind AXI. ``ConfigError`` if it has a memory for samples that is not that of a
    system on chip."""
    store = experiment.store
    if store is not None and store.memory != "axi":
        raise ConfigError(f'store.memory="{store.memory}": a network behind AXI reads the memory of its system; set '
                          'memory = "axi", or leave [store] out')
    return AxiTop(geometries=experiment.crossbars, loss=experiment.loss, store=store.sizes if store else None)
