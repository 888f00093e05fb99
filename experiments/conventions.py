"""conventions (B6): the cost of noise of fixed size, or in proportion to the start, a layer or each weight; rounding.

Protocol: random weights and inputs of unequal variances, where the cost of noise is exact in all four units; the
aligned path with white inputs, where the cost grows along pretraining in all of them. Predictions: the four costs;
the exact cost of rounding each layer to b bits; the mean cost of rounding to a fixed step, over hidden frames; the mean
cost of dithered rounding, whatever the frame. Refuted if a z-score, the growth, or a cost of rounding deviates.
Limits: rounding relative to a layer's largest weight does not always cost more with length (two features, 4 bits), and
noise of the same variance does not predict its cost.
"""

from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import pretrain, respond, rise_and_spread
from overtraining.experiments.verdict import Check, Outcome, judge_bound, judge_z_scores, map_limit
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import Noise, Quantization, bits
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import Aligned, SmallGaussian
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations.data import LearningProblem, learning_problem, population_loss
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.measurements import initialize
from overtraining.simulations.networks import Layer, Layers
from overtraining.simulations.perturbations import compress
from overtraining.theory.sensitivity.conventions import (
    absmax_step,
    increase_in_convention,
    rounding_increase_at,
    rounding_model_scale,
)
from overtraining.theory.solvers.exact import respond as predict

SAME = "the same weights"
CONVENTIONS = ("absolute", "initialization", "relative", "multiplicative")


def protocol(preset: Preset, convention: str = "absolute") -> Protocol:
    """Four features in a 5→6→4 network, from random weights; inputs of unequal variances along axes of their own."""
    return Protocol(
        PowerLaw(4),
        lengths=(0.0, 1.0, 3.0, 12.0),
        strengths=(0.1, 0.3),
        network=Network(d_in=5, h=6, d_out=4),
        start=SmallGaussian(0.3),
        inputs=Inputs(spectrum=(2.0, 1.5, 1.0, 0.5, 0.25), shared=False),
        perturbation=Noise(convention=convention),
        sampling=Sampling(draws=2048 if preset == "quick" else 65536),
    )


@in_double_precision
def run(preset: Preset, key: int) -> Outcome:
    """The cost in each unit and its growth, the exact cost of rounding, and where that does not grow with length."""
    checks = [_cost(protocol(preset, name), 10 * i, key) for i, name in enumerate(CONVENTIONS)]
    white = Inputs(spectrum=(1.0,) * 5)  # given explicitly, to use the program compiled for unequal variances
    path = replace(protocol(preset), start=Aligned(1e-2), inputs=white, lengths=(0.0, 1.0, 3.0, 30.0))
    checks += [_grows(path, key), _rounding(replace(path, sampling=Sampling()), key)]
    checks += [_mean_rounding(path, preset, key), _dithered(path, key), _two_features()]
    return Outcome(tuple(checks), {name: rise_and_spread(protocol(preset, name), key) for name in CONVENTIONS[:1]})


def _cost(setup: Protocol, offset: int, key: int) -> Check:
    """The rise under noise at the weights of each run, so that nothing depends on the run's hidden frame."""
    assert isinstance(setup.perturbation, Noise)
    gamma, convention = np.array(setup.strengths), setup.perturbation.convention
    covariance = resolve(setup).input_covariance
    pretraining = _pretraining_only(setup)
    z, leverage = [], []
    for run_key in (100 * number + offset for number in range(key, key + 3)):
        first, second = (float(jnp.sqrt(jnp.mean(layer.weight**2))) for layer in initialize(pretraining, run_key))
        increase = partial(
            increase_in_convention, convention, input_covariance=covariance, initial_scales=(first, second)
        )
        weights = [np.asarray(layer.weight) for layer in pretrain(pretraining, run_key)]
        expected = np.stack([increase(w1, w2, gamma, gamma) for w1, w2 in zip(*weights, strict=True)])
        measured = rise_and_spread(setup, run_key)
        stderr = measured.rise_stderr.values
        z.append(((measured.rise.values - expected) / stderr).ravel())
        leverage.append((expected / stderr).ravel())
    return judge_z_scores(f"rise under {convention} noise (B6)", np.concatenate(z), np.concatenate(leverage))


def _pretraining_only(setup: Protocol) -> Protocol:
    """The same pretraining under one fixed perturbation: every other perturbation would compile it again."""
    return replace(setup, perturbation=Noise(), sampling=Sampling())


def _grows(path: Protocol, key: int) -> Check:
    """The growth of the cost along the path in every unit."""
    numbers: dict[str, float] = {}
    passed = True
    for i, convention in enumerate(CONVENTIONS):
        measured = rise_and_spread(replace(path, perturbation=Noise(convention=convention)), 100 * key + 50 + i)
        rise, stderr = measured.rise.values, measured.rise_stderr.values
        passed &= grows(rise, stderr)
        numbers[convention] = float((rise[-1] / rise[0])[0])
    listed = ", ".join(f"× {factor:.3g} {name}" for name, factor in numbers.items())
    return Check("cost grows in every unit (B6)", passed, f"growth of the cost at γ = 0.1: {listed}", numbers)


def grows(rise: np.ndarray, stderr: np.ndarray) -> bool:
    """Whether a cost, (length, …), never falls by 4 standard errors, and rises by more than 4 from first to last."""
    steps = np.diff(rise, axis=0) / np.hypot(stderr[1:], stderr[:-1])
    growth = (rise[-1] - rise[0]) / np.hypot(stderr[-1], stderr[0])
    return bool(steps.min() > -4 and growth.min() > 4)


def _rounding(path: Protocol, key: int) -> Check:
    """The formula at the rounded weights against the measured loss of the same weights."""
    expected, measured, model = [], [], []
    problem = learning_problem(resolve(path))
    teacher = resolve(path).teacher
    checkpoints = pretrain(path, key)
    for at in range(len(path.lengths)):
        layers = tuple(Layer(layer.weight[at]) for layer in checkpoints)
        w1, w2 = (np.asarray(layer.weight) for layer in layers)
        for bit_count in (3, 4, 6):
            steps = absmax_step(w1, bit_count), absmax_step(w2, bit_count)
            expected.append(rounding_increase_at(w1, w2, teacher, *steps))
            gammas = (float(rounding_model_scale(step)) for step in steps)
            model.append(float(increase_in_convention("absolute", w1, w2, *gammas)))
            measured.append(_rise(layers, problem, bit_count))
    ratio = np.array(measured) / model
    name = "rounding to 3, 4 and 6 bits (B6)"
    check = judge_bound(name, np.array(expected), np.array(measured), 1e-10, "both use the same weights")
    answer = (
        f"{check.answer}; the rise is {ratio.min():.2f} to {ratio.max():.2f} times that under uniform noise of "
        "the same variance"
    )
    return replace(check, answer=answer, numbers={**check.numbers, "least": ratio.min(), "most": ratio.max()})


def _mean_rounding(path: Protocol, preset: Preset, key: int) -> Check:
    """The mean over hidden frames, one for each seed, at 24 hidden units, where the theory leaves out 1e-4 of a rise.

    All points share the frames, so that their deviations are multiplied by the inverse root of their covariance.
    """
    frames = replace(
        path,
        strengths=(0.1, 0.3),
        network=replace(path.network, h=24),
        perturbation=Quantization(None),
        sampling=Sampling(seeds=768 if preset == "quick" else 8192),
    )
    predicted = predict(frames).sensitivity.values
    at = (0, 2, 3, 3), (0, 1, 0, 1)  # where many of the frames differ: not where all weights round to 0
    measured = respond(frames, 100 * key + 60).sensitivity.values[:, *at]
    root = np.linalg.cholesky(np.cov(measured.T) / len(measured))
    z, leverage = (np.linalg.solve(root, x) for x in (measured.mean(axis=0) - predicted[at], predicted[at]))
    return judge_z_scores("rounding to a fixed step, mean over hidden frames (B6r)", z, leverage)


def _dithered(path: Protocol, key: int) -> Check:
    """The mean over offsets in one hidden frame, with steps above and below the weights."""
    rounded = replace(path, strengths=(0.1, 0.6), perturbation=Quantization(None, "dithered"))
    predicted, measured = predict(rounded).sensitivity, respond(rounded, 100 * key + 70).isel(seed=0)
    stderr = measured.sensitivity_stderr.values
    z = (measured.sensitivity.values - predicted.values) / stderr
    return judge_z_scores("dithered rounding (B6q)", z.ravel(), (predicted.values / stderr).ravel())


def _two_features() -> Check:
    """W1 = W2 = diag(1, √s₂), teacher diag(1, ½): the second feature while it is learned, rounded to 4 bits."""
    problem = LearningProblem(jnp.diag(jnp.array([1.0, 0.5])), None, None)
    rise = {}
    for root in (0.0, 0.03, 0.07, 0.075, 0.12):
        layers = (Layer(jnp.diag(jnp.array([1.0, root]))),) * 2
        rise[f"√s₂ = {root:g}"] = _rise(layers, problem, 4)
    listed = ", ".join(f"{value:+.1e} at {name}" for name, value in rise.items())
    return map_limit("absmax rounding does not always cost more with length", f"rise in 4 bits: {listed}", rise)


def _rise(layers: Layers, problem: LearningProblem, bit_count: int) -> float:
    """Rise of the loss when every layer is rounded to so many bits, relative to its largest weight."""
    rounded = compress(layers, Quantization("tensor"), jnp.asarray(bits(bit_count)))
    return float(population_loss(rounded, problem) - population_loss(layers, problem))
