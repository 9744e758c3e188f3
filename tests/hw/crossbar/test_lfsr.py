"""hw.lfsr and hw.lfsr_bank against model.lfsr."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.contract.lfsr import LEAP
from spinloom.hw.crossbar.lfsr import Lfsr
from spinloom.hw.crossbar.lfsr_bank import LfsrBank
from spinloom.model.lfsr import Lfsr as GoldenLfsr
from spinloom.sim.testbenches.tb_lfsr import LfsrBench
from spinloom.sim.testbenches.testbench import Case


@pytest.mark.parametrize("seed", range(2))
def test_agrees_with_golden_twin(seed):
    LfsrBench(Case.random(seed)).simulate()


@pytest.mark.parametrize("init", [0, 1 << 32])
def test_a_state_out_of_range_is_refused(init):
    with pytest.raises(ValueError, match=f"init={init}: the state of an LFSR must be 1 to"):
        Lfsr(init=init)


@pytest.mark.parametrize("draws", [0, -1])
def test_a_step_draws_at_least_once(draws):
    with pytest.raises(ValueError, match=f"draws={draws}: must be at least 1"):
        Lfsr(draws=draws)
    with pytest.raises(ValueError, match=f"lanes={draws}: must be at least 1"):
        LfsrBank(lanes=draws)


@pytest.mark.parametrize("draws", [1, 2, 3, 8, 21])
@pytest.mark.parametrize("bank", [False, True])
def test_several_words_at_once_are_those_of_the_sequence(bank, draws):
    random = Random(draws)
    lfsr = LfsrBank(lanes=draws) if bank else Lfsr(draws=draws)

    async def testbench(ctx):
        twin = GoldenLfsr(1)
        for _ in range(60):
            assert ctx.get(lfsr.state) == twin.state
            state = twin.state
            words = twin.draw(draws).tolist()
            shown = ctx.get(lfsr.words) if bank else [ctx.get(lfsr.word) >> LEAP * i & 0xFFFF for i in range(draws)]
            assert list(shown) == words
            step, load = random.random() < 0.7, random.random() < 0.1
            ctx.set(lfsr.step, step)
            ctx.set(lfsr.load, load)
            ctx.set(lfsr.load_state, replacement := random.randrange(1, 1 << 32))
            await ctx.tick()
            twin.state = replacement if load else twin.state if step else state
            ctx.set(lfsr.load, 0)
            ctx.set(lfsr.step, 0)
            if load and bank:
                for _ in range(draws):
                    assert ctx.get(lfsr.filling)
                    await ctx.tick()
                assert not ctx.get(lfsr.filling)

    simulator = Simulator(lfsr)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
