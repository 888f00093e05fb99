"""noise-sensitivity (B1, B4): the cost of Gaussian noise along pretraining, exact at every strength and shape.

Protocol: six power-law features in an 8→6→7 network from the aligned start, unequal noise in the two layers, three
keys. Prediction: `Δ = cΣs_i + ½γ₁²γ₂² d_in h d_out`, which grows with the length. Refuted if the z-scores are not those
of chance. Limits: none, B1 is exact.
"""

import numpy as np

from overtraining.experiments import Preset
from overtraining.experiments.memoized import responses
from overtraining.experiments.verdict import Outcome, judge_response
from overtraining.setting.perturbations import Noise
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.solvers.exact import respond as predict


def protocol(preset: Preset) -> Protocol:
    """Lengths while the features are learned; noise from small to as large as the weights."""
    return Protocol(
        PowerLaw(modes=6, alpha=1.0),
        lengths=np.linspace(0, 24, 7 if preset == "quick" else 25),
        strengths=(0.02, 0.1, 0.5),
        network=Network(d_in=8, h=6, d_out=7),
        perturbation=Noise(scales=(1.0, 0.5)),
        sampling=Sampling(draws=2048 if preset == "quick" else 16384, antithetic=True),
    )


def run(preset: Preset, key: int) -> Outcome:
    """Three independent measurements against one prediction."""
    setup = protocol(preset)
    predicted = predict(setup)
    measured = responses(setup, range(key, key + 3), preset)
    checks = (judge_response("rise of the loss", predicted, measured),)
    return Outcome(checks, {"theory": predicted} | {f"key{key + i}": m for i, m in enumerate(measured)})
