"""What leaves the repository: Verilog and its description, counts of cells."""
