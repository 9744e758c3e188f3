"""The host's end of a network in a system on chip."""
