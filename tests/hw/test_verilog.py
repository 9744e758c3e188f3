"""The Verilog that simulators and synthesis get."""

import re

from spinloom.config import load
from spinloom.hw.neuron import Neuron
from spinloom.hw.verilog import to_verilog


def neuron():
    source, target = load("digits-dw5").crossbars
    return Neuron(source=source, target=target)


def test_it_is_the_same_every_time():
    assert to_verilog(neuron(), "top") == to_verilog(neuron(), "top")


def test_it_names_the_ports_of_streams_and_no_source_file():
    text = to_verilog(neuron(), "top")
    assert {"clk", "rst", "z__payload", "z__valid", "z__ready", "x__payload", "x__valid", "x__ready"} == set(
        re.findall(r"^ *(?:input|output) (?:\[\d+:\d+\] )?(\w+);", text[text.index("module top("):], re.MULTILINE))
    assert "src" not in text
    assert ".py" not in text


def test_combinational_processes_run_at_the_start():
    text = to_verilog(neuron(), "top")
    triggers = set(re.findall(r"if \((\\\$auto\S+) \) begin end", text))
    assert triggers
    assert triggers == set(re.findall(r"^ *initial (\\\$auto\S+) <= 0;", text, re.MULTILINE))
