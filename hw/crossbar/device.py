"""The device: what a write pulse does to a cell. `model.device` is its golden twin."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...contract.device import (
    PROBABILITY_BITS,
    QUANTILE_BITS,
    SHARE_BITS,
    SHARE_WORD_BITS,
    SIGMA_BITS,
    DeviceTables,
)
from ...contract.geometry import CrossbarGeometry
from ...contract.lfsr import LEAP
from ...contract.tables import NORMAL_BITS, NORMAL_INDEX_BITS
from ...contract.widths import index_bits
from ..basics.fixed import round_shift, saturate
from .layouts import level_layout
from .noise import NOISE_SHIFT, normal_table, quantile
from .parameters import parameter_layout, register, table


class Device(wiring.Component):
    """Holds the level of one cell at a time, and pulses it as docs/arithmetic.md 3.1 defines for the pulse law.

    ``load`` takes a cell. When it is ``ready``, a ``pulse`` may be given, with its aim and the word that it draws. One
    clock cycle after ``done`` the level shows what the pulse did. Only then may another ``pulse`` or a ``reset``
    follow.

    Latency: ``pulse_cycles`` clock cycles from ``pulse`` to its level. A cell is ``ready`` in the clock cycle after
    its ``load``; where cells have a displacement, 3 clock cycles after it.

    Cost: the tables of the device in distributed memory. Unless it switches, also the normal quantile table (half of
    its 1024 entries) and a multiplier, which noise and displacement share; both only for the displacement where steps
    are drawn from quantiles. Where cells age, two comparators and a
    counter. Where they relax, a multiplier of the conductance by ``SHARE_BITS + 1`` bits, of a pair two.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        device = geometry.device
        ports = {
            #: Takes `cell`.
            "load": In(1),
            "cell": In(level_layout(geometry)),
            #: A pulse may be given.
            "ready": Out(1),
            #: Pulses the cell.
            "pulse": In(1),
            #: The word that a pulse draws; it must also be here in the clock cycle before.
            "word": In(LEAP),
            #: The level shows the pulse in the next clock cycle.
            "done": Out(1),
            "level": Out(level_layout(geometry)),
            #: Replacements of run-time parameters.
            "parameters": In(parameter_layout(geometry)),
        }
        if device.pulse == "landing":
            #: The state at which a pulse aims.
            ports["state"] = In(index_bits(device.states))
        else:
            #: A pulse aims up, else down.
            ports["up"] = In(1)
        if device.differs:
            #: With `load`: the hash of the cell, of which follows what is fixed in it.
            ports["hash"] = In(32)
        if device.pair:
            #: Sets both devices of the pair to zero. The level shows that in the next clock cycle.
            ports["reset"] = In(1)
            #: Both have grown so far that the pair has to be refreshed.
            ports["worn"] = Out(1)
        if device.life_bits or geometry.relaxation:
            #: With `pulse` or `relax`: the word that was drawn before.
            ports["before"] = In(LEAP)
        if geometry.relaxation:
            #: The cell relaxes, and draws `word`; when it is `ready`, in the place of a pulse.
            ports["relax"] = In(1)
            #: The level shows that in the next clock cycle.
            ports["relaxed"] = Out(1)
        super().__init__(ports)
        self._fails = Signal()  # the pulse ends the life of the cell
        self._share = Signal(SHARE_BITS + 1)  # of its distance, by which a cell relaxes
        self._random = Signal(SHARE_BITS)  # by which relaxing is rounded
        self._multiplied = Signal()  # a cell relaxes: its distance has been multiplied by its share
        self._relaxes = Signal()  # what that takes off is here

    @property
    def pulse_cycles(self) -> int:
        """Clock cycles from ``pulse`` to the level that it leaves."""
        device = self.geometry.device
        return {"landing": 3, "step": 5 if device.pair else 4, "switching": 2}[device.pulse]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        moves = Signal()  # a pulse, or a reset, changes this cell
        m.d.comb += [moves.eq(1), self.ready.eq(1)]
        if self.geometry.device.differs:
            fraction = register(m, self.parameters, self.geometry, "stuck")
            stuck = Signal()
            with m.If(self.load):
                m.d.sync += stuck.eq(self.hash[16:] < fraction)
            with m.If(stuck):
                m.d.comb += moves.eq(0)
        if self.geometry.device.life_bits:
            self._age(m, moves)
            with m.If(self.level.life == 0):
                m.d.comb += moves.eq(0)
        if self.geometry.relaxation:
            self._time(m)
        match self.geometry.device.pulse:
            case "landing":
                self._land(m, moves)
            case "step":
                self._step(m, moves)
            case "switching":
                self._switch(m, moves)
        return m

    def _time(self, m: Module) -> None:
        """When a cell relaxes, by what share, and what it draws for that."""
        device, share = self.geometry.device, register(m, self.parameters, self.geometry, "relaxation")
        m.d.comb += self._share.eq(share)
        m.d.sync += [self._random.eq(Cat(self.before[:SHARE_WORD_BITS], self.word)), self._multiplied.eq(self.relax),
                     self._relaxes.eq(self._multiplied)]
        later = Signal()  # the level of a pair follows on those of its devices
        m.d.sync += later.eq(self._relaxes)
        m.d.comb += self.relaxed.eq(later if device.pair else self._relaxes)

    def _taken(self, m: Module, distance: Value) -> Signal:
        """What relaxing takes off ``distance``, which is not negative and does not change meanwhile: 2 clock cycles
        after `relax`."""
        product, taken = Signal(len(distance) + len(self._share), reset_less=True), Signal.like(distance)
        m.d.sync += [product.eq(distance * self._share), taken.eq(product + self._random >> SHARE_BITS)]
        return taken

    def _relaxed(self, m: Module, g: Value) -> ValueLike:
        """What a single device of the level ``g`` relaxes to, 2 clock cycles after `relax`."""
        device = self.geometry.device
        distance = Signal(signed(device.g_bits + 1))
        magnitude = Signal(device.g_bits + 1)
        m.d.comb += [distance.eq(g - device.resting), magnitude.eq(Mux(distance < 0, -distance, distance))]
        if device.pulse == "switching":
            far = Signal()
            m.d.comb += far.eq(magnitude >> device.sub_bits != 0)
            taken: ValueLike = self._taken(m, far) << device.sub_bits
        else:
            taken = self._taken(m, magnitude)
        return Mux(distance < 0, g + taken, g - taken)

    def _age(self, m: Module, moves: Signal) -> None:
        """A pulse that wears the cell takes one off its life."""
        wear, wears = register(m, self.parameters, self.geometry, "wear"), Signal()
        m.d.comb += self._fails.eq(wears & (self.level.life == 1))
        with m.If(self.pulse):
            m.d.sync += wears.eq(self.before < wear)
        with m.If(self.load):
            m.d.sync += self.level.life.eq(self.cell.life)
        with m.Elif(self.done & moves & wears):
            m.d.sync += self.level.life.eq(self.level.life - 1)

    def _land(self, m: Module, moves: Signal) -> None:
        movement, moving = self._movement(m, self.state)
        m.d.comb += self.done.eq(moving)
        with m.If(self.load):
            m.d.sync += self.level.g.eq(self.cell.g)
        with m.If(self.done & moves):
            m.d.sync += self.level.g.eq(self._ending(saturate(movement, self.geometry.device.g_bits)))
        if self.geometry.relaxation:
            relaxed = self._relaxed(m, self.level.g)
            with m.If(self._relaxes & moves):
                m.d.sync += self.level.g.eq(relaxed)

    def _ending(self, g: ValueLike, offset: int = 0) -> ValueLike:
        """``g``, unless the pulse ends the life of the cell: then the conductance at which that sticks, ``offset``
        added."""
        failed = self.geometry.device.failed
        return g if failed is None else Mux(self._fails, failed + offset, g)

    def _step(self, m: Module, moves: Signal) -> None:
        """A single device has one level from 0 to ``span``, a pair has two. A pulse moves one of them."""
        device = self.geometry.device
        pulsed = Signal(range(device.span + 1))
        moved = Signal(range(device.span + 1))
        entry = Signal(range(device.segments * (1 if device.pair else 2)))
        movement, moving = self._movement(m, entry)
        step = Signal.like(movement)
        steps = Signal()
        m.d.sync += [step.eq(movement), steps.eq(moving)]
        if device.pair:
            plus = Signal.like(pulsed)
            minus = Signal.like(pulsed)
            high, low = (register(m, self.parameters, self.geometry, name) for name in ("refresh_high", "refresh_low"))
            m.d.comb += [
                pulsed.eq(Mux(self.up, plus, minus)),
                entry.eq(pulsed >> device.segment_shift),
                moved.eq(_limited(pulsed + step, device.span)),
                self.level.g_minus.eq(minus),
                self.worn.eq((plus > low) & (minus > low) & ((plus > high) | (minus > high))),
            ]
            m.d.sync += [self.level.g.eq(plus - minus), self.done.eq(steps)]
            with m.If(self.load):
                m.d.sync += [plus.eq(self.cell.g + self.cell.g_minus), minus.eq(self.cell.g_minus),
                             self.level.g.eq(self.cell.g)]
            if self.geometry.relaxation:
                from_plus, from_minus = (self._taken(m, level) for level in (plus, minus))
                with m.If(self._relaxes & moves):
                    m.d.sync += [plus.eq(plus - from_plus), minus.eq(minus - from_minus)]
            with m.If(self.reset & moves):
                m.d.sync += [plus.eq(0), minus.eq(0), self.level.g.eq(0)]
            with m.If(steps & moves):
                with m.If(self.up):
                    m.d.sync += plus.eq(moved)
                with m.Else():
                    m.d.sync += minus.eq(moved)
                if device.failed is not None:
                    with m.If(self._fails):
                        m.d.sync += [plus.eq(max(0, device.failed)), minus.eq(max(0, -device.failed))]
        else:
            middle = device.span // 2
            m.d.comb += [
                entry.eq((pulsed >> device.segment_shift) + Mux(self.up, 0, device.segments)),
                moved.eq(_limited(Mux(self.up, pulsed + step, pulsed - step), device.span)),
                self.level.g.eq(pulsed - middle),
                self.done.eq(steps),
            ]
            with m.If(self.load):
                m.d.sync += pulsed.eq(self.cell.g + middle)
            with m.If(steps & moves):
                m.d.sync += pulsed.eq(self._ending(moved, middle))
            if self.geometry.relaxation:
                relaxed = self._relaxed(m, self.level.g)
                with m.If(self._relaxes & moves):
                    m.d.sync += pulsed.eq(relaxed + middle)

    def _movement(self, m: Module, entry: ValueLike) -> tuple[Signal, Value]:
        """Where a pulse lands, or the step that it makes: ``entry`` of the tables, with noise and displacement.

        ``entry`` is taken with ``pulse``. Returns the movement, and whether it is that of a pulse, 2 clock cycles
        later.
        """
        device = self.geometry.device
        drawn_from = bool(device.quantiles)  # the word chooses a place of the table, and there is no noise
        name, fields = ("quantile", {"mean": signed(device.g_bits + 1)}) if drawn_from else (
            "movement", {"mean": signed(device.g_bits), "sigma": unsigned(SIGMA_BITS)})
        m.submodules.movements = movements = table(m, self.parameters, self.geometry, name, data.StructLayout(fields))
        m.submodules.normal = normal = normal_table()
        found, drawn = movements.read_port(), Signal(NORMAL_INDEX_BITS)
        factor = Signal(signed(NORMAL_BITS), name="quantile", reset_less=True)  # as the registers of a DSP
        sigma = Signal(SIGMA_BITS)
        noise = Signal(signed(SIGMA_BITS + NORMAL_BITS), reset_less=True)
        scaled = Signal(signed(SIGMA_BITS + NORMAL_BITS - NOISE_SHIFT + 1))
        mean = Signal(signed(max(len(found.data.mean), len(scaled)) + 1))
        movement = Signal(signed(len(mean) + 1))
        pulsed = Signal(2)
        m.d.comb += [
            found.addr.eq(Cat(self.word[-QUANTILE_BITS:], entry) if drawn_from else entry),
            drawn.eq(self.word),
            sigma.eq(0 if drawn_from else found.data.sigma),
            scaled.eq(round_shift(noise, NOISE_SHIFT)),
            movement.eq(mean + scaled),
        ]
        # The quantile of a word is here when its pulse has found its entry.
        m.d.sync += [factor.eq(quantile(m, normal.read_port(), drawn)), noise.eq(factor * sigma),
                     mean.eq(found.data.mean), pulsed.eq(Cat(self.pulse, pulsed))]
        if device.differs:
            # A displacement is scaled as noise is, in the clock cycles before the first pulse.
            variation = register(m, self.parameters, self.geometry, "variation")
            loaded = Signal(3)
            displacement = Signal.like(scaled)
            m.d.sync += [loaded.eq(Cat(self.load, loaded)), mean.eq(found.data.mean + displacement)]
            m.d.comb += self.ready.eq(~loaded[:2].any())
            with m.If(self.load):
                m.d.comb += drawn.eq(self.hash)
            with m.If(loaded[1]):
                m.d.comb += sigma.eq(variation)
            with m.If(loaded[2]):
                m.d.sync += displacement.eq(scaled)
        return movement, pulsed[-1]

    def _switch(self, m: Module, moves: Signal) -> None:
        device = self.geometry.device
        m.submodules.probabilities = probabilities = table(m, self.parameters, self.geometry, "probability",
                                                           unsigned(PROBABILITY_BITS + 1))
        found = probabilities.read_port()
        state = Signal(range(device.states))
        beyond = Signal(range(device.states))
        word = Signal.like(self.word)
        m.d.comb += [
            state.eq(state_of(self.level.g, device)),
            found.addr.eq(state + Mux(self.up, 0, device.states)),
            beyond.eq(_limited(Mux(self.up, state + 1, state - 1), device.states - 1)),
        ]
        m.d.sync += [word.eq(self.word), self.done.eq(self.pulse)]
        with m.If(self.load):
            m.d.sync += self.level.g.eq(self.cell.g)
        with m.If(self.done & moves):
            with m.If(word < found.data):
                m.d.sync += self.level.g.eq(nominal(beyond, device))
            if device.failed is not None:
                with m.If(self._fails):
                    m.d.sync += self.level.g.eq(device.failed)
        if self.geometry.relaxation:
            relaxed = self._relaxed(m, self.level.g)
            with m.If(self._relaxes & moves):
                m.d.sync += self.level.g.eq(relaxed)


def state_of(g: Value, device: DeviceTables) -> Value:
    """The state whose nominal level is nearest to ``g``."""
    return _limited(g - device.origin + (1 << device.sub_bits - 1) >> device.sub_bits, device.states - 1)


def nominal(state: Value, device: DeviceTables) -> Value:
    """The nominal level of ``state``."""
    return (state << device.sub_bits) + device.origin


def _limited(value: Value, highest: int) -> Value:
    """``value`` limited to ``0 .. highest``."""
    return Mux(value < 0, 0, Mux(value > highest, highest, value))
