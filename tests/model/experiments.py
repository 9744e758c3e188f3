"""Random small experiments for property tests."""

import numpy as np
import torch
from hypothesis import strategies as st
from spinloom.config import Experiment

from ..devices.documents import device_documents


def random_samples(experiment: Experiment, count: int, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Inputs of which two in five are zero, int64 (count, inputs), and labels, int64 (count,)."""
    random = np.random.default_rng(seed)
    form = experiment.input.format
    xs = random.integers(form.minimum, form.maximum, (count, experiment.input.count), endpoint=True)
    xs[random.random(xs.shape) < 0.4] = 0
    return torch.from_numpy(xs), random.integers(0, experiment.layers[-1].cols, count)


@st.composite
def experiments(draw, max_layers: int = 3) -> Experiment:
    """Experiments of 1 to ``max_layers`` small layers over every choice of the configuration."""
    count = draw(st.integers(1, max_layers))
    kind = draw(st.sampled_from(["unsigned", "signed", "ternary"]))
    device = draw(device_documents())
    if device["kind"] == "mtj" and draw(st.booleans()):
        update = {"rounding": "stochastic", "residual": "none", "threshold": draw(st.sampled_from([0.25, 0.5, 1.0]))}
    else:
        update = {"residual": draw(st.sampled_from(["verified", "nominal"])),
                  "threshold": draw(st.sampled_from([0.3, 0.5, 1.0]))}
    layers = []
    for index in range(count):
        layer = {
            "cols": draw(st.integers(1, 6)), "bias": draw(st.booleans()), "weight_step": draw(st.integers(-5, 0)),
            "z_bits": draw(st.integers(4, 12)), "z_frac": draw(st.integers(1, 3)),
            "delta_bits": draw(st.integers(5, 16)), "delta_frac": draw(st.integers(1, 4)),
            "chi_bits": draw(st.integers(12, 24)), "chi_frac": draw(st.integers(device["sub_bits"], 10)),
        }
        if index < count - 1:
            layer["neuron"] = draw(st.sampled_from(["relu", "sigmoid", "hard_tanh", "ternary"]))
            layer["activation_bits"] = draw(st.integers(2, 12))
        layers.append(layer)
    shift = draw(st.integers(0, 4))
    document = {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "batch": draw(st.sampled_from([1, 1, 2, 5])),
        "learning_rate_shifts": [shift, shift + draw(st.integers(0, 2))],
        "init_spread": draw(st.sampled_from([0.5, 1.0, 2.0])),
        "loss": draw(st.sampled_from(["cross_entropy", "squared_hinge"])),
        "input": {"count": draw(st.integers(1, 6)), "kind": kind,
                  "bits": 2 if kind == "ternary" else draw(st.integers(2, 12))},
        "device": device,
        "update": update,
        "write": {"margin": draw(st.sampled_from([0.0, 0.25])), "max_attempts": draw(st.integers(1, 5))},
        "converters": {"read_noise": draw(st.sampled_from([0.0, 0.3, 63.9]))},
        "layers": layers,
    }
    # A shift that would come out negative is mended by a smaller step or rate, or a finer error.
    for _ in range(40):
        try:
            return Experiment.model_validate(document)
        except ValueError as error:
            text = str(error)
            index = int(text.partition("layers[")[2][:1] or 0)
            if "adc_shift" in text:
                layers[index]["weight_step"] -= 1
            elif "error_shift" in text:
                layers[index]["delta_frac"] += 1
                layers[index]["delta_bits"] = max(layers[index]["delta_bits"], layers[index]["delta_frac"] + 1)
            elif "update_shift" in text:
                document["learning_rate_shifts"] = [s + 1 for s in document["learning_rate_shifts"]]
            else:
                raise
    raise AssertionError(f"cannot be mended: {document}")
