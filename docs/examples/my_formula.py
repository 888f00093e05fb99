"""A formula of one's own: my_claim.py derives it, my_experiment.py could refute it."""

import numpy as np


def rise(sigma: np.ndarray | float, gamma: np.ndarray | float) -> np.ndarray | float:
    """The rise of the loss `½(σ − w2 w1)²`, at `w1 = w2 = √σ`, by noise of scale γ on both weights: `σγ² + ½γ⁴`."""
    return sigma * np.square(gamma) + np.power(gamma, 4) / 2
