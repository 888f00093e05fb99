"""noise-universality (B1, B5): Gaussian, uniform and sign noise cost the same on average, but scatter differently.

Protocol: four features in a 5→4→6 network along pretraining, noise of three laws. Prediction: the mean of B1 for every
law; the variance of B5 for the Gaussian law. Refuted if the z-scores of a mean or of the Gaussian variance, with the
sample variance's own standard error, are not those of chance. Limits: the variance under other laws, which depends on
their fourth moments; rounding to a grid, which costs as much as uniform noise only if the weights are far larger than
the step.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from overtraining.experiments import Preset
from overtraining.experiments.memoized import memoize, pretrain, rise_and_spread, rises
from overtraining.experiments.verdict import Check, Outcome, judge_z_scores, map_limit
from overtraining.setting.perturbations import Noise, Quantization
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, singular_values
from overtraining.simulations.data import learning_problem, population_loss
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.perturbations import compress
from overtraining.simulations.scatter import variance
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.sensitivity.conventions import rounding_model_scale
from overtraining.theory.sensitivity.noise import expected_increase_at
from overtraining.theory.sensitivity.noise_variance import invariants_at, invariants_on_path, loss_variance
from overtraining.theory.solvers.exact import describe, respond as predict

LAWS = ("gaussian", "uniform", "sign")
STEPS = np.geomspace(1e-2, 3.0, 12)


def protocol(preset: Preset, law: str = "gaussian") -> Protocol:
    """From an early length, where the gradient causes most of the scatter, to convergence, where it vanishes."""
    return Protocol(
        PowerLaw(4),
        lengths=(1.0, 3.0, 6.0, 40.0),
        strengths=(0.1, 0.3),
        network=Network(d_in=5, h=4, d_out=6),
        start=Aligned(0.05),
        perturbation=Noise(law=law),
        sampling=Sampling(draws=16384 if preset == "quick" else 65536),
    )


@in_double_precision
def run(preset: Preset, key: int) -> Outcome:
    """One mean for three laws; the variance of the Gaussian law and of the others; rounding."""
    setups = {law: protocol(preset, law) for law in LAWS}
    gaussian, keys = setups["gaussian"], range(key, key + 3)
    expected = predict(gaussian).sensitivity.values
    checks = []
    for i, (law, setup) in enumerate(setups.items()):
        measured = [rise_and_spread(setup, 100 * number + i) for number in keys]
        z = [((one.rise - expected) / one.rise_stderr).values.ravel() for one in measured]
        leverage = [(expected / one.rise_stderr).values.ravel() for one in measured]
        checks.append(judge_z_scores(f"mean rise under {law} noise (B1)", np.concatenate(z), np.concatenate(leverage)))
    checks += [_gaussian_variance(gaussian, keys), _other_laws(setups, key), _rounding(preset, key)]
    data = {"theory": spread_predicted(gaussian), "measured": rise_and_spread(gaussian, 100 * key)}
    return Outcome(tuple(checks), data)


def spread_predicted(setup: Protocol) -> xr.Dataset:
    """B5's standard deviation of the loss after Gaussian noise on the aligned path, as a Trajectory."""
    assert isinstance(setup.start, Aligned)
    n, gamma, epsilon = setup.network, np.array(setup.strengths), setup.start.epsilon
    sigma, length = singular_values(setup.teacher), np.array(setup.lengths)[:, None]
    s, remaining = np.asarray(singular_value(length, sigma, epsilon)), np.asarray(unlearned(length, sigma, epsilon))
    invariants = invariants_on_path(s, remaining, d_in=n.d_in)
    variances = np.stack([loss_variance(invariants, g, g, h=n.h, d_out=n.d_out) for g in gamma], axis=-1)
    return trajectory(
        {"spread": (("pretraining", "strength"), np.sqrt(variances))},
        {"pretraining": list(setup.lengths), "strength": ("strength", list(gamma), {"units": "1"})},
        method="theory",
        source="claim B5",
        model=describe(resolve(setup)),
    )


def _variance_predicted(setup: Protocol, key: int) -> np.ndarray:
    """B5 at the weights of a run, (length, strength)."""
    n, gamma = setup.network, np.array(setup.strengths)
    teacher = resolve(setup).teacher
    w1, w2 = (np.asarray(layer.weight) for layer in pretrain(replace(setup, sampling=Sampling()), key))
    invariants = [invariants_at(*weights, teacher) for weights in zip(w1, w2, strict=True)]
    return np.stack([loss_variance(one, gamma, gamma, h=n.h, d_out=n.d_out) for one in invariants])


def _gaussian_variance(setup: Protocol, keys: range) -> Check:
    z, leverage = [], []
    for run_key in (100 * number + 50 for number in keys):  # not the draws of the means
        expected = _variance_predicted(setup, run_key)
        measured, stderr = variance(rises(setup, run_key))
        z.append(((measured - expected) / stderr).ravel())
        leverage.append((expected / stderr).ravel())
    return judge_z_scores("variance under Gaussian noise (B5)", np.concatenate(z), np.concatenate(leverage))


def _other_laws(setups: dict[str, Protocol], key: int) -> Check:
    """Their variance divided by the Gaussian one, early in training and at the end, at the larger strength."""
    gaussian = _variance_predicted(setups["gaussian"], key)
    numbers: dict[str, float] = {}
    for law in LAWS[1:]:
        ratio, stderr = (values / gaussian for values in variance(rises(setups[law], key)))
        numbers[f"{law}_early"] = float(ratio[0, -1])
        numbers[f"{law}_late"] = float(ratio[-1, -1])
        numbers[f"{law}_stderr"] = float(stderr[:, -1].max())
    listed = "; ".join(
        f"{law} {numbers[f'{law}_early']:.3f} early, {numbers[f'{law}_late']:.3f} at the end (± "
        f"{numbers[f'{law}_stderr']:.3f})"
        for law in LAWS[1:]
    )
    return map_limit("the variance depends on the law", f"variance / that of Gaussian noise: {listed}", numbers)


def _rounding(preset: Preset, key: int) -> Check:
    """The rise by rounding every weight, divided by that of noise of variance step²/12, in a converged network."""
    setup = replace(protocol(preset), sampling=Sampling())
    # the mean over hidden frames, because rounding in one frame gives one number without any scatter
    keys = range(key, key + (32 if preset == "quick" else 256))
    rise = np.mean([_rise_by_rounding(setup, run_key) for run_key in keys], axis=0)
    w1, w2 = (np.asarray(layer.weight[-1]) for layer in pretrain(setup, keys[-1]))
    gamma = rounding_model_scale(STEPS)
    ratio = rise / expected_increase_at(w1, w2, gamma, gamma)
    rms = float(np.sqrt((w1**2).mean()))
    close = np.abs(ratio - 1) < 0.1
    largest_close_step = float(STEPS[::-1][np.argmax(close[::-1])])
    numbers = {"rms_weight": rms, "ratio_smallest_step": float(ratio[0]), "ratio_largest_step": float(ratio[-1])}
    answer = (
        f"weights of rms size {rms:.2g}; mean rise / that of uniform noise: {ratio[0]:.2f} at step {STEPS[0]:g}, "
        f"within 10% of 1 up to step {largest_close_step:.2g}, {ratio[-1]:.2g} at step {STEPS[-1]:g}"
    )
    return map_limit("rounding is not noise", answer, numbers | {"good_below": largest_close_step})


@memoize
def _rise_by_rounding(setup: Protocol, key: int) -> np.ndarray:
    """The rise of the loss at the last length when all weights are rounded, for each of STEPS."""
    problem, last = learning_problem(resolve(setup)), jax.tree.map(lambda w: w[-1], pretrain(setup, key))

    def after(step: Array) -> Array:
        return population_loss(compress(last, Quantization(per=None), step), problem)

    return np.asarray(jax.vmap(after)(jnp.asarray(STEPS)) - population_loss(last, problem))
