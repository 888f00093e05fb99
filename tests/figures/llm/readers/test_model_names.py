"""Short names of models: the part that tells them apart, and never that of another model."""

import pytest

from overtraining.figures.llm.readers.model_names import without_shared_folders


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["/a/b/m"], ["m"]),
        (["/a/b/m", "/a/b/m"], ["m"]),
        (["/a/m", "/a/b/m"], ["m", "b/m"]),
        (["/a/b", "/a/b/m"], ["b", "m"]),
        (["/a/x/m", "/b/x/m"], ["a/x/m", "b/x/m"]),
        (["/a/run-step*/hf"], ["run-step*/hf"]),
        (["lab/m", "m"], []),
        (["/a/m", "m"], []),
        (["/"], []),
        ([], []),
    ],
)
def test_names(names: list[str], short: list[str]) -> None:
    assert list(without_shared_folders(names).values()) == short
