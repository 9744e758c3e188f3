"""Random small experiments and samples for property tests."""

from functools import partial

import numpy as np
import torch
from hypothesis import strategies as st
from spinloom.config import Experiment
from spinloom.random_experiment import random_experiment


def random_samples(experiment: Experiment, count: int, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Inputs of which two in five are zero, int64 (count, inputs), and labels, int64 (count,)."""
    random = np.random.default_rng(seed)
    form = experiment.input.format
    xs = random.integers(form.minimum, form.maximum, (count, experiment.input.count), endpoint=True)
    xs[random.random(xs.shape) < 0.4] = 0
    return torch.from_numpy(xs), random.integers(0, experiment.layers[-1].cols, count)


def experiments(convolutions: bool = False) -> st.SearchStrategy[Experiment]:
    """Experiments of a few small layers over every choice of the configuration; one that fails is made simpler."""
    return st.builds(partial(random_experiment, convolutions=convolutions, reads=convolutions, wires=True),
                     st.randoms(use_true_random=False))
