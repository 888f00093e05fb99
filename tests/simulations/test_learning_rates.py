"""Fine-tuning at many learning rates, against single runs and a search through them."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.perturbations import FineTuning, Noise
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import SmallGaussian
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent
from overtraining.simulations import learning_rates as rates
from overtraining.simulations.measurements import respond

PROTOCOL = Protocol(
    PowerLaw(3),
    (0.0, 6.0),
    (0.05, 0.1),
    Network(4, 3, 5),
    SmallGaussian(0.6),
    GradientDescent(0.1),
    FineTuning(RotatedTeacher(1.2, 1.5, frame_seed=15), GradientDescent(0.05)),
    sampling=Sampling(2, 2),
)


def test_learning_rates() -> None:
    """The grid against single runs; every checkpoint's best rate against a search through them; diverging ones left."""
    protocol = PROTOCOL
    grid, steps = (0.3, 0.4, 0.5, 0.6, 40.0), (4, 60)  # 0.6 diverges from one checkpoint only
    alone = [respond(one, 1) for one in rates.protocols_at_learning_rates(protocol, grid[:3], steps)]
    together = rates.respond_at_learning_rates(protocol, grid, 1, steps)
    assert together.learning_rate.values.tolist() == list(grid[:3])
    assert together.attrs["diverged"] == "0.6, 40.0"
    assert together.strength.attrs["units"] == "steps"
    for i, one in enumerate(alone):
        for name in one.data_vars:
            np.testing.assert_array_equal(together[name].isel(learning_rate=i), one[name])
    response, chosen = rates.tune_learning_rate(protocol, grid, 1, steps)
    score = np.stack([one.downstream_after.mean("seed") for one in alone])
    np.testing.assert_array_equal(chosen.learning_rate, np.array(grid)[score.argmin(axis=0)])
    assert len(np.unique(chosen.learning_rate)) > 1
    np.testing.assert_allclose(response.downstream_after.mean("seed"), score.min(axis=0), rtol=1e-12)
    picked = np.take_along_axis(np.stack([one.after for one in alone]), score.argmin(axis=0)[None, None], axis=0)[0]
    np.testing.assert_array_equal(response.after, picked)
    # by budgets in time: every rate reaches them with steps of its own
    timed = rates.respond_at_learning_rates(replace(protocol, strengths=(0.6,)), (0.1, 0.3), 1)
    assert timed.strength.values.tolist() == [0.6]
    assert timed.strength.attrs["units"] == "gradient-flow time"
    with pytest.raises(NotSolved, match="every rate"):
        rates.tune_learning_rate(protocol, (40.0,), 1, steps)
    with pytest.raises(NotSolved, match="every rate"):
        rates.respond_at_learning_rates(protocol, (40.0,), 1, steps)


def test_refusals() -> None:
    for wrong in (
        replace(PROTOCOL, perturbation=FineTuning(RotatedTeacher(1.0))),
        replace(PROTOCOL, perturbation=Noise()),
    ):
        with pytest.raises(DomainError, match="no learning rate"):
            rates.respond_at_learning_rates(wrong, (0.1,), 0)
    for grid in ((0.1, 0.1), (), ((0.1, 0.2),)):
        with pytest.raises(DomainError, match="not an increasing list"):
            rates.protocols_at_learning_rates(PROTOCOL, grid, (4,))
    with pytest.raises(DomainError, match="positive"):
        rates.protocols_at_learning_rates(PROTOCOL, (0.0, 0.1), (4,))
