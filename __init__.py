"""Spinloom: hardware generator and bit-exact golden model for networks that train inside a crossbar."""
