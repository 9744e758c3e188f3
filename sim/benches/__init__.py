"""Benches: what drives the streams of a design, in whatever runs it."""
