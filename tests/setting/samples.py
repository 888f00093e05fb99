"""Small Responses from plain numbers."""

import numpy as np
import xarray as xr

from overtraining.setting.responses import response

BOTH = ("pretraining", "strength")


def make(after, before=None, *, stderr=None, lengths=None, **attributes) -> xr.Dataset:
    after = np.atleast_2d(np.asarray(after, float).T).T
    variables = {"before": (BOTH[:1], np.zeros(len(after)) if before is None else before), "after": (BOTH, after)}
    if stderr is not None:
        variables["after_stderr"] = (BOTH, np.broadcast_to(np.asarray(stderr, float), after.shape))
    return response(
        variables,
        {"pretraining": np.arange(len(after)) if lengths is None else lengths, "strength": np.arange(after.shape[1])},
        **{"method": "measurement", "source": "a test", "perturbation": "noise", "model": "toy"} | attributes,
    )
