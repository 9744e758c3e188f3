import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import pytest
import torch
from spinloom.model.compiled import threads

FORK = """
import os
from functools import partial
from spinloom.model.compiled.threads import together
def done():
    found = []
    together([partial(found.append, number) for number in range(3)])
    return sorted(found) == [0, 1, 2]
assert done()
child = os.fork()
if not child:
    os._exit(0 if done() else 1)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(("count", "products", "stops"), [
    (0, 1, [0]), (1, 1 << 30, [1]), (3, 1 << 30, [1, 2, 3]), (10, 1 << 30, [2, 5, 7, 10]), (10, 1, [10]),
    (10, threads.WORTH // 4, [5, 10])])
def test_work_is_shared_where_it_is_worth_it(count, products, stops):
    parts = threads.parts(count, products)
    assert [part.stop for part in parts] == stops
    assert [number for part in parts for number in part] == list(range(count))


def test_this_thread_does_what_no_other_has_begun(monkeypatch):
    busy, done = Event(), []
    pool = ThreadPoolExecutor(1)
    monkeypatch.setattr(threads, "_pool", lambda: pool)
    pool.submit(busy.wait)
    threads.together([partial(done.append, number) for number in range(3)])
    busy.set()
    pool.shutdown()
    assert done == [0, 1, 2]


def test_what_goes_wrong_in_another_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        threads.together([lambda: None, lambda: 1 // 0])


def test_the_threads_of_a_process_do_not_stay_behind_where_it_forks():
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=60)
