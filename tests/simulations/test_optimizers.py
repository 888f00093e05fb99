"""Optimizers against steps written by hand, schedules against optax's own, by value."""

from dataclasses import replace

import numpy as np
import optax
import pytest

from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.inputs import Inputs, input_covariance
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import SmallGaussian
from overtraining.setting.teachers import PowerLaw, teacher_matrix
from overtraining.setting.training import GradientDescent
from overtraining.simulations.measurements import initialize, pretrain

RATE, DECAY = 0.05, 0.3
STEPS = (0, 1, 2, 7)
BY_STEPS = Protocol(
    PowerLaw(3),
    tuple(RATE * n for n in STEPS),
    (0.0,),
    Network(4, 3, 5, depth=3),
    SmallGaussian(0.5),
    GradientDescent(RATE),
    inputs=Inputs(spectrum=(2.0, 1.0, 0.5, 0.25), shared=False),
)


def gradient(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Of `½ tr((W3W2W1 − A) Σx (W3W2W1 − A)ᵀ)`, by hand."""
    w1, w2, w3 = weights
    given = (PowerLaw(3), 5, 4)
    error = (w3 @ w2 @ w1 - teacher_matrix(*given)) @ input_covariance(BY_STEPS.inputs, *given)
    return [(w3 @ w2).T @ error, w3.T @ error @ w1.T, error @ (w2 @ w1).T]


def by_hand(how: GradientDescent, weights: list[np.ndarray], steps: int, shares: list[float]) -> list[np.ndarray]:
    """The weights after some steps; Adam's constants are those of Kingma and Ba 2015."""
    m, v = ([np.zeros_like(w) for w in weights] for _ in range(2))
    for k in range(steps):
        pull = how.weight_decay if how.optimizer != "adamw" else 0.0
        g = [g + pull * w for g, w in zip(gradient(weights), weights, strict=True)]
        if how.optimizer in ("adam", "adamw"):
            m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
            v = [0.999 * a + 0.001 * b**2 for a, b in zip(v, g, strict=True)]
            moves = [
                a / (1 - 0.9 ** (k + 1)) / (np.sqrt(b / (1 - 0.999 ** (k + 1))) + 1e-8)
                for a, b in zip(m, v, strict=True)
            ]
        else:
            m = moves = [
                (how.momentum if how.optimizer == "momentum" else 0) * a + b for a, b in zip(m, g, strict=True)
            ]
        if how.optimizer == "adamw":
            moves = [a + how.weight_decay * w for a, w in zip(moves, weights, strict=True)]
        weights = [w - how.learning_rate * shares[k] * a for w, a in zip(weights, moves, strict=True)]
    return weights


OPTIMIZERS = [
    GradientDescent(RATE, optimizer=name, weight_decay=decay, momentum=0.6)
    for name in ("sgd", "momentum", "adam", "adamw")
    for decay in (0.0, DECAY)
]


@pytest.mark.parametrize("how", OPTIMIZERS, ids=lambda how: f"{how.optimizer}-{how.weight_decay}")
def test_steps(how: GradientDescent) -> None:
    """At every checkpoint: W2 must not see the new W1, which one step tells, nor moments their wrong weights."""
    protocol = replace(BY_STEPS, pretraining=how)
    start = [np.asarray(layer.weight) for layer in initialize(protocol, 2)]
    found = pretrain(protocol, 2)
    assert {layer.weight.dtype for layer in found} == {np.dtype("float64")}
    for i, steps in enumerate(STEPS):
        expected = by_hand(how, start, steps, [1.0] * steps)
        for layer, w in zip(found, expected, strict=True):
            np.testing.assert_allclose(np.asarray(layer.weight)[i], w, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    ("schedule", "warmup", "decay", "horizon"),
    [
        ("constant", 0.0, 0.2, "each"),
        ("cosine", 0.0, 0.2, "last"),
        ("cosine", 0.0, 0.2, "each"),
        ("warmup-stable-decay", 0.25, 0.5, "last"),
        ("warmup-stable-decay", 0.25, 0.5, "each"),
        ("warmup-stable-decay", 0.0, 1.0, "last"),
        ("warmup-stable-decay", 0.5, 0.0, "last"),
    ],
)
def test_schedules(schedule: str, warmup: float, decay: float, horizon: str) -> None:
    """Against the same steps with optax's schedules, which count in whole steps; "each" anneals to every length."""
    how = GradientDescent(
        RATE, schedule=schedule, warmup_share=warmup, decay_share=decay, horizon=horizon, optimizer="sgd"
    )
    steps = (0, 4, 8, 20)
    protocol = replace(BY_STEPS, pretraining=how, lengths=tuple(RATE * n for n in steps))
    start, found = [np.asarray(layer.weight) for layer in initialize(protocol, 1)], pretrain(protocol, 1)
    for i, end in enumerate(steps):
        total = steps[-1] if horizon == "last" else end
        rate = {
            "constant": lambda total: optax.schedules.constant_schedule(1.0),
            "cosine": lambda total: optax.schedules.cosine_decay_schedule(1.0, max(total, 1)),
            "warmup-stable-decay": lambda total: optax.schedules.join_schedules(
                [
                    optax.schedules.linear_schedule(0.0, 1.0, int(warmup * total)),
                    optax.schedules.constant_schedule(1.0),
                    optax.schedules.linear_schedule(1.0, 0.0, int(decay * total)),
                ],
                [int(warmup * total), int((1 - decay) * total)],
            ),
        }[schedule](total)
        expected = by_hand(how, start, end, np.broadcast_to(rate(np.arange(20.0)), 20).tolist())
        for layer, w in zip(found, expected, strict=True):
            np.testing.assert_allclose(np.asarray(layer.weight)[i], w, rtol=1e-11, atol=1e-14)


def test_a_length_is_reached_by_steps_whatever_the_schedule() -> None:
    """A cosine's second half moves less than its first, and both horizons agree at the last length only."""
    annealed = (GradientDescent(RATE, schedule="cosine", horizon=horizon) for horizon in ("last", "each"))
    last, each = (np.asarray(pretrain(replace(BY_STEPS, pretraining=how), 0)[0].weight) for how in annealed)
    np.testing.assert_allclose(last[-1], each[-1], rtol=1e-13)
    assert np.abs(last[1] - each[1]).max() == 0  # the first step of a cosine has the peak rate
    assert np.abs(last[2] - each[2]).max() > 1e-4


def test_refusals() -> None:
    with pytest.raises(DomainError, match="not a multiple of the step"):
        pretrain(replace(BY_STEPS, pretraining=GradientDescent(0.07)), 0)
    with pytest.raises(DomainError, match="only 'warmup-stable-decay' warms up"):
        pretrain(replace(BY_STEPS, pretraining=GradientDescent(RATE, schedule="cosine", warmup_share=0.1)), 0)
    how = GradientDescent(4.0, optimizer="momentum")
    with pytest.raises(NotSolved, match="momentum at learning rate 4: it diverges"):
        pretrain(replace(BY_STEPS, pretraining=how, lengths=(0.0, 1000.0, 2000.0, 4000.0)), 0)
