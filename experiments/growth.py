"""growth (B4): sensitivity grows exactly while ⟨f, A − f⟩ > 0.

Measured: the derivative of tr H along gradient flow, by autodiff, at weights of every kind. Prediction: whitened,
`2(d_in + d_out)⟨f, A − f⟩`; inputs Σx, `2d_out tr((A−f)Σx²fᵀ) + 2 trΣx tr((A−f)Σxfᵀ)`; ReLU networks,
`d‖W_l‖²/dt = 2⟨f − b₂, y − f⟩`; one layer, nothing. Where it ends: balanced starts whose sensitivity first falls, and
activations that are not homogeneous.
"""

from dataclasses import replace
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import hessian_eigenvalues, pretrain, trace_rate
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.inputs import Inputs, input_covariance
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import trajectory
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, Start
from overtraining.setting.teachers import PowerLaw, teacher_matrix
from overtraining.simulations.data import learning_problem, losses, sample_examples
from overtraining.simulations.measurements import initialize
from overtraining.simulations.networks import outputs
from overtraining.theory.sensitivity.growth import curvature_growth_at

STARTS: tuple[Start, ...] = (SmallGaussian(0.1), FanIn(1.0), Balanced(0.05, angle=2.0), Aligned(0.05, imbalance=0.5))
WHITE = Inputs(spectrum=(1.0,) * 4)  # written out, it compiles to what unequal variances do
COLOURED = Inputs(spectrum=(2.0, 1.5, 1.0, 0.5), shared=False)
SAME = "autodiff at the same weights"


def protocol(preset: Preset) -> Protocol:
    """Three features in a 4→3→3 network, along the whole of pretraining."""
    lengths = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0) if preset == "quick" else np.linspace(0, 16, 65)
    return Protocol(PowerLaw(3), lengths, (0.0,), network=Network(4, 3, 3), inputs=WHITE)


def run(preset: Preset, key: int) -> Outcome:
    """The rate at any start, with white and with coloured inputs; where it is negative; one layer; activations."""
    setup = protocol(preset)
    checks = (
        _rates("white inputs", setup, key),
        _rates("coloured inputs", replace(setup, inputs=COLOURED), key),
        _one_layer(setup, key),
        _homogeneous(key),
        _falling(setup, 40 if preset == "quick" else 400, key),
    )
    measured = {"trace_rate": (("pretraining",), trace_rate(setup, key))}
    seen = trajectory(
        measured, {"pretraining": list(setup.lengths)}, method="simulation", source=SAME, model=f"{setup.network}"
    )
    return Outcome(checks, {"measured": seen})


def _rates(inputs: str, setup: Protocol, key: int) -> Check:
    n, expected, seen = setup.network, [], []
    teacher = teacher_matrix(setup.teacher, n.d_out, n.d_in)
    sx = input_covariance(setup.inputs, setup.teacher, n.d_out, n.d_in)
    for start in STARTS:
        one = replace(setup, start=start)
        layers = [np.asarray(layer.weight) for layer in pretrain(one, key)]
        expected.append([curvature_growth_at(w1, w2, teacher, sx) for w1, w2 in zip(*layers, strict=True)])
        seen.append(trace_rate(one, key))
    return judge_bound(
        f"d tr H/dt from {len(STARTS)} starts, {inputs} (B4)", np.array(expected), np.array(seen), 1e-12, SAME
    )


def _falling(setup: Protocol, number: int, key: int) -> Check:
    """Balanced starts in frames turned by up to half a circle: at how many does tr H fall at some length?"""
    rates = np.stack(
        [
            trace_rate(replace(setup, start=Balanced(0.3, angle=float(np.pi), frame_seed=100 * key + i)), key)
            for i in range(number)
        ]
    )
    size = np.abs(rates).max(axis=1)
    falls, begins = (rates.min(axis=1) < -1e-9 * size).mean(), (rates[:, 0] < 0).mean()
    numbers = {"share": float(falls), "share_at_the_start": float(begins), "starts": float(number)}
    answer = (
        f"of {number} balanced starts {falls:.0%} have a falling sensitivity for a while, {begins:.0%} begin with it"
    )
    return map_limit("not on every balanced path", answer, numbers)


def _one_layer(setup: Protocol, key: int) -> Check:
    """One layer's loss is quadratic: its trace is `d_out tr Σx` from every start."""
    one = replace(setup, network=Network(4, 1, 3, depth=1), start=FanIn(1.0), inputs=COLOURED)
    seen = hessian_eigenvalues(one, key).sum(axis=1)
    expected = np.full(seen.shape, 3 * sum(COLOURED.spectrum))
    return judge_bound("one layer: the trace stays (B4)", expected, seen, 1e-12, "it does not depend on the weights")


def _homogeneous(key: int) -> Check:
    """`d‖W_l‖²/dt`, for the first layer with its biases, against `2⟨f − b₂, y − f⟩`, over a training set."""
    expected: list[float] = []
    seen: list[float] = []
    off: dict[str, float] = {}
    for activation, bias in product(("relu", "tanh"), (False, True)):
        network = Network(4, 8, 3, activation=activation, bias=bias)
        setup = Protocol(PowerLaw(3), (0.0,), (0.0,), network=network, start=FanIn(1.0), inputs=Inputs(samples=256))
        layers, examples = initialize(setup, key), sample_examples(learning_problem(setup), 256, jax.random.key(key))
        # biases start at 0, where they would show nothing
        layers = jax.tree.map(lambda w: w + 0.1 * jnp.cos(jnp.arange(1.0 * w.size)).reshape(w.shape), layers)
        slope = jax.grad(lambda at, e=examples, a=activation: jnp.mean(losses(at, e, a)))(layers)
        flat = [[(g.weight, w.weight), (g.bias, w.bias)] for g, w in zip(slope, layers, strict=True)]
        pairs = [flat[0] if bias else flat[0][:1], flat[1][:1]]
        grown = [-2 * float(sum(jnp.sum(g * w) for g, w in pair)) for pair in pairs]
        f = outputs(layers, examples.x, activation)
        inner = f if layers[1].bias is None else f - layers[1].bias[None]
        claimed = 2 * float(jnp.mean(jnp.sum(inner * (examples.y - f), axis=1)))
        if activation == "relu":
            expected, seen = expected + [claimed] * 2, seen + grown
        else:
            off[f"tanh{' with biases' if bias else ''}"] = grown[0] / claimed
    found = judge_bound("ReLU: d‖W_l‖²/dt = 2⟨f − b₂, y − f⟩ (B4)", np.array(expected), np.array(seen), 1e-12, SAME)
    listed = ", ".join(f"{ratio:.2f} of it for {name}" for name, ratio in off.items())
    return replace(found, answer=f"{found.answer}; the first layer gains {listed}", numbers={**found.numbers, **off})
