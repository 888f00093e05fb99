"""Statistics of noisy series of checkpoints: turning points, declines, scaling laws, predictions, sample sizes."""
