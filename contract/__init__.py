"""What golden model and RTL share and neither owns: number formats, integer tables, random sequences."""
