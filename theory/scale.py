"""The range within which products of a closed form's arguments cannot overflow: one more check at the door."""

import numpy as np

from overtraining.setting.errors import DomainError

LARGEST = 1e75  # four factors of it stay below 1.8e308
SMALLEST = 1e-75


def moderate(sigma: np.ndarray, **others: np.ndarray) -> None:
    """Refuse numbers beyond 1e75 in size, and a sigma other than 0 below 1e-75: a change of units brings them back.

    >>> moderate(np.array(1e-80))
    Traceback (most recent call last):
    overtraining.setting.errors.DomainError: sigma: it is not 0 but below 1e-75. Instead: rescale units.
    """
    for name, x in {"sigma": sigma, **others}.items():
        if (np.abs(x) > LARGEST).any():
            raise DomainError(name, "it is beyond 1e75, where products overflow", "rescale units")
    if ((sigma > 0) & (sigma < SMALLEST)).any():
        raise DomainError("sigma", "it is not 0 but below 1e-75", "rescale units")
