"""Annealed runs of Gadre et al. 2024: losses along a law, the law with a price of quantization, and its exponents."""

from functools import cache
from importlib.resources import as_file, files

import numpy as np
import pandas as pd
import xarray as xr

from overtraining.figures.llm.quantization import BASE_BETA, BITS, GROWTH, price
from overtraining.figures.llm.readers import read
from overtraining.figures.llm.statistics.scaling_law import Fit, fit
from overtraining.setting.responses import response, trajectory

TRAINED, TASK = "rw_original", "paloma_falcon-refinedweb"  # trained and judged on RefinedWeb
SIZE = 359_973_888  # non-embedding parameters of the largest model with runs of all lengths
SOURCE = "law fitted to the runs of Gadre et al. 2024 (arXiv 2403.08540); no theory of ours"


@cache
def runs() -> pd.DataFrame:
    """The shipped losses, one row per run and validation set; params without embeddings."""
    with as_file(files("overtraining.figures.llm") / "annealed.csv") as path:
        table, _ = read([path])
    return table.assign(trained=table["model"].str.split("-").str[0])


@cache
def law(trained: str = TRAINED, task: str = TASK, draws: int = 100) -> Fit:
    """The law of all the runs with one training set, on one validation set."""
    rows = runs()
    rows = rows[(rows["trained"] == trained) & (rows["task"] == task)]
    params, tokens, value = (rows[name].to_numpy(float) for name in ("params", "tokens", "value"))
    return fit(params, tokens, value, draws)


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
    rows, found = runs(), law()
    rows = rows[(rows["trained"] == TRAINED) & (rows["task"] == TASK) & (rows["params"] == params)].sort_values(
        "tokens"
    )
    tokens, dims = rows["tokens"].to_numpy(float), ("pretraining",)
    return trajectory(
        {
            "loss": (dims, rows["value"]), "loss_stderr": (dims, rows["stderr"]),
            "law": (dims, found.law(params, tokens)),
        },
        {"pretraining": tokens},
        method="measurement", source=rows["source"].iloc[0], model=f"{params / 1e6:.0f}M parameters", units="nats",
        length_units="tokens", extra={"scatter": found.scatter, "runs": found.runs} | _constants(found),
    )  # fmt: skip


def quantized() -> xr.Dataset:
    """The law at 360M parameters, and with the published price of quantization to 2, 3 and 4 bits added."""
    tokens, found = np.geomspace(1e9, 1e14, 241), law()
    before, n = found.law(SIZE, tokens), float(SIZE)
    after = before[:, None] + np.stack([price(n, bits) * tokens**GROWTH for bits in BITS], axis=1)
    turning = {f"turning_{bits:.0f}": found.law.turning(price(n, bits), GROWTH) for bits in BITS}
    return response(
        {"before": (("pretraining",), before), "after": (("pretraining", "strength"), after)},
        {"pretraining": tokens, "strength": list(BITS)},
        method="theory", source=SOURCE, perturbation="quantization", model="360M parameters", units="nats",
        length_units="tokens", strength_units="bits", strength_name="bits", extra=turning,
    )  # fmt: skip


def exponents() -> xr.Dataset:
    """β of every training and validation set with its interval, and the reducible part of the loss at 360M."""
    pairs = [(trained, task) for trained in sorted(set(runs()["trained"])) for task in sorted(set(runs()["task"]))]
    fits = [law(trained, task) for trained, task in pairs]
    tokens = np.geomspace(1e9, 1e12, 7)
    reducible = np.array([f.law.B * tokens**-f.law.beta for f in fits])
    low, high = np.array([f.interval("beta") for f in fits]).T
    return trajectory(
        {
            "reducible": (("fit", "pretraining"), reducible), "beta": (("fit",), [f.law.beta for f in fits]),
            "beta_low": (("fit",), low), "beta_high": (("fit",), high),
        },
        {"pretraining": tokens, "fit": [f"{trained} on {task}" for trained, task in pairs]},
        method="measurement", source=SOURCE, model="OpenLM, 6M to 6.7B parameters", length_units="tokens",
        extra={"growth": GROWTH, "base_beta": BASE_BETA, "runs": sum(f.runs for f in fits) // len(set(runs()["task"]))},
    )  # fmt: skip


def _constants(found: Fit) -> dict[str, float]:
    low, high = found.interval("beta")
    return {"E": found.law.E, "alpha": found.law.alpha, "beta": found.law.beta, "beta_low": low, "beta_high": high}
