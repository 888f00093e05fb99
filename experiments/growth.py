"""growth (B4): sensitivity grows exactly while ⟨f, A − f⟩ > 0.

Protocol: the derivative of tr H along gradient flow, by autodiff, at the weights of runs from four kinds of start.
Prediction: with whitened inputs `2(d_in + d_out)⟨f, A − f⟩`; with inputs of covariance Σx
`2d_out tr((A−f)Σx²fᵀ) + 2 trΣx tr((A−f)Σxfᵀ)`; for one layer 0; in ReLU networks `d‖W_l‖²/dt = 2⟨f − b₂, y − f⟩`.
Refuted if one of these derivatives deviates by more than rounding. Limits: some balanced starts have
⟨f, A − f⟩ < 0, so that their sensitivity first falls; activations that are not homogeneous.
"""

from dataclasses import replace
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from overtraining.experiments import Preset
from overtraining.experiments.memoized import hessian_eigenvalues, pretrain, trace_rate
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import trajectory
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, Start
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations.data import learning_problem, losses, sample_examples
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.measurements import initialize
from overtraining.simulations.networks import outputs
from overtraining.theory.sensitivity.growth import curvature_growth_at

STARTS: tuple[Start, ...] = (SmallGaussian(0.1), FanIn(1.0), Balanced(0.05, angle=2.0), Aligned(0.05, imbalance=0.5))
WHITE = Inputs(spectrum=(1.0,) * 4)  # given explicitly, to use the program compiled for unequal variances
COLOURED = Inputs(spectrum=(2.0, 1.5, 1.0, 0.5), shared=False)
SAME_WEIGHTS = "autodiff at the same weights"


def protocol(preset: Preset) -> Protocol:
    """Three features in a 4→3→3 network, along the whole of pretraining."""
    lengths = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0) if preset == "quick" else np.linspace(0, 16, 65)
    return Protocol(PowerLaw(3), lengths, (0.0,), network=Network(4, 3, 3), inputs=WHITE)


@in_double_precision
def run(preset: Preset, key: int) -> Outcome:
    """The derivative at any start with white and with coloured inputs, for one layer, for activations; its sign."""
    setup = protocol(preset)
    checks = (
        _derivatives("white inputs", setup, key),
        _derivatives("coloured inputs", replace(setup, inputs=COLOURED), key),
        _one_layer(setup, key),
        _homogeneous(key),
        _falling(setup, 40 if preset == "quick" else 400, key),
    )
    measured = trajectory(
        {"trace_rate": (("pretraining",), trace_rate(setup, key))},
        {"pretraining": list(setup.lengths)},
        method="simulation",
        source=SAME_WEIGHTS,
        model=f"{setup.network}",
    )
    return Outcome(checks, {"measured": measured})


def _derivatives(inputs: str, setup: Protocol, key: int) -> Check:
    """d tr H/dt along training from every kind of start."""
    expected, measured = [], []
    resolved = resolve(setup)
    teacher, covariance = resolved.teacher, resolved.input_covariance
    for start in STARTS:
        variant = replace(setup, start=start)
        layers = [np.asarray(layer.weight) for layer in pretrain(variant, key)]
        expected.append([curvature_growth_at(w1, w2, teacher, covariance) for w1, w2 in zip(*layers, strict=True)])
        measured.append(trace_rate(variant, key))
    name = f"d tr H/dt from {len(STARTS)} starts, {inputs} (B4)"
    return judge_bound(name, np.array(expected), np.array(measured), 1e-12, SAME_WEIGHTS)


def _falling(setup: Protocol, number: int, key: int) -> Check:
    """The share of balanced starts, in frames rotated by up to π, from which tr H falls at some length."""
    starts = [Balanced(0.3, angle=float(np.pi), frame_seed=100 * key + i) for i in range(number)]
    derivatives = np.stack([trace_rate(replace(setup, start=start), key) for start in starts])
    scale = np.abs(derivatives).max(axis=1)
    falls = (derivatives.min(axis=1) < -1e-9 * scale).mean()
    falls_first = (derivatives[:, 0] < 0).mean()
    numbers = {"share": float(falls), "share_at_the_start": float(falls_first), "starts": float(number)}
    answer = (
        f"from {number} balanced starts, sensitivity falls at some length for {falls:.0%} and at the start for "
        f"{falls_first:.0%}"
    )
    return map_limit("sensitivity does not grow along every balanced path", answer, numbers)


def _one_layer(setup: Protocol, key: int) -> Check:
    """The loss of one layer is quadratic: its trace is `d_out tr Σx` from every start."""
    one_layer = replace(setup, network=Network(4, 1, 3, depth=1), start=FanIn(1.0), inputs=COLOURED)
    trace = hessian_eigenvalues(one_layer, key).sum(axis=1)
    expected = np.full(trace.shape, 3 * sum(COLOURED.spectrum))
    return judge_bound("one layer: constant trace (B4)", expected, trace, 1e-12, "it does not depend on the weights")


def _homogeneous(key: int) -> Check:
    """`d‖W_l‖²/dt`, for the first layer with its biases, against `2⟨f − b₂, y − f⟩`, over a training set."""
    expected: list[float] = []
    measured: list[float] = []
    tanh_ratios: dict[str, float] = {}
    for activation, bias in product(("relu", "tanh"), (False, True)):
        network = Network(4, 8, 3, activation=activation, bias=bias)
        setup = Protocol(PowerLaw(3), (0.0,), (0.0,), network=network, start=FanIn(1.0), inputs=Inputs(samples=256))
        layers, problem = initialize(setup, key), learning_problem(resolve(setup))
        examples = sample_examples(problem, 256, jax.random.key(key))
        # biases start at 0, where they would not contribute
        layers = jax.tree.map(lambda w: w + 0.1 * jnp.cos(jnp.arange(1.0 * w.size)).reshape(w.shape), layers)
        gradient = jax.grad(lambda at, e=examples, a=activation: jnp.mean(losses(at, e, a)))(layers)
        first, second = zip(gradient, layers, strict=True)
        growth = [
            _norm_growth([(first[0].weight, first[1].weight)] + [(first[0].bias, first[1].bias)] * bias),
            _norm_growth([(second[0].weight, second[1].weight)]),
        ]
        f = outputs(layers, examples.x, activation)
        without_bias = f if layers[1].bias is None else f - layers[1].bias[None]
        claimed = 2 * float(jnp.mean(jnp.sum(without_bias * (examples.y - f), axis=1)))
        if activation == "relu":
            expected += [claimed, claimed]
            measured += growth
        else:
            tanh_ratios[f"tanh{' with biases' if bias else ''}"] = growth[0] / claimed
    name = "ReLU: d‖W_l‖²/dt = 2⟨f − b₂, y − f⟩ (B4)"
    check = judge_bound(name, np.array(expected), np.array(measured), 1e-12, SAME_WEIGHTS)
    listed = ", ".join(f"{ratio:.2f} times as much ({name})" for name, ratio in tanh_ratios.items())
    answer = f"{check.answer}; the first layer of other activations gains {listed}"
    return replace(check, answer=answer, numbers={**check.numbers, **tanh_ratios})


def _norm_growth(pairs: list[tuple[Array, Array]]) -> float:
    """`d‖w‖²/dt` under gradient flow, summed over pairs of a gradient and its weights."""
    return -2 * float(sum(jnp.sum(gradient * weights) for gradient, weights in pairs))
