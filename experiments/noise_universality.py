"""noise-universality (B1, B5): Gaussian, uniform and sign noise cost the same in the mean, and do not scatter alike.

Protocol: four features in a 5→4→6 network along pretraining. Predictions: B1's mean for every law; B5's variance for
the Gaussian one, by z-scores with the sample variance's own error. Where it ends: B5 for other laws, which enter by
their fourth moments; and rounding to a grid, which is like uniform noise only where weights are far above its step.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import memoize, pretrain, rise_and_spread, rises
from overtraining.experiments.verdict import Check, Outcome, judge_z_scores, map_limit
from overtraining.setting.perturbations import Noise, Quantization
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.responses import trajectory
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, singular_values, teacher_matrix
from overtraining.simulations.data import learning_problem, population_loss
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
    """From an early length, where the gradient makes most of the scatter, to convergence, where there is none."""
    return Protocol(
        PowerLaw(4),
        lengths=(1.0, 3.0, 6.0, 40.0),
        strengths=(0.1, 0.3),
        network=Network(d_in=5, h=4, d_out=6),
        start=Aligned(0.05),
        perturbation=Noise(law=law),
        sampling=Sampling(draws=16384 if preset == "quick" else 65536),
    )


def run(preset: Preset, key: int) -> Outcome:
    """One mean for three laws; one variance for the Gaussian law, and what the others' is of it; rounding."""
    setup = {law: protocol(preset, law) for law in LAWS}
    checks, keys = [], range(key, key + 3)
    expected = predict(setup["gaussian"]).sensitivity.values
    for i, (law, one) in enumerate(setup.items()):
        measured = [rise_and_spread(one, 100 * number + i) for number in keys]
        z = [((m.rise - expected) / m.rise_stderr).values.ravel() for m in measured]
        leverage = [(expected / m.rise_stderr).values.ravel() for m in measured]
        checks.append(judge_z_scores(f"mean rise under {law} noise (B1)", np.concatenate(z), np.concatenate(leverage)))
    gaussian = setup["gaussian"]
    checks += [_gaussian_variance(gaussian, keys), _other_laws(setup, key), _rounding(preset, key)]
    return Outcome(
        tuple(checks), {"theory": spread_predicted(gaussian), "measured": rise_and_spread(gaussian, 100 * key)}
    )


def spread_predicted(setup: Protocol) -> xr.Dataset:
    """B5's standard deviation of the loss after Gaussian noise on the aligned path, as a Trajectory."""
    n, (sigma, t) = setup.network, (singular_values(setup.teacher), np.array(setup.lengths)[:, None])
    learned = (f(t, sigma, setup.start.epsilon) for f in (singular_value, unlearned))  # type: ignore[union-attr]
    s, left = map(np.asarray, learned)
    point, gamma = invariants_on_path(s, left, d_in=n.d_in), np.array(setup.strengths)
    value = np.stack([loss_variance(point, g, g, h=n.h, d_out=n.d_out) for g in gamma], axis=-1)
    return trajectory(
        {"spread": (("pretraining", "strength"), np.sqrt(value))},
        {"pretraining": list(setup.lengths), "strength": ("strength", list(gamma), {"units": "1"})},
        method="theory",
        source="claim B5",
        model=describe(setup),
    )


def _predicted(setup: Protocol, key: int) -> np.ndarray:
    """B5 at the weights of a run, (length, strength)."""
    n, gamma = setup.network, np.array(setup.strengths)
    teacher = teacher_matrix(setup.teacher, n.d_out, n.d_in)
    w1, w2 = (np.asarray(layer.weight) for layer in pretrain(replace(setup, sampling=Sampling()), key))
    points = [invariants_at(*w, teacher) for w in zip(w1, w2, strict=True)]
    return np.stack([loss_variance(p, gamma, gamma, h=n.h, d_out=n.d_out) for p in points])


def _gaussian_variance(setup: Protocol, keys: range) -> Check:
    z, leverage = [], []
    for key in (100 * number + 50 for number in keys):  # other draws than those of the means
        expected = _predicted(setup, key)
        value, error = variance(rises(setup, key))
        z.append(((value - expected) / error).ravel())
        leverage.append((expected / error).ravel())
    return judge_z_scores("variance under Gaussian noise (B5)", np.concatenate(z), np.concatenate(leverage))


def _other_laws(setup: dict[str, Protocol], key: int) -> Check:
    """Their variance over the Gaussian one, early in training and in the end, at the larger strength."""
    expected = _predicted(setup["gaussian"], key)
    numbers: dict[str, float] = {}
    for law in LAWS[1:]:
        value, error = (x / expected for x in variance(rises(setup[law], key)))
        numbers |= {f"{law}_{when}": float(value[at, -1]) for when, at in (("early", 0), ("late", -1))}
        numbers[f"{law}_stderr"] = float(error[:, -1].max())
    listed = "; ".join(
        f"{law} {numbers[f'{law}_early']:.3f} early, {numbers[f'{law}_late']:.3f} in the end (± "
        f"{numbers[f'{law}_stderr']:.3f})"
        for law in LAWS[1:]
    )
    return map_limit("B5 is not law-free", f"variance over the Gaussian one: {listed}", numbers)


def _rounding(preset: Preset, key: int) -> Check:
    """Rise from rounding every weight, over that of noise of variance step²/12, in a converged network."""
    setup = replace(protocol(preset), sampling=Sampling())
    keys = range(key, key + (32 if preset == "quick" else 256))  # hidden frames: one rounding is one number
    seen = [_rounded(setup, key) for key in keys]
    w1, w2 = (np.asarray(layer.weight[-1]) for layer in pretrain(setup, keys[-1]))
    gamma = rounding_model_scale(STEPS)
    ratio = np.mean(seen, axis=0) / expected_increase_at(w1, w2, gamma, gamma)
    size = float(np.sqrt((w1**2).mean()))
    good = np.abs(ratio - 1) < 0.1
    numbers = {"rms_weight": size, "ratio_smallest_step": float(ratio[0]), "ratio_largest_step": float(ratio[-1])}
    numbers["good_below"] = float(STEPS[::-1][np.argmax(good[::-1])])
    answer = (
        f"weights of rms size {size:.2g}: mean rise over the uniform model {ratio[0]:.2f} at step {STEPS[0]:g}, last "
        f"within 10% at step {numbers['good_below']:.2g}, {ratio[-1]:.2g} at step {STEPS[-1]:g}"
    )
    return map_limit("rounding is not noise", answer, numbers)


@memoize
def _rounded(setup: Protocol, key: int) -> np.ndarray:
    """What rounding to each of the steps adds to the loss at the last length."""
    goal, last = learning_problem(setup), jax.tree.map(lambda w: w[-1], pretrain(setup, key))
    rise = lambda step: population_loss(compress(last, Quantization(per=None), step), goal)
    return np.asarray(jax.vmap(rise)(jnp.asarray(STEPS)) - population_loss(last, goal))
