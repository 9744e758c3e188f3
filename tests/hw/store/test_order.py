"""The order of samples that hardware computes, against its golden twin."""

from random import Random

import pytest
from amaranth.sim import Simulator
from spinloom.contract.permutation import permutation_key, permuted_order
from spinloom.hw.store.order import PermutedOrder, place_layout, places_layout
from spinloom.sim.benches.pins import AmaranthPins
from spinloom.sim.benches.streams import PinBench


def samples_at(requests, most, stall=0.0, permute=1):
    """The samples that the order of at most ``most`` gives for each of ``requests``: seed, epoch, count, first and last
    place. Also the clock cycles in which requests and samples were transferred."""
    order, found, cycles = PermutedOrder(most=most), [], []
    simulator = Simulator(order)
    simulator.add_clock(1e-6)

    async def testbench(ctx):
        bench = PinBench(AmaranthPins(ctx, order), Random(most), stall)
        places, samples = bench.source("places", places_layout(most)), bench.sink("samples", place_layout(most))
        places.put_all({"count": count, "first": first, "last": last, "permute": permute,
                        "key": permutation_key(seed, epoch)} for seed, epoch, count, first, last in requests)
        for *_, first, last in requests:
            await bench.until(lambda wanted=last - first + 1: len(samples) >= wanted)
            beats = [samples.take() for _ in range(last - first + 1)]
            assert [beat["last"] for beat in beats] == [0] * (last - first) + [1]
            found.append([beat["sample"] for beat in beats])
        await bench.run(100)
        assert len(samples) == 0
        cycles.extend([places.cycles, samples.cycles])

    simulator.add_testbench(testbench)
    simulator.run()
    return found, *cycles


def expected(requests):
    return [permuted_order(seed, epoch, count)[first:last + 1].tolist() for seed, epoch, count, first, last in requests]


@pytest.mark.parametrize("most", [1, 2, 17, 32])
def test_every_small_number_of_samples(most):
    requests = [(count, count % 3, count, 0, count - 1) for count in range(1, most + 1)]
    assert samples_at(requests, most)[0] == expected(requests)


@pytest.mark.parametrize(("most", "stall"), [(60_000, 0.0), (2**16, 0.5), (2**20 + 7, 0.8)])
def test_any_places_of_many_samples(most, stall):
    random, requests = Random(most), []
    for count in (most, random.randrange(1, most), random.randrange(1, most)):
        first = random.randrange(count)
        requests.append((random.getrandbits(32), random.randrange(1000), count, first, min(first + 7, count - 1)))
    assert samples_at(requests, most, stall)[0] == expected(requests)


def test_the_time_of_a_place():
    _, asked, given = samples_at([(1, 0, 300, 7, 9)], 300)
    assert given == [asked[0] + PermutedOrder.latency * place for place in (1, 2, 3)]


def test_without_permutation():
    found, asked, given = samples_at([(1, 0, 20, 3, 5), (1, 0, 20, 19, 19)], 20, permute=0)
    assert found == [[3, 4, 5], [19]]
    assert given[:3] == [asked[0] + place for place in (1, 2, 3)]
