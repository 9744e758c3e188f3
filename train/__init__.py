"""Training: data sets, the loop, run folders, a host's optimiser, lock-step with hardware."""
