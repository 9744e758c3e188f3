"""The operations that move words: what each does with its words, in which order, and how long it takes."""

from collections import deque
from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.config import parse
from spinloom.contract.geometry import COUNTER_BITS, COUNTERS
from spinloom.contract.parameters import parameters
from spinloom.hw.crossbar.layouts import cell_layout
from spinloom.hw.crossbar.operations import Operation
from spinloom.hw.crossbar.state_port import StatePort
from spinloom.hw.crossbar.timing import HOLD, fetch_latency

DEVICES = [{"kind": "domain_wall", "variation": 0.1}, {"kind": "pcm_pair"}, {"kind": "ideal"}]


def geometry_of(device: int, lanes: int):
    document = {"input": {"count": 3}, "device": DEVICES[device], "layers": [{"cols": 6, "lanes": lanes, "adcs": 1}],
                "converters": {"read_noise": 1.0 if device == 0 else 0.0}}
    return parse(document, "port").crossbars[0]


class Surroundings:
    """What is around the port in a crossbar: the scan, the arrays, LFSRs and counters, both ends of the streams."""

    def __init__(self, ctx, geometry, port: StatePort, random: Random, stall: float) -> None:
        self.ctx, self.geometry, self.port, self.random, self.stall = ctx, geometry, port, random, stall
        self.words = geometry.rows * geometry.folds
        self.cells = [random.getrandbits(cell_layout(geometry).size) for _ in range(self.words * geometry.lanes)]
        self.generators = [random.getrandbits(32) for _ in geometry.lfsrs]
        self.counters = [random.getrandbits(COUNTER_BITS) for _ in COUNTERS]
        self.addressed = deque([0] * (fetch_latency(geometry) + 1))
        self.word = self.lane = 0
        self.counter = -1  # the one that is shown
        self.since_override = HOLD

    def goes(self) -> bool:
        return self.random.random() >= self.stall

    def place(self) -> dict[str, int]:
        row, fold = divmod(self.word, self.geometry.folds)
        place = {"row": row, "fold": fold, "lane": self.lane, "address": fold * self.geometry.rows + row}
        return {name: place[name] for name in self.port.position.shape().members}

    def drive(self, operation: Operation, word: int | None, drained: bool, ready: bool) -> None:
        ctx, port, lanes = self.ctx, self.port, self.geometry.lanes
        self.addressed.append((self.word * lanes + self.lane) % len(self.cells))
        self.addressed.popleft()
        for signal, value in [
            (port.operation, operation), (port.position, self.place()), (port.last_lane, self.lane == lanes - 1),
            (port.last_word, self.word == self.words - 1), (port.may_override, self.since_override >= HOLD),
            (port.drained, drained), (port.state_in.valid, word is not None), (port.state_in.payload, word or 0),
            (port.state_out.ready, ready), (port.request.ready, ready), (port.counters.shown, self.counter >= 0),
            (port.counters.value, self.counters[self.counter]),
            (port.counters.last, self.counter == len(COUNTERS) - 1),
        ]:
            ctx.set(signal, value)
        ctx.set(port.cell.as_value(), self.cells[self.addressed[0]])

    async def run(self, operation: Operation, words: list[int]) -> tuple[list[tuple], int]:
        """What the port does in an operation that takes ``words``, and the clock cycles from the first to the last."""
        ctx, port, waiting, done = self.ctx, self.port, deque(words), []
        self.word = self.lane = 0
        ctx.set(port.start, 1)
        await ctx.tick()
        ctx.set(port.start, 0)
        for index, state in enumerate(self.generators):
            ctx.set(port.lfsr[index], state)
        offered = False
        for cycle in range(1, 20_000):
            offered = offered or bool(waiting) and self.goes()
            word, drained, ready = waiting[0] if offered else None, self.goes(), self.goes()
            self.drive(operation, word, drained, ready)
            at, place = self.word * self.geometry.lanes + self.lane, self.place()
            overrides = ctx.get(port.assemble)
            if overrides:
                assert self.since_override >= HOLD
                assert drained or operation == Operation.LOAD
                done.append(("assemble", at, word, ctx.get(port.write)))
            if ctx.get(port.apply):
                done.append(("apply", self.word))
            if ctx.get(port.request.valid) and ready:
                request = port.request.payload
                assert {name: ctx.get(request.position[name]) for name in place} == place
                done.append(("request", at, ctx.get(request.state), ctx.get(request.write)))
            done += [("lfsr", index, word) for index in range(len(self.generators)) if ctx.get(port.lfsr_load[index])]
            if ctx.get(port.parameters.enable):
                done.append(("parameter", ctx.get(port.parameters.index), ctx.get(port.parameters.word)))
            if ctx.get(port.state_out.valid) and ready:
                done.append(("out", ctx.get(port.state_out.payload)))
            if ctx.get(port.counters.load):
                done.append(("counter", self.counter, ctx.get(port.counters.word)))
            taken, ended = offered and ctx.get(port.state_in.ready), ctx.get(port.done)
            show, step = ctx.get(port.counters.show), ctx.get(port.counters.step)
            next_lane, next_word = ctx.get(port.next_lane), ctx.get(port.next_word)
            await ctx.tick()

            self.since_override = 0 if overrides else self.since_override + 1
            self.lane = (self.lane + next_lane) % self.geometry.lanes
            self.word += next_word
            if self.counter >= 0:
                self.counter = -1 if ended else self.counter + step
            elif show and self.goes():
                self.counter = 0
            if taken:
                waiting.popleft()
                offered = False
            if ended:
                assert not waiting
                return done, cycle
        raise AssertionError(f"{operation} did not end")


def simulate(device: int, lanes: int, stall: float, scenario) -> None:
    geometry = geometry_of(device, lanes)
    port = StatePort(geometry=geometry)

    async def testbench(ctx):
        await scenario(Surroundings(ctx, geometry, port, Random(lanes), stall))

    simulator = Simulator(port)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def words_and_actions(around: Surroundings, operation: Operation) -> tuple[list[int], list[tuple]]:
    """Random words for an operation, and what must be done with them."""
    random, geometry = around.random, around.geometry
    cells, lanes = range(len(around.cells)), geometry.lanes
    state = [random.getrandbits(32) for _ in (*around.generators, *COUNTERS)]
    match operation:
        case Operation.APPLY:
            words = [random.getrandbits(geometry.chi_bits) for _ in cells]
            done = [("assemble", cell, words[cell], 0) for cell in cells]
            for word in reversed(range(around.words)):
                done.insert((word + 1) * lanes, ("apply", word))
        case Operation.WRITE:
            words = [random.randrange(geometry.device.states) for _ in cells]
            done = [("request", cell, words[cell], 1) for cell in cells]
        case Operation.LOAD:
            words = [random.getrandbits(cell_layout(geometry).size) for _ in cells]
            done = [("assemble", cell, words[cell], 1) for cell in cells]
            done += [("lfsr", index, state[index]) for index in range(len(around.generators))]
            done += [("counter", index, state[len(around.generators) + index]) for index in range(len(COUNTERS))]
            words += state
        case Operation.DUMP:
            words = []
            done = [("out", word) for word in (*around.cells, *around.generators, *around.counters)]
        case Operation.CONFIGURE:
            words = [random.getrandbits(parameter.bits) for parameter in parameters(geometry)]
            done = [("parameter", index, word) for index, word in enumerate(words)]
    return words, done


OPERATIONS = (Operation.APPLY, Operation.WRITE, Operation.LOAD, Operation.DUMP, Operation.CONFIGURE)


@pytest.mark.parametrize(("device", "lanes"), [(0, 1), (0, 3), (1, 6), (2, 2)])
def test_every_word_is_used_once_and_in_order(device, lanes):
    async def scenario(around):
        for operation in (*OPERATIONS, *around.random.choices(OPERATIONS, k=5)):
            words, expected = words_and_actions(around, operation)
            done, _ = await around.run(operation, words)
            assert done == expected, operation

    simulate(device, lanes, 0.4, scenario)


@pytest.mark.parametrize("lanes", [1, 2, 6])
def test_clock_cycles(lanes):
    async def scenario(around):
        cells, generators = len(around.cells), len(around.generators)
        rest = generators + len(COUNTERS) + 1  # a clock cycle until the first counter is shown
        fetch = fetch_latency(around.geometry)
        cycles = {
            Operation.APPLY: (HOLD + 1) * cells - HOLD + 1,  # and one for the last word
            Operation.WRITE: cells,
            Operation.LOAD: (HOLD + 1) * cells - HOLD + rest,
            Operation.DUMP: (fetch + 1) * cells + rest,
            Operation.CONFIGURE: len(parameters(around.geometry)),
        }
        for operation, expected in cycles.items():
            words, _ = words_and_actions(around, operation)
            assert (await around.run(operation, words))[1] == expected, operation

    simulate(2, lanes, 0.0, scenario)
