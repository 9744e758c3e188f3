"""What is found out about the whole: the energy of a training run, every preset in one table, every speed, and the
demonstration."""
