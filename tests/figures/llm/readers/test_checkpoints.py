"""Checkpoints in names."""

from overtraining.figures.llm.readers.checkpoints import checkpoint


def test_no_checkpoint() -> None:
    for name in ("pythia-1.4b", "footstep7", "v2", "stepping"):
        assert not checkpoint(name).known
