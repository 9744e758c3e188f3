"""Crossbars that are driven alike, wherever they are: the protocol, and who implements it."""
