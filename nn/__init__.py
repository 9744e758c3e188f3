"""PyTorch modules whose weights are the cells of crossbars.

Everything around them is PyTorch. `formats` says what the integers of a layer look like, `array` is a crossbar among
float tensors, `layers` are modules that have one. `neurons` and `losses` are those of the machine. What trains arrays
is in `spinloom.optim`. `calibrate` chooses formats from data, `convert` puts ordinary models into arrays, `to_backend`
moves arrays into hardware and back.
"""

from .array import Array, ArrayError, arrays
from .backends import Lockstep, lockstep, to_backend
from .bank import bank, save_bank
from .calibration import Calibration, calibrate
from .conversion import Conversion, convert
from .formats import TERNARY, signed, unsigned
from .layers import LSTM, Conv2d, Flatten, Linear
from .losses import CrossEntropy, SquaredHinge
from .neurons import HardTanh, ReLU, Sigmoid, Ternary
from .seed import manual_seed

__all__ = ["LSTM", "TERNARY", "Array", "ArrayError", "Calibration", "Conv2d", "Conversion", "CrossEntropy", "Flatten",
           "HardTanh", "Linear", "Lockstep", "ReLU", "Sigmoid", "SquaredHinge", "Ternary", "arrays", "bank",
           "calibrate", "convert", "lockstep", "manual_seed", "save_bank", "signed", "to_backend", "unsigned"]
