"""Training: what is refused, and the shares of warm-up and decay that are allowed."""

from dataclasses import asdict

import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.training import GradientDescent, GradientFlow


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda: GradientDescent(schedule="linear"), DomainError),
        (lambda: GradientDescent(momentum=1.0), DomainError),
        (lambda: GradientDescent(warmup_share=0.5, decay_share=0.6), DomainError),
        (lambda: GradientDescent(batch=0), DomainError),
        (lambda: GradientFlow(weight_decay=-1.0), DomainError),
    ],
)
def test_training_refuse(build, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        build()


def test_what_is_not_said_is_part_of_the_result() -> None:
    """Another default would change what a stored protocol means."""
    assert asdict(GradientDescent(0.1)) == {
        "learning_rate": 0.1,
        "batch": None,
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup_share": 0.0,
        "decay_share": 0.2,
        "horizon": "last",
    }


def test_shares_may_fill_the_run_and_no_more() -> None:
    assert GradientDescent(warmup_share=0.0, decay_share=1.0).decay_share == 1.0
    assert GradientDescent(warmup_share=0.4, decay_share=0.6).warmup_share == 0.4
    with pytest.raises(DomainError, match=r"warmup_share \+ decay_share = 1.1"):
        GradientDescent(warmup_share=0.5, decay_share=0.6)
    with pytest.raises(DomainError, match=r"warmup_share = 1.0.*Instead: pass 0 <= warmup_share < 1"):
        GradientDescent(warmup_share=1.0, decay_share=0.0)


@pytest.mark.parametrize("field", ["momentum", "warmup_share", "decay_share", "weight_decay"])
def test_negative_numbers_are_refused_by_their_field(field: str) -> None:
    with pytest.raises(DomainError, match=f"{field} = -0.1"):
        GradientDescent(**{field: -0.1})


@pytest.mark.parametrize(
    ("field", "known"), [("optimizer", "'adamw'"), ("schedule", "'cosine'"), ("horizon", "'each'")]
)
def test_unknown_names_are_refused_with_the_known_ones(field: str, known: str) -> None:
    with pytest.raises(DomainError, match=f"{field} = 'no'.*{known}"):
        GradientDescent(**{field: "no"})


def test_numbers_become_floats() -> None:
    flow = GradientFlow(rtol=np.float64(0.5), weight_decay=np.float64(1))
    assert (type(flow.rtol), type(flow.weight_decay)) == (float, float)
    assert GradientDescent(np.float64(1), batch=4) == GradientDescent(1.0, batch=4)
