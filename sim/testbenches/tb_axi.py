"""Testbench of ``hw.axi`` against ``model.network.Network``, and of its registers."""

from typing import Any

import cocotb
from cocotbext.axi import AxiResp

from ...hw.axi.network import AxiTop, Route
from ...hw.axi.registers import ADDRESS_BITS, WORD_BITS, Access
from ...hw.operations import NetworkOperation
from ...model.network import Network as GoldenNetwork
from ...train.difference import expect
from ..benches.axi import AxiBench
from ..benches.packing import Packing
from ..driver import NetworkDriver
from ..formats import drive_words, state_size
from ..stimuli import random_drive
from .tb_network import exercise_network
from .testbench import CocotbTestbench, run_in_cocotb

STATUS = {"idle": 1, "command_free": 1, "result_valid": 0, "x_free": 1, "state_in_free": 1, "state_out_valid": 0}
"""Of a network that has nothing to do."""
EMPTIED = 10
"""Clock cycles that a network takes from a reset to `idle`, beside one for each cell of its largest map."""


class AxiNetworkBench(CocotbTestbench[AxiBench, None]):
    """Does what ``exercise_network`` does, through AXI streams: at first; after a soft reset in the midst of training;
    and after a reset, with commands and results in registers. Also compares counters, packets and constants."""

    def build(self) -> AxiTop:
        experiment = self.case.experiment
        return AxiTop(geometries=experiment.crossbars, loss=experiment.loss)

    async def connect(self, dut: Any) -> AxiBench:
        bench = AxiBench(dut, self.component.inner, self.random, self.case.stall)
        await bench.start()
        return bench

    async def exercise(self, bench: AxiBench) -> None:
        await self._constants(bench)
        await self._protocol(bench)
        await exercise_network(bench, self.case, self.random)
        await self._packets(bench)
        await self._interrupt(bench)
        self._stop(bench)
        await bench.control.write("reset", reset=1)
        await self._forget(bench)
        await self._reconfigure(bench)
        await exercise_network(bench, self.case, self.random)

        await self._interrupt(bench)
        self._stop(bench)
        await bench.reset()
        await self._forget(bench)
        bench.by_register = {"command", "result"}
        await bench.control.write("results_to", route=Route.REGISTER)
        await self._reconfigure(bench)
        await exercise_network(bench, self.case, self.random)
        await self._discard(bench)

    def _driver(self, bench: AxiBench) -> NetworkDriver:
        experiment = self.case.experiment
        return NetworkDriver(bench, experiment.crossbars, experiment.loss)

    async def _count(self, bench: AxiBench, name: str) -> int:
        """What the register ``name`` has counted."""
        fields = await bench.control.read(name)
        return 0 if fields is None else fields["count"]

    async def _reconfigure(self, bench: AxiBench) -> None:
        """Bring back the parameters that the design was generated with. A reset leaves tables as it leaves cells."""
        await self._driver(bench).configure(self.case.experiment.crossbars)

    async def _constants(self, bench: AxiBench) -> None:
        for register in self.component.inner.registers:
            if register.access is Access.CONSTANT:
                word, response = await bench.control.read_word(register.offset)
                expect(register.name, (register.bits, AxiResp.OKAY), (word, response))

    async def _protocol(self, bench: AxiBench) -> None:
        """Reads and writes that are refused, writes of some bytes of a word, and addresses and data that come at
        different times."""
        control, random = bench.control, self.random
        registers, refused, taken = control.registers, (0, AxiResp.SLVERR), AxiResp.OKAY
        target = registers["result_packet"].offset
        known = {register.offset for register in registers.values()}
        unknown = [offset for offset in range(0, 1 << ADDRESS_BITS, 4) if offset not in known]
        for offset in (*random.sample(unknown, 3), unknown[-1], *(target + byte for byte in (1, 2, 3)),
                       registers["command"].offset):
            expect(f"read of {offset:#x}", refused, await control.read_word(offset))
        content = registers["result_packet"].bits
        # Word, strobes, address, response: alone and in bursts, with either channel ahead of the other.
        places = [(target, taken)] * 6 + [(target + 1, AxiResp.SLVERR), (random.choice(unknown), AxiResp.SLVERR),
                                          (registers["id"].offset, AxiResp.SLVERR),
                                          (registers["status"].offset, AxiResp.SLVERR)]
        for ahead in ("neither", "address", "data"):
            writes = []
            for offset, response in random.sample(places, len(places)):
                word, strobes = random.getrandbits(WORD_BITS), random.getrandbits(4)
                writes.append((offset, word, strobes, response))
            before = content
            for offset, word, strobes, _ in writes:
                if offset == target:
                    mask = sum(0xFF << 8 * byte for byte in range(4) if strobes >> byte & 1)
                    content = content & ~mask | word & mask
            answers = cocotb.start_soon(control.write_channels([write[:3] for write in writes], ahead))
            if ahead != "neither":
                await bench.run(20)
                expect("result_packet, half written", {"length": before}, await control.read("result_packet"))
                control.resume()
            expect(f"responses, {ahead} ahead", [response for *_, response in writes], await answers)
            expect(f"result_packet, {ahead} ahead", {"length": content}, await control.read("result_packet"))

        # A command of which a byte is missing is none; of four that nothing can carry out, three wait.
        command, load = registers["command"].offset, Packing(registers["command"].layout).pack(
            {"operation": NetworkOperation.LOAD, "layer": 0, "label": 0, "boost": 0})
        expect("command of 3 bytes", [AxiResp.SLVERR], await control.write_channels([(command, load, 7)], "neither"))
        expect("status", STATUS, await control.read("status"))
        for number, response in enumerate((AxiResp.OKAY, AxiResp.OKAY, AxiResp.OKAY, AxiResp.SLVERR)):
            expect(f"command {number}", response, await control.write_word(command, load))
            await bench.run(5)
        expect("status", STATUS | {"idle": 0, "command_free": 0}, await control.read("status"))
        await control.write("reset", reset=1)
        await bench.run(EMPTIED + max(geometry.window.cells for geometry in self.case.experiment.crossbars))
        expect("status", STATUS, await control.read("status"))
        expect("result", None, await control.read("result"))
        await control.write("result_packet", length=1)

        # Words one right after the other.
        words = [register.bits for register in self.component.inner.registers[:4]]
        answer = await control.bus.read(0, 4 * len(words))
        expect("words from 0 on", b"".join(word.to_bytes(4, "little") for word in words), answer.data)

    async def _packets(self, bench: AxiBench) -> None:
        """Samples in one packet, results in packets of three, answers to two commands in packets of their own."""
        experiment, random, control = self.case.experiment, self.random, bench.control
        first = experiment.crossbars[0]
        driver = self._driver(bench)
        await driver.load(GoldenNetwork(experiment).state())
        await control.write("result_packet", length=3)
        command, x = bench.axi_source("command"), bench.axi_source("x")
        result, answer = bench.axi_sink("result"), bench.axi_sink("state_out")
        before = {name: await self._count(bench, name) for name in ("commands", "correct")}
        drives = [random_drive(random, first) for _ in range(6)]
        labels = [random.randrange(experiment.crossbars[-1].cols) for _ in drives]
        for label in labels:
            command.put({"operation": NetworkOperation.INFER, "layer": 0, "label": label, "boost": 0})
        x.send([word for drive in drives for word in drive_words(first, drive)])
        result.packets.clear()
        correct = 0
        await bench.until(lambda: len(result) == 6)
        for number, beat in enumerate(result.take_all()):
            correct += beat["correct"]
            expect("correct", int(beat["prediction"] == labels[number]), beat["correct"], sample=number)
        expect("results in packets", [3, 3], result.packets)
        await control.write("result_packet", length=1)
        for name, more in (("commands", 6), ("correct", correct)):
            expect(name, before[name] + more, await self._count(bench, name))

        answer.packets.clear()
        for layer in range(len(experiment.crossbars)):
            command.put({"operation": NetworkOperation.DUMP, "layer": layer, "label": 0, "boost": 0})
        sizes = [state_size(geometry) for geometry in experiment.crossbars]
        await bench.until(lambda: len(answer) == sum(sizes))
        answer.take_all()
        expect("words in packets", sizes, answer.packets)
        await driver.finish()
        status = await control.read("status")
        expect("status", STATUS, status)

    async def _interrupt(self, bench: AxiBench) -> None:
        """Leave in the midst of training, with beats waiting everywhere."""
        experiment, driver = self.case.experiment, self._driver(bench)
        await driver.load(GoldenNetwork(experiment).state())
        for _ in range(4):
            driver.submit(random_drive(self.random, experiment.crossbars[0]), 0, experiment.learning_rate_shift(0))
        await bench.run(self.random.randrange(20, 200))

    def _stop(self, bench: AxiBench) -> None:
        """Let the host send no more of what it has begun to send."""
        for name in ("command", "x", "state_in"):
            model = bench.axi_source(name).model
            model.clear()
            model.assert_reset()

    async def _forget(self, bench: AxiBench) -> None:
        """Let the host receive what was still offered, and forget it."""
        await bench.run(20)
        for name in ("result", "state_out"):
            bench.axi_sink(name).forget()
        for name in ("commands", "results"):
            expect(name, 0, await self._count(bench, name))

    async def _discard(self, bench: AxiBench) -> None:
        """Results that go nowhere are counted."""
        driver, before = self._driver(bench), await self._count(bench, "results")
        await bench.control.write("results_to", route=Route.DISCARD)
        for _ in range(3):
            driver.submit_inference(random_drive(self.random, self.case.experiment.crossbars[0]))
        await driver.finish()
        await bench.run(20)
        expect("results", before + 3, await self._count(bench, "results"))
        expect("results kept", 0, len(bench.axi_sink("result")))


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def agrees_with_golden_twin(dut: Any) -> None:
    await run_in_cocotb(dut, AxiNetworkBench)
