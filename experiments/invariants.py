"""invariants (A1): gradient flow conserves `W_{l+1}ᵀW_{l+1} − W_lW_lᵀ` for every pair of neighbouring layers.

Protocol: three layers of different shapes from independent Gaussian weights, with inputs whose axes are not the
teacher's. Prediction: the flow conserves the matrices, so that any drift is the integrator's error; with weight decay μ
on all layers they decay as `e^{−2μt}`; under gradient descent they drift in proportion to η. Refuted if the drift does
not vanish with the integrator's tolerance, if the decay deviates, or if the drift has another order in η. Limits:
networks with an activation, and optimizers that rescale the gradient.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import follow, pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_bound, judge_order, map_limit
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import SmallGaussian
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining

LEARNING_RATES = np.array([0.02, 0.01, 0.005, 0.0025])
TOLERANCES = np.array([1e-5, 1e-6, 1e-7, 1e-8])
WEIGHT_DECAY = 0.1


def protocol(preset: Preset, pretraining: Pretraining | None = None) -> Protocol:
    """A random start, far from balanced, and inputs of three different variances."""
    return Protocol(
        Spectrum((1.5, 1.0)),
        lengths=np.linspace(0, 6, 7 if preset == "quick" else 31),
        strengths=(0.0,),
        network=Network(d_in=4, h=5, d_out=3, depth=3),
        start=SmallGaussian(0.5),
        pretraining=pretraining or GradientFlow(),
        inputs=Inputs(spectrum=(2.0, 1.0, 1.0, 0.5), shared=False),
    )


def run(preset: Preset, key: int) -> Outcome:
    """The drift by tolerance, weight decay and learning rate; then the drift of networks beyond the claim."""
    setup = protocol(preset)
    flow = np.array([drift(protocol(preset, GradientFlow(float(rtol))), key) for rtol in TOLERANCES])
    descent = [drift(protocol(preset, GradientDescent(float(eta))), key) for eta in LEARNING_RATES]
    checks = (
        judge_conservation(flow),
        _decays(protocol(preset, GradientFlow(1e-10, WEIGHT_DECAY)), key),
        judge_order("drift under gradient descent (A1)", LEARNING_RATES, np.array(descent), 1.0, "η"),
        _not_conserved(preset, key),
    )
    return Outcome(checks, {"flow": follow(setup, key)})


def imbalances(setup: Protocol, key: int) -> list[np.ndarray]:
    """`W_{l+1}ᵀW_{l+1} − W_lW_lᵀ` of every pair of neighbours, at every length."""
    weights = [np.asarray(layer.weight) for layer in pretrain(setup, key)]
    return [above.mT @ above - below @ below.mT for below, above in pairwise(weights)]


def drift(setup: Protocol, key: int) -> float:
    """The largest change of an entry along training, relative to the largest entry."""
    matrices = imbalances(setup, key)
    return float(max(np.abs(d - d[0]).max() for d in matrices) / max(np.abs(d[0]).max() for d in matrices))


def judge_conservation(drifts: np.ndarray) -> Check:
    """The drift vanishes with the integrator's tolerance, in proportion to it or faster."""
    check = judge_order("drift under gradient flow (A1)", TOLERANCES, drifts, 1.0, "rtol")
    answer = f"{check.answer} or faster; {drifts[-1]:.1g} at 1e-8"
    return replace(check, passed=check.numbers["slope"] > 0.9, answer=answer)


def _decays(setup: Protocol, key: int) -> Check:
    measured = np.stack(imbalances(setup, key), axis=1)
    factor = np.exp(-2 * WEIGHT_DECAY * np.array(setup.lengths))[:, None, None, None]
    reason = "a thousand times the integrator's tolerance of 1e-10"
    return judge_bound("decay as e^{−2μt} (A1)", factor * measured[0], measured, 1e-7, reason)


def _not_conserved(preset: Preset, key: int) -> Check:
    """The drift of two layers on a training set: with activations by gradient flow, and linear by Adam."""
    setup = protocol(preset)
    two_layers = replace(setup, network=replace(setup.network, depth=2), inputs=Inputs(samples=64))
    variants = {
        activation: replace(two_layers, network=replace(two_layers.network, activation=activation))
        for activation in ("linear", "tanh", "relu")
    }
    drifts = {name: drift(variant, key) for name, variant in variants.items()}
    (relu,) = imbalances(variants["relu"], key)
    per_unit = np.diagonal(relu, axis1=1, axis2=2)
    drifts["every ReLU unit by itself"] = float(np.abs(per_unit - per_unit[0]).max() / np.abs(relu[0]).max())
    adam = GradientDescent(0.01, optimizer="adam")
    drifts["linear, by Adam"] = drift(replace(two_layers, pretraining=adam), key)
    listed = ", ".join(f"{value:.2g} ({name})" for name, value in drifts.items())
    return map_limit("beyond linear networks and gradients", f"largest relative drift to t = 6: {listed}", drifts)
