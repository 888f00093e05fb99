"""What a noisy series of checkpoints says of a turning point, with intervals calibrated on synthetic series."""
