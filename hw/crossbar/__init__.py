"""The crossbar and its blocks."""
