"""Threads that share what compiled code does in a call."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch

WORTH = 1 << 22
"""Products that another thread must take over: fewer are computed before it has begun."""


def parts(count: int, products: int) -> list[range]:
    """``count`` pieces of work of so many ``products`` each, in parts: one for each thread that is worth it. There are
    no more threads than those of PyTorch (`torch.set_num_threads`)."""
    threads = max(1, min(torch.get_num_threads(), count, count * products // WORTH))
    return [range(*bounds) for bounds in pairwise(count * thread // threads for thread in range(threads + 1))]


def together(tasks: Sequence[Callable[[], None]]) -> None:
    """Do all ``tasks``: the first of them in this thread, and then those that no other thread has begun."""
    others = [(_pool().submit(task), task) for task in tasks[1:]]
    tasks[0]()
    for future, task in others:
        if future.cancel():
            task()
        else:
            future.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="spinloom")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # the threads stay behind
