"""The causes of a figure's time add up to what building it takes."""

from pathlib import Path
from time import perf_counter

from benchmarks.builds import CAUSES, profile_figure
from overtraining.figures.build_figure import MEASURING
from overtraining.figures.catalogue import CATALOGUE


def test_the_causes_of_a_figure_without_simulation(tmp_path: Path) -> None:
    name = "sum-rule-llm"
    (entry,) = (entry for entry in CATALOGUE if entry.name == name)
    assert not [r for r in entry.module().recipes().values() if r.source.startswith(MEASURING)]
    began = perf_counter()
    seconds = profile_figure((name, tmp_path))
    passed = perf_counter() - began
    assert 0 < sum(seconds[cause] for cause in CAUSES) <= passed
    assert seconds["compile"] == 0 < min(seconds["run"], seconds["draw"])
    assert seconds["MiB"] > 100
    assert (tmp_path / f"{name}.pdf").exists()
