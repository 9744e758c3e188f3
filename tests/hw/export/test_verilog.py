"""The Verilog that simulators and synthesis get."""

import re

from spinloom.config import load
from spinloom.hw.crossbar.programmer import StochasticProgrammer
from spinloom.hw.export.verilog import to_verilog
from spinloom.hw.neuron import Neuron


def neuron():
    source, target = load("digits-dw5").crossbars
    return Neuron(source=source, target=target)


def test_it_is_the_same_every_time():
    assert to_verilog(neuron(), "top") == to_verilog(neuron(), "top")


def test_it_names_the_ports_of_streams_and_no_source_file():
    text = to_verilog(neuron(), "top")
    top = text[text.index("module top("):].partition("endmodule")[0]
    assert {"clk", "rst", "z__payload", "z__valid", "z__ready", "x__payload", "x__valid", "x__ready"} == set(
        re.findall(r"^ *(?:input|output) (?:\[\d+:\d+\] )?(\w+);", top, re.MULTILINE))
    assert "src" not in text
    assert ".py" not in text


def test_every_combinational_process_runs_at_the_start():
    text = to_verilog(StochasticProgrammer(geometry=load("digits-dw5").crossbars[0]), "top")
    for module in text.split("endmodule")[:-1]:
        processes = re.findall(r"^ *always @\*.*\n(.*)$", module, re.MULTILINE)
        triggers = {re.fullmatch(r" *if \((\\\S+) \) begin end", first)[1] for first in processes}
        assert triggers <= set(re.findall(r"^ *initial (\\\S+) <= 0;$", module, re.MULTILINE))
    assert processes
