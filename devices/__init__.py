"""Memory devices: what each kind is, how it is learned from measurements, and how it looks."""
