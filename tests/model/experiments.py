"""Random small experiments for property tests."""

from hypothesis import strategies as st
from spinloom.config import Experiment


@st.composite
def experiments(draw, max_layers: int = 3) -> Experiment:
    """Experiments of 1 to ``max_layers`` small layers over every choice of the configuration."""
    count = draw(st.integers(1, max_layers))
    kind = draw(st.sampled_from(["unsigned", "signed", "ternary"]))
    states = draw(st.sampled_from([2, 3, 5]))
    device = draw(st.sampled_from([
        {"kind": "ideal"}, {"kind": "domain_wall", "sigma": 0.2},
        {"kind": "domain_wall", "sigma": [0.1 + 0.1 * s for s in range(states)], "offset": 0.1},
    ])) | {"states": states, "sub_bits": draw(st.integers(1, 4))}
    layers = []
    for index in range(count):
        layer = {
            "cols": draw(st.integers(1, 6)), "bias": draw(st.booleans()), "weight_step": draw(st.integers(-5, 0)),
            "z_bits": draw(st.integers(4, 12)), "z_frac": draw(st.integers(1, 3)),
            "delta_bits": draw(st.integers(5, 16)), "delta_frac": draw(st.integers(1, 4)),
            "chi_bits": draw(st.integers(12, 24)), "chi_frac": draw(st.integers(4, 10)),
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
        "update": {"residual": draw(st.sampled_from(["verified", "nominal"])),
                   "threshold": draw(st.sampled_from([0.3, 0.5, 1.0]))},
        "write": {"margin": draw(st.sampled_from([0.0, 0.25])), "max_attempts": draw(st.integers(1, 5))},
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
