"""The hardware design: Amaranth components, their Verilog, and what they cost."""
