"""Responses of OLMo-1B at seven checkpoints, base and fine-tuned (Sun and Dredze 2024)."""

import xarray as xr

from overtraining.figures.llm.published_table import published, table_response, with_mean
from overtraining.setting.responses import validate

SIX_TASKS = ("arc_challenge", "arc_easy", "boolq", "hellaswag", "openbookqa", "sciq")


def after_tulu() -> xr.Dataset:
    """Six benchmarks before and after instruction tuning on TULU, and their mean."""
    return validate(with_mean(_response("TULU", SIX_TASKS)))


def after_mnli() -> xr.Dataset:
    """MNLI (matched) before and after fine-tuning on MNLI: a downstream objective."""
    return _response("MNLI", ("mnli_matched",))


def after_paws() -> xr.Dataset:
    """PAWS before and after fine-tuning on PAWS: a downstream objective."""
    return _response("PAWS", ("paws",))


def _response(tuned_on: str, tasks: tuple[str, ...]) -> xr.Dataset:
    rows = published()
    return table_response(rows[rows["perturbation"] == f"fine-tuning on {tuned_on}"], tasks)
