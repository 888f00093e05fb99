"""Annealed runs of Gadre et al. 2024: their losses, a fitted law, the law with quantization added, and its exponents.

The published law of quantization is `ΔL = cost · D^0.5251` with `cost = 0.017 / (N^0.2261 P^5.4967)`, for D tokens, N
non-embedding parameters and P bits (Ouyang et al. 2024, arXiv 2411.17691, figure 6; quoted from a secondary source).
"""

from functools import cache
from importlib.resources import as_file, files

import numpy as np
import pandas as pd
import xarray as xr

from overtraining.figures.described import millions
from overtraining.figures.llm.readers import read
from overtraining.figures.llm.statistics.scaling_law import FittedLaw, fit_law
from overtraining.setting.responses import response, trajectory

TRAINED, TASK = "rw_original", "paloma_falcon-refinedweb"  # trained and evaluated on RefinedWeb
SIZE = 359_973_888  # non-embedding parameters of the largest model with runs of all lengths
SOURCE = "law fitted to the runs of Gadre et al. 2024 (arXiv 2403.08540); not from this project's theory"

COEFFICIENT, GROWTH, SIZE_EXPONENT, BITS_EXPONENT = 0.017, 0.5251, 0.2261, 5.4967
PUBLISHED_LAW = {
    "coefficient": COEFFICIENT,
    "growth": GROWTH,
    "size_exponent": SIZE_EXPONENT,
    "bits_exponent": BITS_EXPONENT,
}
BASE_BETA = 0.399  # exponent with which the base loss of the same paper falls with tokens
BITS = (2.0, 3.0, 4.0)


def quantization_cost(params: float, bits: float) -> float:
    """The factor of `D^0.5251` in the published law of quantization, `0.017 / (N^0.2261 P^5.4967)`.

    >>> round(quantization_cost(1e9, 2.0) * 1.1e9**GROWTH, 3)
    0.194
    """
    return COEFFICIENT / (params**SIZE_EXPONENT * bits**BITS_EXPONENT)


@cache
def runs() -> pd.DataFrame:
    """The shipped losses, one row per run and validation set; params without embeddings."""
    with as_file(files("overtraining.figures.llm") / "annealed.csv") as path:
        table = read([path]).table
    return table.assign(trained=table["model"].str.split("-").str[0])


@cache
def law(trained: str = TRAINED, task: str = TASK, draws: int = 100) -> FittedLaw:
    """The law of all the runs with one training set, on one validation set."""
    rows = runs()
    rows = rows[(rows["trained"] == trained) & (rows["task"] == task)]
    params, tokens, value = (rows[name].to_numpy(float) for name in ("params", "tokens", "value"))
    return fit_law(params, tokens, value, draws)


def size_6m() -> xr.Dataset:
    """Losses of the runs with 6M parameters, and the law."""
    return _size(5_727_840)


def size_53m() -> xr.Dataset:
    """Losses of the runs with 53M parameters, and the law."""
    return _size(53_092_864)


def size_125m() -> xr.Dataset:
    """Losses of the runs with 125M parameters, and the law."""
    return _size(124_628_544)


def size_360m() -> xr.Dataset:
    """Losses of the runs with 360M parameters, and the law."""
    return _size(SIZE)


def _size(params: int) -> xr.Dataset:
    rows, fit = runs(), law()
    of_size = (rows["trained"] == TRAINED) & (rows["task"] == TASK) & (rows["params"] == params)
    rows = rows[of_size].sort_values("tokens")
    tokens = rows["tokens"].to_numpy(float)
    dims = ("pretraining",)
    return trajectory(
        {"loss": (dims, rows["value"]), "loss_stderr": (dims, rows["stderr"]), "law": (dims, fit.law(params, tokens))},
        {"pretraining": tokens},
        method="measurement",
        source=rows["source"].iloc[0],
        model=f"{millions(params)} parameters",
        units="nats",
        length_units="tokens",
        extra={"scatter": fit.scatter, "runs": fit.runs} | _range_of_sizes() | _constants(fit),
    )


def quantized() -> xr.Dataset:
    """The law at 360M parameters, and the law plus the published cost of quantization to 2, 3 and 4 bits."""
    tokens, fit = np.geomspace(1e9, 1e14, 241), law()
    before = fit.law(SIZE, tokens)
    costs = {bits: quantization_cost(float(SIZE), bits) for bits in BITS}
    after = before[:, None] + np.stack([cost * tokens**GROWTH for cost in costs.values()], axis=1)
    turning = [fit.law.turning_tokens(cost, GROWTH) for cost in costs.values()]
    return response(
        {"before": (("pretraining",), before), "after": (("pretraining", "strength"), after)},
        {"pretraining": tokens, "strength": list(BITS)},
        method="theory",
        source=SOURCE,
        perturbation="quantization",
        model=f"{millions(SIZE)} parameters",
        units="nats",
        length_units="tokens",
        strength_units="bits",
        strength_name="bits",
        extra={"turning": turning} | PUBLISHED_LAW,
    )


def exponents() -> xr.Dataset:
    """β of every training and validation set with its interval, and the reducible part of the loss at 360M."""
    pairs = [(trained, task) for trained in sorted(set(runs()["trained"])) for task in sorted(set(runs()["task"]))]
    fits = [law(trained, task) for trained, task in pairs]
    tokens = np.geomspace(1e9, 1e12, 7)
    reducible = np.array([fit.law.token_coefficient * tokens**-fit.law.beta for fit in fits])
    low, high = np.array([fit.interval("beta") for fit in fits]).T
    runs_per_task = sum(fit.runs for fit in fits) // len(set(runs()["task"]))
    return trajectory(
        {
            "reducible": (("fit", "pretraining"), reducible),
            "beta": (("fit",), [fit.law.beta for fit in fits]),
            "beta_low": (("fit",), low),
            "beta_high": (("fit",), high),
        },
        {"pretraining": tokens, "fit": [f"{trained} on {task}" for trained, task in pairs]},
        method="measurement",
        source=SOURCE,
        model=f"OpenLM, {' to '.join(millions(params) for params in _range_of_sizes().values())} parameters",
        length_units="tokens",
        extra={"growth": GROWTH, "base_beta": BASE_BETA, "runs": runs_per_task},
    )


def _range_of_sizes() -> dict[str, float]:
    """The smallest and the largest model of the runs, in parameters without embeddings."""
    params = runs()["params"]
    return {"smallest": float(params.min()), "largest": float(params.max())}


def _constants(fit: FittedLaw) -> dict[str, float]:
    low, high = fit.interval("beta")
    law = fit.law
    return {"E": law.irreducible, "alpha": law.alpha, "beta": law.beta, "beta_low": low, "beta_high": high}
