"""Random devices of every kind for property tests."""

from hypothesis import strategies as st
from pydantic import TypeAdapter
from spinloom.devices.specification import Device

SIGMA_LIMIT = 1023 / 16
"""Largest noise that the tables hold, in sub-levels."""


def number(low, high):
    """A figure as measured, or a round one: rounding has to hold at ties too."""
    return st.one_of(st.floats(low, high), st.integers(int(low * 16), int(high * 16)).map(lambda n: n / 16))


def one_or_each(draw, figure, count):
    return draw(figure) if draw(st.booleans()) else draw(st.lists(figure, min_size=count, max_size=count))


@st.composite
def device_documents(draw, kinds=("ideal", "domain_wall", "incremental", "pcm_pair", "mtj"), max_states=9):
    """The section ``device`` of a configuration: any of ``kinds``, every field drawn, valid."""
    kind, sub_bits = draw(st.sampled_from(kinds)), draw(st.integers(1, 6))
    widest = SIGMA_LIMIT / 2**sub_bits
    document = {"kind": kind, "sub_bits": sub_bits, "stuck": draw(st.sampled_from([0.0, 0.0, 0.01, 0.4, 1.0]))}
    if kind != "pcm_pair":
        document["states"] = states = draw(st.integers(2, max_states))
    if kind in ("domain_wall", "incremental", "pcm_pair"):
        document["variation"] = draw(st.one_of(st.just(0.0), number(0, min(0.9, widest))))
    match kind:
        case "domain_wall":
            document["sigma"] = one_or_each(draw, number(0, min(0.9, widest)), states)
            document["offset"] = one_or_each(draw, number(-0.4, 0.4), states)
        case "incremental":
            for name, figure in (("mean", number(-0.2, (states - 1) / 2)), ("sigma", number(0, min(0.9, widest)))):
                for way in ("up", "down"):
                    document[f"{way}_{name}"] = one_or_each(draw, figure, draw(st.integers(1, 20)))
        case "pcm_pair":
            document |= {
                "level": draw(number(0.375, 2)), "g_max": draw(number(2, 20)),
                "step_mean": [draw(number(0, 2)), draw(number(-0.1, 0))],
                "step_sigma": [draw(number(0, 0.1)), draw(number(0, 0.005))],
                "refresh_high": draw(st.floats(0, 1)), "refresh_low": draw(st.floats(0, 1)),
            }
        case "mtj":
            document |= {
                "curve": draw(st.sampled_from(["tanh", "switching_time"])), "steepness": draw(number(0.125, 9)),
                "thermal_stability": draw(st.floats(5, 100)), "pulse_length": draw(number(0.5, 9)),
                "pulse_bits": draw(st.sampled_from([None, 1, 2, 3, 4, 5, 6])),
            }
            for way in ("up", "down"):
                if draw(st.booleans()):
                    document[way] = one_or_each(draw, number(0, 1), states)
    return document


_ADAPTER = TypeAdapter(Device)


def specification(document):
    """The device of a section of a configuration; raises as ``config.parse`` does, but for the wording."""
    return _ADAPTER.validate_python(document)
