"""``python -m spinloom.boards.calibrate``: builds the designs that the estimate is fitted to, and writes the weights.

Each design is synthesised and packed for its board, which settles its LUTs, block RAMs and DSPs; those named by ``PLACED``
are placed and routed as well. Half an hour on a quiet machine; designs whose result is known for the same
hardware are not built again.
"""

import hashlib
import json
import sys
import tempfile
from importlib import metadata

import click
from tqdm import tqdm

from ..config import Experiment, parse
from ..hw.tool import YOSYS
from ..runs import replace
from .board import Board
from .catalogue import BOARDS
from .component import component
from .estimate import CALIBRATION, describe, structure, weigh
from .place import place
