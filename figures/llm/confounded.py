"""Does the learning rate change along the checkpoints, so that it could explain what is blamed on tokens?"""

import pandas as pd


def confounding(table: pd.DataFrame) -> dict[str, str]:
    """For every model a sentence: confounded, not confounded, or unknown.

    Checkpoints of one run with a schedule differ in tokens and in learning rate; ends of annealed runs of their own do
    not, and neither do checkpoints at one constant rate.
    """
    return {str(model): _sentence(rows) for model, rows in table.groupby("model")}


def _sentence(rows: pd.DataFrame) -> str:
    rates = rows["learning_rate"]
    if (rows["annealed"] == "yes").all():
        return "tokens and learning rate are not confounded: every checkpoint is the end of an annealed run of its own"
    if rates.isna().any():
        return "unknown whether tokens and learning rate are confounded: the files do not give the learning rate"
    if rates.nunique() == 1:
        return f"tokens and learning rate are not confounded: it is {rates.iloc[0]:g} at every checkpoint"
    return (
        "tokens and learning rate are confounded in this run: the learning rate goes from "
        f"{rates.max():g} to {rates.min():g} along its checkpoints"
    )
