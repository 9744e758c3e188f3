"""Simulators: where they are, how designs are built for them, and how testbenches run on them."""
