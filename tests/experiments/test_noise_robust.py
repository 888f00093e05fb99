"""The decision of noise-robust: weight decay against early stopping, and early stopping against long pretraining."""

import numpy as np
import pytest

from overtraining.experiments.noise_robust import LossesAfterNoise, judge_ranking
from overtraining.experiments.setups import NOISES


@pytest.mark.parametrize(
    ("decay", "path", "passed"),
    [
        (0.5, (1.0, 0.7, 0.9), True),
        (0.69, (1.0, 0.7, 0.9), False),  # no better than the best stop, by more than chance
        (0.5, (1.0, 0.7, 0.71), False),  # long pretraining no worse than the best stop
        (0.8, (1.0, 0.7, 0.9), False),
    ],
)
def test_the_ranking_must_be_more_than_chance(decay: float, path: tuple[float, ...], passed: bool) -> None:
    stderr = np.full(3, 0.01)
    decayed = LossesAfterNoise(np.array([decay]), stderr[:1], np.array([decay]))
    plain = LossesAfterNoise(np.array(path), stderr, np.array(path))
    assert judge_ranking([decayed] * len(NOISES), [plain] * len(NOISES)).passed is passed
