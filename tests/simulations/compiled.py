"""What was compiled: counted, where numbers must share it."""

from overtraining.simulations import runs


def programs() -> int:
    """Of pretraining and of what is done to its checkpoints, in this process."""
    return runs._train._cache_size() + runs._perturb._cache_size()
