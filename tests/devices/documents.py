"""Random devices of every kind for property tests."""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st
from spinloom.devices.kinds import KINDS, parse_device, random_section
from spinloom.devices.specification import Device


def device_documents(kinds: Iterable[str] = KINDS) -> st.SearchStrategy[dict[str, Any]]:
    """The section ``device`` of a configuration: any of ``kinds``, as its own generator draws it; valid."""
    return st.builds(random_section, st.randoms(use_true_random=False), st.sampled_from(list(kinds)))


def specification(document: dict[str, Any]) -> Device:
    """The device of a section of a configuration."""
    return parse_device(document, "test")
