"""What an experiment found: checks, each with its numbers, and the verdict that follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import xarray as xr
from scipy import stats

Verdict = Literal["agrees", "refuted", "limits-mapped"]


@dataclass(frozen=True)
class Check:
    """One question put to a run.

    passed: did the claim survive it? None where nothing was at stake: a limit of the claim was mapped.
    says: the answer in one sentence, with its numbers.  z: the z-scores behind it, where there are any.
    """

    name: str
    passed: bool | None
    says: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    z: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class Outcome:
    """All checks of a run, and the Responses and Trajectories that they were made on, by name."""

    checks: tuple[Check, ...]
    data: Mapping[str, xr.Dataset]

    @property
    def verdict(self) -> Verdict:
        """Refuted by a single failed check; limits-mapped if the claim's end was drawn as well; else agrees."""
        if any(check.passed is False for check in self.checks):
            return "refuted"
        return "limits-mapped" if any(check.passed is None for check in self.checks) else "agrees"

    @property
    def z(self) -> np.ndarray:
        """All z-scores."""
        return np.concatenate([np.empty(0), *(check.z for check in self.checks)])

    @property
    def max_abs_z(self) -> float | None:
        """The largest |z|, or None where the experiment is deterministic."""
        return float(np.abs(self.z).max()) if self.z.size else None

    @property
    def ks_p(self) -> float | None:
        """Kolmogorov–Smirnov test of all z-scores against the standard normal law."""
        return float(stats.kstest(self.z, "norm").pvalue) if self.z.size else None
