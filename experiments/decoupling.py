"""decoupling (A2): from an aligned start, gradient flow is one scalar flow per feature if the inputs share its axes.

Protocol: three features, inputs of different variances ξ along the teacher's singular vectors, starts with three
imbalances; measured is f in the frames of the teacher. Prediction: a diagonal matrix whose entries are the modes at the
times `ξt`. Refuted if any entry, on or off the diagonal, deviates by more than the integrator's error. Limit: inputs
whose axes are not the teacher's couple the modes, the more the larger their anisotropy.
"""

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import follow, pretrain
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.inputs import Inputs
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum
from overtraining.simulations.networks import product
from overtraining.theory.learning.unbalanced_mode import product as mode
from overtraining.theory.solvers.exact import follow as predict

SIGMA, EPSILON = np.array([1.0, 0.7, 0.4]), 1e-3


def protocol(preset: Preset, imbalance: float = 0.0, anisotropy: float = 2.0, shared: bool = True) -> Protocol:
    """Four inputs with variances from `anisotropy` down to one, the largest along the strongest feature."""
    return Protocol(
        Spectrum(SIGMA),
        lengths=np.linspace(0, 16, 9 if preset == "quick" else 65),
        strengths=(0.0,),
        network=Network(d_in=4, h=5, d_out=4),
        start=Aligned(EPSILON, imbalance),
        inputs=Inputs(spectrum=np.geomspace(anisotropy, 1.0, 4), shared=shared),
    )


def run(preset: Preset, key: int) -> Outcome:
    """The whole matrix for three imbalances, then the coupling by inputs along other axes."""
    checks = [_decoupled(protocol(preset, imbalance), key) for imbalance in (0.0, 0.3, -0.3)]
    setup = protocol(preset)
    return Outcome((*checks, _coupled(preset, key)), {"theory": predict(setup), "measured": follow(setup, key)})


def in_frames(setup: Protocol, key: int) -> np.ndarray:
    """`Uᵀ f V` at every length."""
    u, v = resolve(setup).frames
    return u.T @ np.asarray(product(pretrain(setup, key))) @ v


def _decoupled(setup: Protocol, key: int) -> Check:
    assert isinstance(setup.start, Aligned)
    clock = np.outer(setup.lengths, setup.inputs.variances(setup.network.d_in)[: SIGMA.size])
    predicted = np.zeros((len(setup.lengths), setup.network.d_out, setup.network.d_in))
    modes = np.arange(SIGMA.size)
    predicted[:, modes, modes] = mode(clock, SIGMA, EPSILON, setup.start.imbalance)
    reason = (
        "a hundred times the integrator's tolerance of 1e-8, because local errors grow on the way out of the saddle"
    )
    name = f"f in the teacher's frames, λ = {setup.start.imbalance:g} (A2)"
    return judge_bound(name, predicted, in_frames(setup, key), 1e-6, reason)


def _coupled(preset: Preset, key: int) -> Check:
    """The largest off-diagonal entry along training, by the ratio of the largest to the smallest variance."""
    off_diagonal = {}
    for anisotropy in (1.1, 2.0, 10.0):
        f = in_frames(protocol(preset, 0.0, anisotropy, shared=False), key)
        diagonal = f * np.eye(*f.shape[1:])
        off_diagonal[f"anisotropy_{anisotropy:g}"] = float(np.abs(f - diagonal).max())
    listed = ", ".join(f"{size:.2g} ({name.removeprefix('anisotropy_')})" for name, size in off_diagonal.items())
    return map_limit("inputs along other axes", f"largest off-diagonal entry, by anisotropy: {listed}", off_diagonal)
