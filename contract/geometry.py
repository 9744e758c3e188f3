"""Every derived width, shift and bound of a crossbar, in one place.

A ``CrossbarGeometry`` holds integers only and is all that `model.crossbar.Crossbar` and
`hw.crossbar.Crossbar` are built from. Binary scales relate the integers to real numbers: a value
``v`` with ``frac`` fraction bits stands for ``v * 2**-frac``, and one level of conductance for a
weight of ``2**weight_step``.
"""

from dataclasses import dataclass
from typing import Literal

from .device import DeviceTables
from .errors import ConfigError, shown
from .tables import DERIVATIVE_BITS, DERIVATIVE_FRAC
from .widths import divisors, signed_bits

MAX_SIDE = 2048
"""Most rows, and most columns, of a crossbar."""
BOUNDS = {
    "rows": range(1, MAX_SIDE + 1), "cols": range(1, MAX_SIDE + 1),
    "z_bits": range(2, 13), "z_frac": range(-16, 25),
    "delta_bits": range(2, 17), "delta_frac": range(-16, 33),
    "chi_bits": range(4, 25), "chi_frac": range(0, 33),
}
"""What the fields of a crossbar may be that nothing else bounds."""
COUNTER_BITS = 40
"""Width of every event counter; counters wrap."""
COUNTERS = ("forwards", "forward_rows", "backward_rows", "update_rows", "visited_rows", "attempts", "verify_attempts",
            "failures", "refreshes")
"""Event counters of a crossbar, in the order in which they are dumped.

``forwards``: forward passes. ``forward_rows``, ``backward_rows``, ``update_rows``, ``visited_rows``: rows read by a
forward pass, read by a backward pass, accumulated into, and looked at for cells to program. ``attempts``: write
pulses, one draw each; ``verify_attempts``: those of them that program-and-verify made. ``failures``: cells that it left
outside the margin. ``refreshes``: pairs that were reset.
"""

Neuron = Literal["relu", "sigmoid", "hard_tanh", "ternary"]
Rounding = Literal["threshold", "stochastic"]
Residual = Literal["verified", "nominal", "none"]
Loss = Literal["cross_entropy", "squared_hinge"]


@dataclass(frozen=True, kw_only=True)
class ActivationFormat:
    """The integers that drive the rows of a crossbar."""

    kind: Literal["unsigned", "signed", "ternary"]
    bits: int
    frac: int

    @property
    def signed(self) -> bool:
        return self.kind != "unsigned"

    @property
    def minimum(self) -> int:
        return {"unsigned": 0, "signed": -(1 << self.bits - 1), "ternary": -1}[self.kind]

    @property
    def maximum(self) -> int:
        return {"unsigned": (1 << self.bits) - 1, "signed": (1 << self.bits - 1) - 1, "ternary": 1}[self.kind]

    @property
    def magnitude(self) -> int:
        """Largest absolute value."""
        return max(-self.minimum, self.maximum)


def described(allowed: range | list[int]) -> str:
    """What a whole number may be, in words."""
    if isinstance(allowed, range):
        return f"{allowed[0]} to {allowed[-1]}"
    return "one of the divisors " + ", ".join(map(str, allowed))


def neuron_format(neuron: Neuron, bits: int, z_frac: int) -> ActivationFormat:
    """The format of a neuron's output for inputs ``z`` with ``z_frac`` fraction bits."""
    match neuron:
        case "relu":
            return ActivationFormat(kind="unsigned", bits=bits, frac=z_frac)
        case "sigmoid":
            return ActivationFormat(kind="unsigned", bits=bits, frac=bits)
        case "hard_tanh":
            return ActivationFormat(kind="signed", bits=bits, frac=z_frac)
        case "ternary":
            return ActivationFormat(kind="ternary", bits=2, frac=0)


def derivative_format(neuron: Neuron | None) -> tuple[int, int]:
    """Width and fraction bits of a neuron's unsigned derivative; width 0 where there is no neuron."""
    if neuron is None:
        return 0, 0
    return (DERIVATIVE_BITS, DERIVATIVE_FRAC) if neuron == "sigmoid" else (1, 0)


@dataclass(frozen=True, kw_only=True)
class CrossbarGeometry:
    """One crossbar: ``rows x cols`` synapses worked on ``lanes`` columns at a time."""

    index: int
    """Position in the network; selects the LFSR segment and the stream of initial states."""
    inputs: int
    """Rows driven by data."""
    bias: bool
    """Whether one more row, the last, is driven by the constant ``bias_value``."""
    cols: int
    lanes: int
    """Columns worked on in parallel; divides ``cols``."""
    adcs: int
    """Columns converted a cycle; divides ``lanes``."""
    x: ActivationFormat
    """What drives the rows."""
    source: Neuron | None
    """The neuron that drives the rows; None where data does, and no error is passed back."""
    weight_step: int
    """log2 of the weight that one level stands for."""
    z_bits: int
    z_frac: int
    """Signed ADC output."""
    delta_bits: int
    delta_frac: int
    """Signed error at the columns."""
    source_delta_bits: int
    source_delta_frac: int
    """Signed error passed back to the columns of the crossbar before (0, 0 where there is none)."""
    chi_bits: int
    chi_frac: int
    """Signed residual, in levels."""
    threshold: int
    """Residual from which on a cell is programmed, in units of ``2**-chi_frac`` levels."""
    rounding: Rounding
    residual: Residual
    margin: int
    """Tolerance of program-and-verify, in sub-levels."""
    max_attempts: int
    """Bound on the write pulses that program-and-verify spends on a cell."""
    init_states: tuple[int, int]
    """First and last state among which initial states are uniform."""
    learning_rate_shifts: tuple[int, int]
    """Smallest and largest ``n`` of the learning rates ``2**-n`` that can be selected at run time."""
    cell_seed: int
    """Base of the hash by which cells differ (arithmetic 3.3); 0 where they do not."""
    read_noise: int
    """Noise of a conversion, in units of 2**-4 of the least significant bit of ``z``; 0 for none."""
    device: DeviceTables
    ports: int = 2
    """Ports of the arrays' memories: 2 to read and to write at once, 1 to do so by turns."""

    def __post_init__(self) -> None:
        for name, allowed in BOUNDS.items():
            self._require(name, allowed)
        self._require("lanes", divisors(self.cols))
        self._require("adcs", divisors(self.lanes))
        self._require("threshold", range(1, 1 << self.chi_bits - 1),
                      " (units of 2**-chi_frac levels; raise chi_bits or lower chi_frac)")
        self._require("margin", range(1 << self.device.g_bits), " sub-levels")
        if self.inputs < 1:
            raise ConfigError(f"layers[{self.index}].inputs={self.inputs}: must be at least 1")
        if self.chi_frac < self.device.sub_bits:
            raise ConfigError(f"layers[{self.index}].chi_frac={self.chi_frac}: must be at least "
                              f"device.sub_bits={self.device.sub_bits}, so that a sub-level is whole in the residual")
        if (self.rounding == "stochastic") != (self.residual == "none"):
            raise ConfigError(f"update.residual={self.residual!r}: rounding={self.rounding!r} needs "
                              + ("'none'" if self.rounding == "stochastic" else "'verified' or 'nominal'"))
        if self.rounding == "stochastic":
            if self.device.curve is None:
                raise ConfigError("update.rounding='stochastic': the device has no switching curve that could do it; "
                                  "use one of kind 'mtj', or rounding='threshold'")
            if self.threshold & self.threshold - 1:
                raise ConfigError(f"layers[{self.index}].threshold={self.threshold}: stochastic rounding needs a power "
                                  f"of two (units of 2**-chi_frac levels)")
        lowest, highest = self.learning_rate_shifts
        for name, value, remedy in (
            ("adc_shift", self.adc_shift, "lower z_frac or weight_step, or raise the input's fraction bits"),
            ("error_shift", self.error_shift if self.source else 0,
             "lower delta_frac of the layer before, or raise delta_frac of this layer"),
            ("update_shift at the largest learning rate", self.update_shift(lowest),
             "lower chi_frac, raise delta_frac, or choose a smaller learning rate (a larger shift)"),
        ):
            if value < 0:
                raise ConfigError(f"layers[{self.index}]: derived {name} is {value}, must be at least 0: {remedy}")
        if highest - lowest > 15:
            raise ConfigError(f"learning_rate_shifts={self.learning_rate_shifts}: may span at most 15")

    def _require(self, name: str, allowed: range | list[int], hint: str = "") -> None:
        value = getattr(self, name)
        if value not in allowed:
            raise ConfigError(f"layers[{self.index}].{name}={shown(value)}: must be {described(allowed)}{hint}")

    @property
    def rows(self) -> int:
        """Inputs, and the bias row where there is one."""
        return self.inputs + self.bias

    @property
    def folds(self) -> int:
        """Cycles that one row takes."""
        return self.cols // self.lanes

    @property
    def bias_value(self) -> int:
        """What drives the bias row: the largest activation."""
        return self.x.maximum

    @property
    def derivative_bits(self) -> int:
        return derivative_format(self.source)[0]

    @property
    def sum_bits(self) -> int:
        """Width of an exact column sum."""
        return signed_bits(self.rows * self.x.magnitude << self.device.g_bits - 1)

    @property
    def error_bits(self) -> int:
        """Width of an exact row sum of the backward pass."""
        return signed_bits(self.cols << self.device.g_bits - 1 + self.delta_bits - 1)

    @property
    def adc_shift(self) -> int:
        """Right shift from column sum to ``z``."""
        return self.x.frac + self.device.sub_bits - self.weight_step - self.z_frac

    @property
    def error_shift(self) -> int:
        """Right shift from row sum times derivative to the error of the crossbar before."""
        fraction = derivative_format(self.source)[1]
        return self.delta_frac + self.device.sub_bits - self.weight_step + fraction - self.source_delta_frac

    def update_shift(self, learning_rate_shift: int) -> int:
        """Right shift from ``x * delta`` to the residual at the learning rate ``2**-learning_rate_shift``."""
        return learning_rate_shift + self.x.frac + self.delta_frac + self.weight_step - self.chi_frac

    @property
    def lfsrs(self) -> tuple[str, ...]:
        """The LFSRs that the crossbar has, named as in its state, in the order of its words: of programming, and of
        stochastic rounding and read noise where there is any."""
        return ("lfsr", *(["rounding_lfsr"] if self.rounding == "stochastic" else []),
                *(["read_lfsr"] if self.read_noise else []))

    @property
    def threshold_shift(self) -> int:
        """log2 of the threshold of stochastic rounding."""
        return self.threshold.bit_length() - 1

    @property
    def held(self) -> int:
        """Magnitude to which a visit bounds the residual of a cell at its last state (arithmetic 4.2)."""
        return 0 if self.residual == "none" else self.threshold - 1

    @property
    def residual_shift(self) -> int:
        """Left shift from sub-levels to units of the residual."""
        return self.chi_frac - self.device.sub_bits
