"""Pair fine-tuned models with their base models by name: `m-sft` at the checkpoints of `m` is `m` after `sft`."""

import re
from collections.abc import Iterator

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
    unchanged = table[table["stage"] == "base"]
    lengths = {str(model): set(rows["step"].fillna(rows["tokens"])) for model, rows in unchanged.groupby("model")}
    parts = {model: tuple(_PART.findall(model.lower())) for model in lengths}
    bases = {words: model for model, words in parts.items() if words and not TUNED & set(words)}
    notes = []
    for model, words in parts.items():
        pairs = ((bases[short], rest) for short, rest in _splits(words) if short in bases and TUNED & set(rest))
        base, rest = next((pair for pair in pairs if lengths[pair[0]] & lengths[model]), ("", ()))
        if base:
            rows = (table["model"] == model) & (table["stage"] == "base")
            changed = {"model": base, "stage": "fine-tuned", "perturbation": " ".join(rest)}
            table = table.assign(**{name: table[name].where(~rows, text) for name, text in changed.items()})
            notes.append(f"{model} is taken for {base} after {changed['perturbation']}, by its name")
    return table, notes


def _splits(words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Every beginning and every end of a name, the longest first, and what is left of it."""
    for size in range(len(words) - 1, 0, -1):
        yield words[:size], words[size:]
        yield words[-size:], words[:-size]
