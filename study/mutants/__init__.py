"""Mutation tests of the RTL: small faults, one at a time, and whether the tests notice them.

`recording` records what tests drive and what designs answer, `planting` makes mutants, `replay` runs them, and
``python -m spinloom.study.mutants`` does all of it. See `docs/mutants.md`.
"""
