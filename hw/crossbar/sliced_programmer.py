"""The stage of the programmer that goes through the devices of a cell, where cells have several."""

from typing import Any

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...contract.geometry import CrossbarGeometry
from ...contract.lfsr import LEAP
from ...contract.widths import signed_bits
from .cell_programmer import left_over
from .device import nominal, state_of
from .divider import demand_layout, device_demand_layout
from .layouts import asked_shape, device_shape, replacement_layout
from .parameters import parameter_layout, register


class SlicedProgrammer(wiring.Component):
    """Programs or writes one cell of several devices after the other, as section 4.6 of docs/arithmetic.md defines. For
    each device that is to be pulsed it asks a `CellProgrammer`, built for one device.

    Clock cycles: 4 for a cell, 3 for each of its devices, and for each that is pulsed or written those of the
    `CellProgrammer`, less 1. Where cells differ, each device waits for its hash.

    Cost: registers for a cell, and subtractors of its width.
    """

    def __init__(self, *, geometry: CrossbarGeometry) -> None:
        self.geometry = geometry
        one = geometry.single
        ports = {
            #: Cells to be programmed, and the levels that they ask for.
            "demand": In(stream.Signature(demand_layout(geometry))),
            #: What they have become.
            "replace": Out(stream.Signature(replacement_layout(geometry))),
            #: No cell is being programmed.
            "idle": Out(1),
            #: The word that was drawn last: it chooses the device whose turn it is.
            "drawn": In(LEAP),
            #: A device to be pulsed or written, as a cell, and what it has become.
            "device": Out(stream.Signature(device_demand_layout(geometry))),
            "replaced": In(stream.Signature(replacement_layout(one))),
            #: The number of that device in its cell, and the conductance that it is to reach: for traces.
            "number": Out(device_shape(geometry)),
            "asked": Out(asked_shape(one)),
            #: Replacements of run-time parameters.
            "parameters": In(parameter_layout(geometry)),
        }
        if geometry.device.differs:
            #: The hashes of the devices of the cell at `demand`, in their order, and of those that go on.
            ports |= {"hash": In(stream.Signature(32)), "device_hash": Out(stream.Signature(32))}
        super().__init__(ports)
        cell = geometry.device
        assert cell.slices is not None
        self._slices = cell.slices
        # A landing device may never reach its outermost nominal levels, so these may need more bits than its levels.
        self._wide = signed(max(cell.g_bits, signed_bits(-cell.origin)) + 2)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry, slices = self.geometry, self._slices
        margin = register(m, self.parameters, geometry, "margin")
        served, target = Signal.like(self.demand.payload), Signal.like(self.demand.payload.state)
        number, turn = Signal(range(slices.count)), Signal(range(slices.count))
        g = Signal(signed(geometry.device.g_bits))
        levels = Array(Signal(signed(slices.g_bits), name=f"level_{index}") for index in range(slices.count))
        goal, rest, offset = (Signal(self._wide, name=name) for name in ("goal", "rest", "offset"))
        state, now = (Signal(range(slices.states), name=name) for name in ("state", "now"))
        write, leave = served.request.write, Signal()
        program_in_turn = ~write if slices.in_turn else Const(0)
        level, moves = levels[number], Signal()
        reached = (offset > -Array(self._reaches())[number]) & (offset < Array(self._reaches())[number])
        m.d.comb += [
            goal.eq(nominal(target, geometry.device)),
            moves.eq(Mux(write, ~leave, number == turn if slices.in_turn else ~reached)),
            self.number.eq(number),
            self.asked.eq(nominal(state, geometry.single.device)),
            self.replace.payload.position.eq(served.request.position),
            self.replace.payload.cell.chi.eq(Mux(write, served.cell.chi, left_over(geometry, served, g))),
            self.replace.payload.cell.g.eq(g),
            *(self.replace.payload.cell.slices[index].eq(levels[index]) for index in range(slices.count - 1)),
        ]
        self._ask(m, served, number, level, offset, state, now)
        done = Signal()
        with m.FSM() as fsm:
            with m.State("idle"):
                m.d.comb += self.demand.ready.eq(1)
                m.d.sync += [
                    served.eq(self.demand.payload),
                    target.eq(self._target(m)),
                    g.eq(self.demand.payload.cell.g),
                    turn.eq(self.drawn * slices.count >> LEAP),
                    number.eq(0),
                ]
                with m.If(self.demand.valid):
                    m.next = "split"
            with m.State("split"):
                m.d.sync += self._split(served, levels)
                m.d.sync += leave.eq((g - goal <= margin) & (g - goal >= -margin))
                m.next = "aim"
            with m.State("aim"):
                m.d.sync += rest.eq(Mux(program_in_turn, goal - g + levels[turn], goal))
                m.next = "look"
            with m.State("look"):
                m.d.sync += [
                    offset.eq(rest - self._weighted(level, number)),
                    state.eq(state_of(self._share(rest, number), geometry.single.device)),
                    now.eq(state_of(level, geometry.single.device)),
                ]
                m.next = "decide"
            with m.State("decide"):
                m.d.comb += self._hash(moves)
                with m.If(moves):
                    m.d.comb += self.device.valid.eq(1)
                    with m.If(self.device.ready):
                        m.next = "wait"
                with m.Elif(self.hash.valid if geometry.device.differs else 1):
                    m.next = "next"
            with m.State("wait"):
                after = self.replaced.payload.cell.g
                m.d.comb += self.replaced.ready.eq(1)
                with m.If(self.replaced.valid):
                    m.d.sync += [level.eq(after), g.eq(g + self._weighted(after - level, number))]
                    m.next = "next"
            with m.State("next"):
                m.d.sync += [number.eq(number + 1), rest.eq(Mux(program_in_turn, rest,
                                                                rest - self._weighted(level, number)))]
                m.d.comb += done.eq(number == slices.count - 1)
                m.next = "look"
                with m.If(done):
                    m.next = "replace"
            with m.State("replace"):
                m.d.comb += self.replace.valid.eq(1)
                with m.If(self.replace.ready):
                    m.next = "idle"
        m.d.comb += self.idle.eq(fsm.ongoing("idle"))
        return m

    def _target(self, m: Module) -> Value:
        """The state that the cell at ``demand`` is to reach."""
        demand, last = self.demand.payload, self.geometry.device.states - 1
        room, distance = Signal.like(demand.state), Signal.like(demand.state)
        down = demand.cell.chi < 0
        m.d.comb += [room.eq(Mux(down, demand.state, last - demand.state)),
                     distance.eq(Mux(demand.levels < room, demand.levels, room))]
        return Mux(demand.request.write, demand.request.state,
                   Mux(down, demand.state - distance, demand.state + distance))

    def _split(self, served: Any, levels: Array) -> list[Any]:
        """The conductances of the devices: the last is what the others leave of the cell's."""
        first = [served.cell.slices[index] for index in range(self._slices.count - 1)]
        last = served.cell.g - sum(level << shift for level, shift in zip(first, self._slices.shifts, strict=False))
        return [level.eq(value) for level, value in zip(levels, [*first, last], strict=True)]

    def _reaches(self) -> list[Value]:
        """For each device, how far from its share of the rest the others behind it can make up for."""
        half, slices = 1 << self.geometry.device.sub_bits - 1, self._slices
        return [Const(half * (1 + (slices.states - 1) * sum(slices.weights[place + 1:])), self._wide)
                for place in range(slices.count)]

    def _weighted(self, value: Value, number: Signal) -> Value:
        """``value``, of a device, as it counts in the cell."""
        return Array(value << shift for shift in self._slices.shifts)[number]

    def _share(self, rest: Signal, number: Signal) -> Value:
        """The conductance that a device would have if it made up the ``rest`` alone."""
        return Array(rest >> shift for shift in self._slices.shifts)[number]

    def _ask(self, m: Module, served: Any, number: Signal, level: Value, offset: Signal, state: Signal,
             now: Signal) -> None:
        """What the device is asked for. A device that lands is offered in the state that it is aimed at; another one
        where it has room for the pulses, of which it gets one at least."""
        device, last = self.device.payload, self._slices.states - 1
        up, distance = offset > 0, Signal.like(device.levels)
        m.d.comb += [
            device.request.position.eq(served.request.position),
            device.request.write.eq(served.request.write),
            device.request.state.eq(state),
            device.cell.g.eq(level),
        ]
        if self.geometry.device.pulse == "landing":
            m.d.comb += device.state.eq(state)
        else:
            m.d.comb += [
                distance.eq(Mux(state > now, state - now, now - state)),
                device.levels.eq(Mux(distance == 0, 1, distance)),
                device.state.eq(Mux(up, 0, last)),
                device.cell.chi.eq(Mux(up, 0, -1)),
            ]

    def _hash(self, moves: Signal) -> list[Any]:
        """The hash of the device goes on with it, or is dropped."""
        if not self.geometry.device.differs:
            return []
        return [
            self.device_hash.payload.eq(self.hash.payload),
            self.device_hash.valid.eq(self.hash.valid & moves),
            self.hash.ready.eq(Mux(moves, self.device_hash.ready, 1)),
        ]
