"""Simulators, testbenches, and the drivers that run golden model and RTL side by side."""
