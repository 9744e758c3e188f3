"""Boards that a network can be built for."""
