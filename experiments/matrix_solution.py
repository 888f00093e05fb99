"""matrix-solution (A5): the whole matrix f(t) from balanced starts turned away from the teacher, in any frame.

Protocol: starts turned by up to three quarters of π, rectangular and narrow networks, and starts with an imbalance λI.
Prediction: the matrix Riccati solution from the weights that the simulation started from, and the weights themselves.
Where it ends: a start on whose side the teacher cannot be reached stays in a saddle; an imbalance of 1e-3 frees it.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import follow, memoize, pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_bound
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Balanced
from overtraining.setting.teachers import Spectrum, singular_frames, teacher_matrix
from overtraining.simulations.data import training_loss
from overtraining.simulations.measurements import initialize
from overtraining.simulations.networks import Layer, Layers, product
from overtraining.simulations.pretraining import train_layers as integrate
from overtraining.simulations.training_plan import plan_training
from overtraining.theory.learning.matrix_rotation import matrix_weights
from overtraining.theory.learning.matrix_solution import balanced_weights, matrix_flow
from overtraining.theory.solvers.exact import follow as predict

SQUARE, WIDE, NARROW = Network(d_in=3, h=3, d_out=3), Network(d_in=5, h=6, d_out=3), Network(d_in=4, h=2, d_out=5)
WHY = "a hundred times the integrator's tolerance of 1e-8: local errors grow on the way out of the saddle"


def protocol(preset: Preset, network: Network = WIDE, angle: float = 0.7, imbalance: float = 0.0) -> Protocol:
    """Three features, of which a narrow network learns two."""
    return Protocol(
        Spectrum((1.0, 0.7, 0.4)),
        lengths=np.linspace(0, 24, 9 if preset == "quick" else 49),
        strengths=(0.0,),
        network=network,
        start=Balanced(0.02, angle, imbalance),
    )


def run(preset: Preset, key: int) -> Outcome:
    """Products from many starts, the weights of one, and the saddle with its cure."""
    turned = [protocol(preset, network, angle) for network in (WIDE, NARROW) for angle in (0.2, 1.0, 2.3)]
    lopsided = [protocol(preset, NARROW, imbalance=lam) for lam in (-0.5, 0.5)]
    checks = (
        _products("product, any angle and shape (A5)", turned, key),
        _products("product, λ-balanced (A5)", lopsided, key),
        _weights(turned[1], key),
        *_saddle(protocol(preset, SQUARE), key),
    )
    return Outcome(checks, {"theory": predict(turned[1]), "measured": follow(turned[1], key)})


def _products(name: str, setup: Sequence[Protocol], key: int) -> Check:
    predicted, measured = [], []
    for i, one in enumerate(setup):
        w1, w2 = _matrices(initialize(one, key + i))
        predicted.append(matrix_flow(np.array(one.lengths), w1, w2, _teacher(one)).product.ravel())
        measured.append(np.asarray(product(pretrain(one, key + i))).ravel())
    return judge_bound(name, np.concatenate(predicted), np.concatenate(measured), 1e-6, WHY)


def _weights(setup: Protocol, key: int) -> Check:
    w1, w2 = _matrices(initialize(setup, key))
    predicted = matrix_weights(np.array(setup.lengths), w1, w2, _teacher(setup))
    closed, found = (np.concatenate([w.ravel() for w in pair]) for pair in (predicted, _matrices(pretrain(setup, key))))
    return judge_bound("the weights themselves (A5)", closed, found, 1e-6, WHY)


def _saddle(setup: Protocol, key: int) -> list[Check]:
    """From `f₀ = ε U diag(1, 1, −1) Vᵀ`, whose determinant has the other sign, with and without an imbalance."""
    left, _, right = singular_frames(setup.teacher, 3, 3)
    start, checks, losses = 0.02 * (left * [1.0, 1.0, -1.0]) @ right, [], []
    times = np.array(setup.lengths)
    for name, lam in (("a determinant of the wrong sign (A5)", 0.0), ("an imbalance of 1e-3 cures it (A5)", 1e-3)):
        w1, w2 = balanced_weights(start, 3, lam)
        flow = matrix_flow(times, w1, w2, _teacher(setup), lam)
        found = _flowed(setup, w1, w2, key)
        losses.append(float(((found[-1] - _teacher(setup)) ** 2).sum() / 2))
        checks.append(judge_bound(name, flow.product, found, 1e-6, WHY))
    lost = 0.4**2 / 2
    answer = f"loss at t = {times[-1]:g}: {losses[0]:.4f} of a feature worth {lost:.4f}; with λ = 1e-3: {losses[1]:.2g}"
    stays = Check("the saddle holds a whole feature", losses[0] > 0.99 * lost and losses[1] < lost / 2, answer)
    return [*checks, stays]


@memoize
def _flowed(setup: Protocol, w1: np.ndarray, w2: np.ndarray, key: int) -> np.ndarray:
    """The product at every length, from these weights."""
    plan, numbers = plan_training(setup)
    loss = training_loss(numbers.problem, "linear", None, None, jax.random.key(key))
    layers = (Layer(jnp.asarray(w1)), Layer(jnp.asarray(w2)))
    seen, solved = integrate(layers, loss, plan.pretraining, numbers.lengths, numbers.pretraining)
    assert bool(solved)
    return np.asarray(product(seen))


def _matrices(layers: Layers) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.asarray(layer.weight) for layer in layers)
    return first, second


def _teacher(setup: Protocol) -> np.ndarray:
    return teacher_matrix(setup.teacher, setup.network.d_out, setup.network.d_in)
