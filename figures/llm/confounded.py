"""Check whether the learning rate changes along the checkpoints, so that it could explain an effect of tokens."""

import pandas as pd


def confounding(table: pd.DataFrame) -> dict[str, str]:
    """For every model a sentence: confounded, not confounded, or unknown.

    Checkpoints of one run with a schedule differ both in tokens and in learning rate. The ends of separately annealed
    runs do not, and neither do checkpoints at one constant learning rate.
    """
    return {str(model): _sentence(rows) for model, rows in table.groupby("model")}


def _sentence(rows: pd.DataFrame) -> str:
    learning_rates = rows["learning_rate"]
    if (rows["annealed"] == "yes").all():
        return "tokens and learning rate are not confounded: every checkpoint is the end of an annealed run of its own"
    if learning_rates.isna().any():
        return "unknown whether tokens and learning rate are confounded: the files do not give the learning rate"
    if learning_rates.nunique() == 1:
        return (
            "tokens and learning rate are not confounded: the learning rate is "
            f"{learning_rates.iloc[0]:g} at every checkpoint"
        )
    return (
        "tokens and learning rate are confounded in this run: the learning rate goes from "
        f"{learning_rates.max():g} to {learning_rates.min():g} along its checkpoints"
    )
