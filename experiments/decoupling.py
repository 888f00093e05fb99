"""decoupling (A2): from an aligned start the flow is one scalar flow per feature, if the inputs share the frames.

Protocol: three features, inputs of different variances ξ along them, balanced and not. Measured: f in the teacher's
frames. Prediction: a diagonal whose entries are the modes on clocks `ξt`, nothing beside it. Where it ends: inputs in
other axes than the teacher's mix the modes, more with their anisotropy.
"""

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import follow, pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum, full_frames
from overtraining.simulations.networks import product
from overtraining.theory.learning.unbalanced_mode import product as mode
from overtraining.theory.solvers.exact import follow as predict

SIGMA, EPSILON = np.array([1.0, 0.7, 0.4]), 1e-3


def protocol(preset: Preset, imbalance: float = 0.0, anisotropy: float = 2.0, shared: bool = True) -> Protocol:
    """Four inputs of variances from one to `anisotropy`, the largest along the strongest feature."""
    return Protocol(
        Spectrum(SIGMA),
        lengths=np.linspace(0, 16, 9 if preset == "quick" else 65),
        strengths=(0.0,),
        network=Network(d_in=4, h=5, d_out=4),
        start=Aligned(EPSILON, imbalance),
        inputs=Inputs(spectrum=np.geomspace(anisotropy, 1.0, 4), shared=shared),
    )


def run(preset: Preset, key: int) -> Outcome:
    """The whole matrix for three imbalances, then what inputs in other axes mix."""
    checks = [_decoupled(protocol(preset, lam), key) for lam in (0.0, 0.3, -0.3)]
    asked = protocol(preset)
    return Outcome((*checks, _mixed(preset, key)), {"theory": predict(asked), "measured": follow(asked, key)})


def in_frames(asked: Protocol, key: int) -> np.ndarray:
    """`Uᵀ f V` at every length."""
    left, right = full_frames(asked.teacher, asked.network.d_out, asked.network.d_in)
    return left.T @ np.asarray(product(pretrain(asked, key))) @ right


def _decoupled(asked: Protocol, key: int) -> Check:
    assert isinstance(asked.start, Aligned)
    clock = np.outer(asked.lengths, asked.inputs.variances(asked.network.d_in)[: SIGMA.size])
    predicted = np.zeros((len(asked.lengths), asked.network.d_out, asked.network.d_in))
    modes = np.arange(SIGMA.size)
    predicted[:, modes, modes] = mode(clock, SIGMA, EPSILON, asked.start.imbalance)
    why = "a hundred times the integrator's tolerance of 1e-8: local errors grow on the way out of the saddle"
    name = f"f in the teacher's frames, λ = {asked.start.imbalance:g} (A2)"
    return judge_bound(name, predicted, in_frames(asked, key), 1e-6, why)


def _mixed(preset: Preset, key: int) -> Check:
    """The largest entry beside the diagonal along training, by the ratio of the largest to the smallest variance."""
    beside = {}
    for anisotropy in (1.1, 2.0, 10.0):
        seen = in_frames(protocol(preset, 0.0, anisotropy, shared=False), key)
        diagonal = seen * np.eye(*seen.shape[1:])
        beside[f"anisotropy_{anisotropy:g}"] = float(np.abs(seen - diagonal).max())
    listed = ", ".join(f"{size:.2g} ({name.removeprefix('anisotropy_')})" for name, size in beside.items())
    return map_limit("inputs in other axes", f"largest entry beside the diagonal, by anisotropy: {listed}", beside)
