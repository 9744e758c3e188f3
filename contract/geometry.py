"""Every width, shift and bound of a crossbar, in one place.

A ``CrossbarGeometry`` holds integers only. It is all that `model.crossbar.Crossbar` and `hw.crossbar.crossbar.Crossbar`
are built from. Binary scales relate the integers to real numbers: a value ``v`` with ``frac`` fraction bits stands for
``v * 2**-frac``, and one level of conductance for a weight of ``2**weight_step``.
"""

from dataclasses import dataclass, replace
from typing import Literal

from .device import DeviceTables
from .errors import ConfigError, shown
from .formats import ActivationFormat, Neuron, derivative_format
from .widths import divisors, signed_bits
from .window import Window

MAX_SIDE = 2048
"""Most rows, and most columns, of a crossbar."""
MAX_CELL_BITS = 63
"""Most bits of a cell, with its residual."""
BOUNDS = {
    "rows": range(1, MAX_SIDE + 1), "cols": range(1, MAX_SIDE + 1),
    "z_bits": range(2, 13), "z_frac": range(-16, 25),
    "delta_bits": range(2, 17), "delta_frac": range(-16, 33),
    "chi_bits": range(4, 25), "chi_frac": range(0, 33),
}
"""What the fields of a crossbar may be that nothing else bounds."""
COUNTER_BITS = 40
"""Width of every counter; counters wrap."""
COUNTERS = ("forwards", "forward_rows", "backward_rows", "update_rows", "visited_rows", "attempts", "verify_attempts",
            "failures", "refreshes")
"""The counters of a crossbar, in the order in which they are dumped.

``forwards``: forward passes. ``forward_rows``: rows that they read. ``backward_rows``: rows that backward passes read.
``update_rows``: rows that increments are added to. ``visited_rows``: rows whose cells are looked at, to program those
that have reached the threshold. ``attempts``: write pulses, each of which draws one word. ``verify_attempts``: those
of them that program-and-verify spends. ``failures``: cells that it leaves outside the margin. ``refreshes``: pairs that
are reset.
"""
POSITION_COUNTERS = (*COUNTERS, "product_rows")
"""Those of a crossbar that is applied at several positions. ``product_rows``: rows that are multiplied with a delta, at
every position; of a crossbar with one position, they are the ``update_rows``."""

Rounding = Literal["threshold", "stochastic"]
Residual = Literal["verified", "nominal", "none"]
Loss = Literal["cross_entropy", "squared_hinge"]


def described(allowed: range | list[int]) -> str:
    """What a whole number may be, in words."""
    if isinstance(allowed, range):
        return f"{allowed[0]} to {allowed[-1]}"
    return "one of the divisors " + ", ".join(map(str, allowed))


@dataclass(frozen=True, kw_only=True)
class CrossbarGeometry:
    """One crossbar of ``rows x cols`` cells, of which ``lanes`` columns are worked on in each clock cycle.

    ``ConfigError`` if the figures contradict one another or are out of bounds.
    """

    index: int
    """Its position in the network, from 0. It selects the part of the LFSR's period and the hash of initial states."""
    window: Window
    """Where it is applied in a sample, and which cells of the map before it then drive its rows."""
    bias: bool
    """Whether there is one more row, the last, which is driven by the constant ``bias_value``."""
    cols: int
    """Columns."""
    lanes: int
    """Columns that are worked on in each clock cycle; a divisor of ``cols``."""
    adcs: int
    """Columns that are converted in each clock cycle; a divisor of ``lanes``."""
    x: ActivationFormat
    """Format of the drive."""
    source: Neuron | None
    """The neuron that drives the rows. None where data does; no delta is then passed back."""
    weight_step: int
    """log2 of the weight that one level stands for."""
    z_bits: int
    z_frac: int
    """Width and fraction bits of the signed output of the ADC."""
    delta_bits: int
    delta_frac: int
    """Width and fraction bits of the signed delta."""
    source_delta_bits: int
    source_delta_frac: int
    """Likewise, of the delta that is passed back to the crossbar before; 0 and 0 where there is none."""
    chi_bits: int
    chi_frac: int
    """Width and fraction bits of the signed residual, in levels."""
    threshold: int
    """Residual from which on a cell is programmed, in units of ``2**-chi_frac`` level."""
    rounding: Rounding
    """How residuals become whole levels (`config.UpdateRule`)."""
    residual: Residual
    """What a programmed cell carries over (`config.UpdateRule`)."""
    margin: int
    """Tolerance of program-and-verify, in sub-levels."""
    max_attempts: int
    """Most write pulses that program-and-verify spends on a cell."""
    init_states: tuple[int, int]
    """First and last of the states among which initial states are uniform."""
    learning_rate_shifts: tuple[int, int]
    """Smallest and largest ``n`` of the learning rates ``2**-n`` that can be selected while the machine runs."""
    rate_offset: int = 0
    """What is added to ``n`` in this crossbar."""
    cell_seed: int
    """Base of the hash by which cells differ (arithmetic 3.3); 0 where they do not."""
    read_noise: int
    """Standard deviation of the noise of a conversion, in 2**-4 of the least significant bit of ``z``; 0 for none."""
    offset: int = 0
    """Standard deviation of the offsets of the columns' converters, in 2**-4 of the least significant bit of ``z``."""
    gain: int = 0
    """Likewise of their gains, in 2**-12."""
    column_seed: int = 0
    """Base of the hash by which columns differ (arithmetic 4.7); 0 where they do not."""
    nonlinearity: tuple[int, ...] = ()
    """What is added to a conversion in each segment of the codes, in 2**-4 of the least significant bit of ``z``."""
    wires: int = 0
    """Resistance of a wire between two cells, in 2**-32 of that of a device at its largest conductance."""
    row_dac_bits: int = 0
    column_dac_bits: int = 0
    """Resolution of the DACs that drive the rows, and the columns in a backward pass; 0 for that of what they
    convert."""
    relaxation: int = 0
    """Share of its distance from rest that a cell loses each time its row is drawn, in 2**-SHARE_BITS; 0 if cells keep
    their levels."""
    device: DeviceTables
    """The cells: the devices in them."""
    ports: int = 2
    """Ports of the arrays' memories: 2 to read and write in the same clock cycle, 1 to do so by turns."""
    forward_reads: int = 1
    """Rows that a forward pass reads in each clock cycle."""
    second_reads: int = 1
    """Rows that backward pass and update read in each clock cycle."""

    def __post_init__(self) -> None:
        self._check_ranges()
        self._check_rounding()
        self._check_shifts()
        self._check_nonlinearity()

    def _check_ranges(self) -> None:
        for name, allowed in BOUNDS.items():
            self._require(name, allowed)
        self._require("lanes", divisors(self.cols))
        self._require("adcs", divisors(self.lanes))
        self._require("threshold", range(1, 1 << self.chi_bits - 1),
                      " (units of 2**-chi_frac levels; raise chi_bits or lower chi_frac)")
        self._require("margin", range(1 << self.device.single.g_bits), " sub-levels")
        if self.cell_bits > MAX_CELL_BITS:
            raise ConfigError(f"layers[{self.index}].chi_bits={self.chi_bits}: a cell and its residual would have "
                              f"{self.cell_bits} bits, at most {MAX_CELL_BITS} are possible; lower it, "
                              "device.sub_bits or the devices of a cell")
        for name in ("forward_reads", "second_reads"):
            self._require(name, range(1, self.inputs + 1))
        if self.second_reads > 1 and self.folds > 1:
            raise ConfigError(f"layers[{self.index}].second_reads={self.second_reads}: needs "
                              f"lanes=cols={self.cols}, so that a row is one word; lanes={self.lanes}")
        fewer, more = sorted((self.forward_reads, self.second_reads))
        if more % fewer:
            raise ConfigError(f"layers[{self.index}].second_reads={self.second_reads}: must divide "
                              f"forward_reads={self.forward_reads}, or be a multiple of it")
        if self.chi_frac < self.device.sub_bits:
            raise ConfigError(f"layers[{self.index}].chi_frac={self.chi_frac}: must be at least "
                              f"device.sub_bits={self.device.sub_bits}, so that a sub-level is whole in the residual")

    def _check_rounding(self) -> None:
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

    def _check_shifts(self) -> None:
        lowest, highest = self.learning_rate_shifts
        for name, value, remedy in (
            ("adc_shift", self.adc_shift, "lower z_frac or weight_step, or raise the input's fraction bits"),
            ("error_shift", self.error_shift if self.source else 0,
             "lower delta_frac of the layer before, or raise delta_frac of this layer"),
            ("update_shift at the largest learning rate", self.update_shift(lowest),
             "lower chi_frac, raise delta_frac or rate_offset, or choose a smaller learning rate (a larger shift)"),
        ):
            if value < 0:
                raise ConfigError(f"layers[{self.index}]: derived {name} is {value}, must be at least 0: {remedy}")
        if highest - lowest > 15:
            raise ConfigError(f"learning_rate_shifts={self.learning_rate_shifts}: may span at most 15")

    def _check_nonlinearity(self) -> None:
        count = len(self.nonlinearity)
        if count & count - 1 or count > 1 << self.z_bits:
            raise ConfigError(f"converters.nonlinearity: {count} figures; their number must be a power of two, and at "
                              f"most 2**layers[{self.index}].z_bits={1 << self.z_bits}")

    def _require(self, name: str, allowed: range | list[int], hint: str = "") -> None:
        value = getattr(self, name)
        if value not in allowed:
            raise ConfigError(f"layers[{self.index}].{name}={shown(value)}: must be {described(allowed)}{hint}")

    @property
    def single(self) -> "CrossbarGeometry":
        """The geometry as one of the devices of a cell has it; this one, unless cells have several."""
        return self if self.device.slices is None else replace(self, device=self.device.single)

    @property
    def devices(self) -> int:
        """Devices of a cell that have tables and a conductance of their own; a pair counts as one."""
        return self.device.devices

    @property
    def cell_bits(self) -> int:
        """Width of all that a cell of the arrays holds."""
        return self.chi_bits + self.device.cell_bits

    @property
    def inputs(self) -> int:
        """Rows that are driven by data or neurons: the cells of a window."""
        return self.window.inputs

    @property
    def positions(self) -> int:
        """How often the crossbar is applied in a sample."""
        return self.window.positions

    @property
    def plain(self) -> bool:
        """Whether its rows are read as they come, one in a clock cycle. Others are found in a feature map."""
        return self.window.plain and self.forward_reads == self.second_reads == 1

    @property
    def counters(self) -> tuple[str, ...]:
        """What it counts, in the order in which the counters are dumped."""
        return COUNTERS if self.positions == 1 else POSITION_COUNTERS

    @property
    def rows(self) -> int:
        """Inputs, and the bias row where there is one."""
        return self.inputs + self.bias

    @property
    def folds(self) -> int:
        """Clock cycles that one row takes."""
        return self.cols // self.lanes

    @property
    def bias_value(self) -> int:
        """What drives the bias row: the largest value of the drive."""
        return self.x.maximum

    @property
    def backward(self) -> bool:
        """Whether errors are passed back: from a crossbar behind neurons."""
        return self.source is not None

    @property
    def derivative_bits(self) -> int:
        """Width of the derivative; 0 where no neuron drives the rows."""
        return derivative_format(self.source)[0]

    @property
    def sum_bits(self) -> int:
        """Width of an exact column sum."""
        return signed_bits(self.rows * self.x.magnitude << self.device.g_bits - 1)

    @property
    def error_bits(self) -> int:
        """Width of an exact row sum ``e``: of a cell of the map, over all windows that it is in."""
        return signed_bits(self.window.overlap * self.cols << self.device.g_bits - 1 + self.delta_bits - 1)

    @property
    def gradient_bits(self) -> int:
        """Width of an exact sum over the positions of ``x * delta``."""
        return signed_bits(self.positions * self.x.magnitude << self.delta_bits - 1)

    @property
    def adc_shift(self) -> int:
        """Right shift from a column sum to ``z``."""
        return self.x.frac + self.device.sub_bits - self.weight_step - self.z_frac

    @property
    def mismatched(self) -> bool:
        """Whether the converters of columns differ."""
        return bool(self.offset or self.gain)

    @property
    def distorted(self) -> bool:
        """Whether outputs are not those of ideal converters: columns differ, or they are not linear."""
        return self.mismatched or bool(self.nonlinearity)

    @property
    def x_dropped(self) -> int:
        """Bits of the drive that the DACs at the rows do not resolve."""
        coarse = self.row_dac_bits and self.x.kind != "ternary"
        return max(0, self.x.bits - self.row_dac_bits) if coarse else 0

    @property
    def delta_dropped(self) -> int:
        """Bits of the delta that the DACs at the columns do not resolve."""
        return max(0, self.delta_bits - self.column_dac_bits) if self.column_dac_bits else 0

    @property
    def error_shift(self) -> int:
        """Right shift from a row sum times the derivative to the delta of the crossbar before."""
        fraction = derivative_format(self.source)[1]
        return self.delta_frac + self.device.sub_bits - self.weight_step + fraction - self.source_delta_frac

    def update_shift(self, learning_rate_shift: int) -> int:
        """Right shift from ``x * delta`` to the increment at the learning rate ``2**-learning_rate_shift``."""
        return (learning_rate_shift + self.rate_offset + self.x.frac + self.delta_frac + self.weight_step
                - self.chi_frac)

    @property
    def lfsrs(self) -> tuple[str, ...]:
        """The LFSRs of the crossbar, by their names in its state and in the order of its words: that of programming,
        that of stochastic rounding, that of read noise, and that of the neurons that drive its rows. The last three are
        there only if they are used."""
        return ("lfsr", *(["rounding_lfsr"] if self.rounding == "stochastic" else []),
                *(["read_lfsr"] if self.read_noise else []),
                *(["neuron_lfsr"] if self.source == "stochastic" else []))

    @property
    def threshold_shift(self) -> int:
        """log2 of the threshold, if rounding is stochastic."""
        return self.threshold.bit_length() - 1

    @property
    def held(self) -> int:
        """Magnitude to which a visit bounds the residual of a cell that would leave its states (arithmetic 4.2)."""
        return 0 if self.residual == "none" else self.threshold - 1

    @property
    def residual_shift(self) -> int:
        """Left shift from sub-levels to the units of the residual."""
        return self.chi_frac - self.device.sub_bits
