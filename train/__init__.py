"""Training on the golden model: data sets, the loop, run folders, hosts; and lock-step with hardware."""
