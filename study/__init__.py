"""What a device researcher asks: a device from its measurements, its picture, and the energy of a training run."""
