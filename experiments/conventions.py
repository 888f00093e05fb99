"""conventions (B6): the same noise in other units: absolute, the start's, the layer's, each weight's own; rounding.

Protocol: random weights and unequal inputs, where every convention's cost is exact; the aligned path with white
inputs, where all of them are progressive. Predictions: the four costs; the exact cost of rounding each layer to b bits.
Where it ends: absmax rounding is not always progressive (two features, 4 bits), and the uniform model of it fails.
"""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import pretrain, rise_and_spread
from overtraining.experiments.verdict import Check, Outcome, judge_bound, judge_z_scores, map_limit
from overtraining.setting.inputs import Inputs, input_covariance
from overtraining.setting.perturbations import Noise, Quantization, bits
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, SmallGaussian
from overtraining.setting.teachers import PowerLaw, teacher_matrix
from overtraining.simulations.data import LearningProblem, learning_problem, population_loss
from overtraining.simulations.measurements import initialize
from overtraining.simulations.networks import Layer, Layers
from overtraining.simulations.perturbations import compress
from overtraining.theory.sensitivity.conventions import (
    absmax_step,
    increase_at,
    rounding_increase_at,
    rounding_model_scale,
)

SAME = "the same weights"
CONVENTIONS = ("absolute", "initialization", "relative", "multiplicative")


def protocol(preset: Preset, convention: str = "absolute") -> Protocol:
    """Four features in a 5→6→4 network, from random weights, with inputs of unequal variances in axes of their own."""
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


def run(preset: Preset, key: int) -> Outcome:
    """Each convention's cost and its growth; rounding, exactly; where absmax rounding is not progressive."""
    checks = [_cost(protocol(preset, name), 10 * i, key) for i, name in enumerate(CONVENTIONS)]
    white = Inputs(spectrum=(1.0,) * 5)  # written out, it compiles to what unequal variances do
    path = replace(protocol(preset), start=Aligned(1e-2), inputs=white, lengths=(0.0, 1.0, 3.0, 30.0))
    checks += [_progressive(path, key), _rounding(replace(path, sampling=Sampling()), key), _two_features()]
    return Outcome(tuple(checks), {name: rise_and_spread(protocol(preset, name), key) for name in CONVENTIONS[:1]})


def _cost(asked: Protocol, offset: int, key: int) -> Check:
    """At the weights of each run, so that nothing depends on which hidden frame it has."""
    n, gamma, convention = asked.network, np.array(asked.strengths), asked.perturbation.convention  # type: ignore[union-attr]
    sx, z, leverage = input_covariance(asked.inputs, asked.teacher, n.d_out, n.d_in), [], []
    for one in (100 * number + offset for number in range(key, key + 3)):
        first, second = (float(jnp.sqrt(jnp.mean(layer.weight**2))) for layer in initialize(_plain(asked), one))
        weights = [np.asarray(layer.weight) for layer in pretrain(_plain(asked), one)]
        expected = np.stack(
            [
                increase_at(convention, w1, w2, gamma, gamma, input_covariance=sx, initial_scales=(first, second))
                for w1, w2 in zip(*weights, strict=True)
            ]
        )
        seen = rise_and_spread(asked, one)
        z.append(((seen.rise.values - expected) / seen.rise_stderr.values).ravel())
        leverage.append((expected / seen.rise_stderr.values).ravel())
    return judge_z_scores(f"rise under {convention} noise (B6)", np.concatenate(z), np.concatenate(leverage))


def _plain(asked: Protocol) -> Protocol:
    """The same pretraining; how it is perturbed would compile it again."""
    return replace(asked, perturbation=Noise(), sampling=Sampling())


def _progressive(path: Protocol, key: int) -> Check:
    """From length to length the cost does not fall by more than chance, and grows by far more in the end."""
    numbers: dict[str, float] = {}
    right = True
    for i, name in enumerate(CONVENTIONS):
        seen = rise_and_spread(replace(path, perturbation=Noise(convention=name)), 100 * key + 50 + i)
        mean, error = seen.rise.values, seen.rise_stderr.values
        steps = np.diff(mean, axis=0) / np.hypot(error[1:], error[:-1])
        whole = (mean[-1] - mean[0]) / np.hypot(error[-1], error[0])
        right &= bool(steps.min() > -4 and whole.min() > 4)
        numbers[name] = float((mean[-1] / mean[0])[0])
    listed = ", ".join(f"× {factor:.3g} {name}" for name, factor in numbers.items())
    return Check("progressive in every convention (B6)", right, f"growth of the cost at γ = 0.1: {listed}", numbers)


def _rounding(path: Protocol, key: int) -> Check:
    """The formula that knows every weight, against rounding done in the lab; both start from the same weights."""
    expected, seen, model, goal = [], [], [], learning_problem(path)
    teacher = teacher_matrix(path.teacher, path.network.d_out, path.network.d_in)
    checkpoints = pretrain(path, key)
    for at in range(len(path.lengths)):
        layers = tuple(Layer(layer.weight[at]) for layer in checkpoints)
        w1, w2 = (np.asarray(layer.weight) for layer in layers)
        for number in (3, 4, 6):
            steps = absmax_step(w1, number), absmax_step(w2, number)
            expected.append(rounding_increase_at(w1, w2, teacher, *steps))
            gammas = (float(rounding_model_scale(step)) for step in steps)
            model.append(float(increase_at("absolute", w1, w2, *gammas)))
            seen.append(_rise(layers, goal, number))
    ratio = np.array(seen) / model
    found = judge_bound(
        "rounding to 3, 4 and 6 bits (B6)", np.array(expected), np.array(seen), 1e-10, "the same weights"
    )
    answer = f"{found.answer}; of the uniform model's rise it is {ratio.min():.2f} to {ratio.max():.2f}"
    return replace(found, answer=answer, numbers={**found.numbers, "least": ratio.min(), "most": ratio.max()})


def _two_features() -> Check:
    """W1 = W2 = diag(1, √s₂), teacher diag(1, ½): a second feature that is being learned, in 4 bits."""
    goal, roots = LearningProblem(jnp.diag(jnp.array([1.0, 0.5])), None, jnp.zeros(())), (0.0, 0.03, 0.07, 0.075, 0.12)
    layers = [(Layer(jnp.diag(jnp.array([1.0, root]))),) * 2 for root in roots]
    rise = {f"√s₂ = {root:g}": _rise(both, goal, 4) for root, both in zip(roots, layers, strict=True)}
    listed = ", ".join(f"{value:+.1e} at {name}" for name, value in rise.items())
    return map_limit("absmax rounding is not always progressive", f"rise in 4 bits: {listed}", rise)


def _rise(layers: Layers, goal: LearningProblem, number: int) -> float:
    after = compress(layers, Quantization("tensor"), jnp.asarray(bits(number)))
    return float(population_loss(after, goal) - population_loss(layers, goal))
