"""Pair fine-tuned models with their base models by name: `m-sft` at the checkpoints of `m` is `m` after `sft`."""

import re

import pandas as pd

TUNED = {"sft", "dpo", "rlhf", "ppo", "orpo", "kto", "instruct", "chat", "tuned", "finetuned", "finetune", "ft", "lora",
         "qlora", "peft", "alpaca", "tulu"}  # fmt: skip
"""Words in the name of a model that was fine-tuned."""

_PART = re.compile(r"[^-_/., ]+")


def paired_by_name(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table with fine-tuned models renamed to their base models, their stage set, and a sentence for each.

    A model counts as the fine-tuned version of another one if its name is the other's with more before or after it,
    one of `TUNED` among it, and if they share a checkpoint.

    >>> from overtraining.figures.llm.tidy import Row, tidy_table
    >>> table, notes = paired_by_name(tidy_table([Row(name, "t", "acc", 0.5, step=1.0) for name in ("m", "m-sft")]))
    >>> table[["model", "stage", "perturbation"]].values.tolist()
    [['m', 'base', ''], ['m', 'fine-tuned', 'sft']]
    >>> notes
    ['m-sft is taken for m after sft, by its name']
    """
    base = table[table["stage"] == "base"]
    lengths = {str(model): set(rows["step"].fillna(rows["tokens"])) for model, rows in base.groupby("model")}
    notes = []
    for model, own in lengths.items():
        shared = [other for other, length in lengths.items() if length & own]
        found = [(other, change) for other in shared if (change := _change(other, model)) is not None]
        if not found:
            continue
        other, change = max(found, key=lambda pair: len(pair[0]))
        rows = (table["model"] == model) & (table["stage"] == "base")
        changed = {"model": other, "stage": "fine-tuned", "perturbation": change}
        table = table.assign(**{name: table[name].where(~rows, text) for name, text in changed.items()})
        notes.append(f"{model} is taken for {other} after {change}, by its name")
    return table, notes


def _change(base: str, model: str) -> str | None:
    """What the model's name has beside the base model's, if a word of it speaks of fine-tuning."""
    short, long = (_PART.findall(name.lower()) for name in (base, model))
    if not short or TUNED & set(short):
        return None
    for rest in (long[len(short) :] if long[: len(short)] == short else [],
                 long[: -len(short)] if long[-len(short) :] == short else []):  # fmt: skip
        if TUNED & set(rest):
            return " ".join(rest)
    return None
