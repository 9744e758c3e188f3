"""PyTorch modules whose weights are the cells of crossbars.

Everything around them is PyTorch. `formats` says what the integers of a layer look like, `array` is a crossbar among
float tensors, `layers` are modules that have one. `neurons` and `losses` are those of the machine. What trains arrays
is in `spinloom.optim`. `wear` says what that has cost the cells. `calibrate` chooses formats from data, `convert` puts
ordinary models into arrays, `to_backend` moves arrays into hardware and back. `model` makes models of experiments and
of run folders, `experiment` makes experiments of models.
"""

from .array import Array, ArrayError, arrays
from .backends import Lockstep, lockstep, to_backend
from .bank import bank, save_bank
from .calibration import Calibration, calibrate
from .chain import Chain, experiment, loss_of, model, network_state
from .conversion import Conversion, convert
from .formats import TERNARY, signed, unsigned
from .layers import LSTM, Conv2d, Flatten, Linear, Unflatten
from .losses import CrossEntropy, SquaredHinge
from .neurons import HardTanh, ReLU, Sigmoid, Stochastic, Ternary
from .seed import manual_seed
from .wear import wear

__all__ = ["LSTM", "TERNARY", "Array", "ArrayError", "Calibration", "Chain", "Conv2d", "Conversion", "CrossEntropy",
           "Flatten", "HardTanh", "Linear", "Lockstep", "ReLU", "Sigmoid", "SquaredHinge", "Stochastic", "Ternary",
           "Unflatten", "arrays", "bank", "calibrate", "convert", "experiment", "lockstep", "loss_of", "manual_seed",
           "model", "network_state", "save_bank", "signed", "to_backend", "unsigned", "wear"]
