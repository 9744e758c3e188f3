"""Samples in memory: the memory, the order in which samples are taken, and the reader that keeps a network fed."""
