"""OpenLM run records: one annealed run per file, its validation losses with 95% bounds (Gadre et al. 2024)."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from overtraining.figures.llm.readers.files import File
from overtraining.figures.llm.tidy import UNKNOWN, Row

_WIDTH = 2 * 1.959963984540054  # of a 95% interval, in standard errors


def is_openlm(data: Mapping[str, Any]) -> bool:
    """Is this a run record?"""
    return isinstance(data.get("results"), list) and isinstance(data.get("hyperparameters"), dict)


def read_openlm(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """One row per validation set; its standard error from the bounds over sequences, the independent units."""
    settings, final = data["hyperparameters"], data["hyperparameters"].get("cd")
    for name in ("tokens", "params"):
        if name not in settings:
            raise file.refuse(f"hyperparameters.{name}", "it is missing", "add it: a run is placed by it")
    tokens, params = (
        file.not_negative(file.number(settings[name], f"hyperparameters.{name}"), f"hyperparameters.{name}")
        for name in ("tokens", "params")
    )
    architecture = PurePosixPath(str(settings.get("model", data.get("name", "unnamed")))).stem
    for i, result in enumerate(data["results"]):
        place = f"results[{i}]"
        if not isinstance(result, dict) or "loss" not in result:
            raise file.refuse(place, "it holds no loss", "leave the entry out")
        stderr = UNKNOWN
        for of in ("sequences", "tokens"):
            low, high = (result.get(f"loss_{of}_{side}_95") for side in ("lower", "upper"))
            if low is not None and high is not None:
                stderr = (file.number(high, place) - file.number(low, place)) / _WIDTH
                break
        if stderr < 0:
            raise file.refuse(place, "the upper bound is below the lower one", "exchange them")
        yield Row(
            model=f"{data.get('dataset_name', 'unnamed')}-{architecture}", task=_validation_set(result.get("val_data")),
            metric="loss", value=file.number(result["loss"], f"{place}.loss"), stderr=stderr, tokens=tokens,
            params=params, learning_rate=UNKNOWN if final is None else file.number(final, "hyperparameters.cd"),
            annealed="unknown" if final is None else "yes", unit="nats", orientation="lower", source=str(file.path),
        )  # fmt: skip


def _validation_set(paths: Any) -> str:
    """The folder that a validation set's shards lie in."""
    shards = paths if isinstance(paths, list) else [paths]
    return "+".join(PurePosixPath(str(shard)).parent.name or str(shard) for shard in shards)
