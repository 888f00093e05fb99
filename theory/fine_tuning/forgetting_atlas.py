"""D4, mapped over 105,000 tasks: where the cost of fine-tuning is monotone, where pretraining has an inflection.

Budgets are given as ‖B‖T, how far fine-tuning could get, so that tasks of every strength are asked alike.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import trajectory
from overtraining.setting.teachers import singular_values
from overtraining.theory.fine_tuning.forgetting_map import map_forgetting, random_tasks, turned_tasks
from overtraining.theory.fine_tuning.safe_budget import safe_budget

STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)  # ‖B‖/σ₁
ANGLES = tuple(np.linspace(0.0, 2.1, 15).tolist())
TRIALS = {"angle": 800, "shared": 750}  # of every strength and angle, or number of shared features
SEED = 0


def turned(asked: Protocol) -> xr.Dataset:
    """Shares of 84,000 turned teachers, over strength, angle and ‖B‖T: a Trajectory at one length (claim D4).

    asked: gives teacher and widths; its strengths are the values of ‖B‖T. `falls`: Δ falls from some plateau to the
    next.  turns: the loss after fine-tuning is lowest before the last plateau.  foreseen: of all features, for which
    the order T² says rightly whether they hurt.  largest_drop: of Δ, in units of ½‖A‖².  safe: the ‖B‖T up to which
    Δ cannot fall.
    """
    return _atlas(asked, "angle", np.array(ANGLES), "radians")


def partly_shared(asked: Protocol) -> xr.Dataset:
    """The same of 21,000 random tasks, over the number of features that they share with the teacher (claim D4)."""
    return _atlas(asked, "shared", np.arange(float(singular_values(asked.teacher).size)), "features")


def tasks(
    asked: Protocol, axis: str, places: Float[np.ndarray, " place"]
) -> Float[np.ndarray, "strength place trial d_out d_in"]:
    """The atlas's own tasks, `(strength, place, trial, d_out, d_in)`, in the teacher's frames.

    axis: "angle", places in radians, or "shared", places numbers of features.
    """
    draw = turned_tasks if axis == "angle" else random_tasks
    sigma, n = singular_values(asked.teacher), asked.network
    return draw(sigma, np.array(STRENGTHS), places, TRIALS[axis], SEED, n.d_out, n.d_in)


def _atlas(asked: Protocol, axis: str, places: np.ndarray, units: str) -> xr.Dataset:
    sigma, reach, drawn = singular_values(asked.teacher), np.array(asked.strengths), tasks(asked, axis, places)
    norms = sigma[0] * np.array(STRENGTHS)
    found = [map_forgetting(reach / norm, sigma, those) for norm, those in zip(norms, drawn, strict=True)]
    over = lambda of: np.stack([of(one) for one in found])[None]
    axes, safe = ("pretraining", "size", axis, "strength"), norms * safe_budget(sigma, norms).min(axis=-1)
    return trajectory(
        {"falls": (axes, over(lambda one: 1 - one.monotone)), "turns": (axes, over(lambda one: one.turns)),
         "foreseen": (axes, over(lambda one: one.foreseen.mean(axis=-1))),
         "largest_drop": (axes, over(lambda one: one.largest_drop)), "safe": (axes[:2], safe[None])},
        {"pretraining": [0.0], "size": ("size", list(STRENGTHS), {"units": "‖B‖/‖A‖"}),
         axis: (axis, places, {"units": units}), "strength": ("strength", reach, {"units": "‖B‖T"})},
        method="theory",
        source=f"claim D4 on {drawn[..., 0, 0].size:,} tasks",
        model="from plateau to plateau",
    )  # fmt: skip
