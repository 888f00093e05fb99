"""Read run records of OpenLM: one annealed run per file, with 95% bounds of its validation losses (Gadre 2024)."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from overtraining.figures.llm.readers.files import File
from overtraining.figures.llm.tidy import UNKNOWN, Row

_WIDTH = 2 * 1.959963984540054  # width of a 95% interval in standard errors


def is_openlm(data: Mapping[str, Any]) -> bool:
    """Whether this is a run record."""
    return isinstance(data.get("results"), list) and isinstance(data.get("hyperparameters"), dict)


def read_openlm(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """One row per validation set; the standard error comes from the bounds over sequences, which are independent."""
    settings = data["hyperparameters"]
    final = settings.get("cd")
    for name in ("tokens", "params"):
        if name not in settings:
            raise file.refuse(f"hyperparameters.{name}", "it is missing", "add it, since it identifies the run")
    tokens, params = (
        file.not_negative(file.number(settings[name], f"hyperparameters.{name}"), f"hyperparameters.{name}")
        for name in ("tokens", "params")
    )
    architecture = PurePosixPath(str(settings.get("model", data.get("name", "unnamed")))).stem
    for i, result in enumerate(data["results"]):
        place = f"results[{i}]"
        if not isinstance(result, dict) or "loss" not in result:
            raise file.refuse(place, "it contains no loss", "leave the entry out")
        stderr = UNKNOWN
        for unit in ("sequences", "tokens"):
            low, high = (result.get(f"loss_{unit}_{side}_95") for side in ("lower", "upper"))
            if low is not None and high is not None:
                stderr = (file.number(high, place) - file.number(low, place)) / _WIDTH
                break
        if stderr < 0:
            raise file.refuse(place, "the upper bound is below the lower one", "exchange the two")
        yield Row(
            model=f"{data.get('dataset_name', 'unnamed')}-{architecture}",
            task=_validation_set(result.get("val_data")),
            metric="loss",
            value=file.number(result["loss"], f"{place}.loss"),
            stderr=stderr,
            tokens=tokens,
            params=params,
            learning_rate=UNKNOWN if final is None else file.number(final, "hyperparameters.cd"),
            annealed="unknown" if final is None else "yes",
            unit="nats",
            orientation="lower",
            source=str(file.path),
        )


def _validation_set(paths: Any) -> str:
    """The name of a validation set: the folder of its shards."""
    shards = paths if isinstance(paths, list) else [paths]
    return "+".join(PurePosixPath(str(shard)).parent.name or str(shard) for shard in shards)
