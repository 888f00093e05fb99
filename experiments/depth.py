"""depth (A6, B2, B4): features, and what noise on all layers costs, from one layer to eight.

Protocol: three features in a 5→4→…→6 network, each depth on the clock of its own weakest feature; three keys.
Prediction: `ṡ = L s^{2−2/L}(σ − s)` (A6), the cost of noise by the backward recursion (B2): flat at L = 1, which is
convex, and growing at every other depth (B4). Where it ends: starts turned from the teacher.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.experiments.memoized import pretrain, responses
from overtraining.experiments.verdict import Check, Outcome, judge_bound, judge_order, judge_response, map_limit
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, Balanced
from overtraining.setting.teachers import Spectrum
from overtraining.simulations.networks import Layers, product
from overtraining.theory.learning.deep_mode import time_to_reach
from overtraining.theory.solvers.exact import follow, respond as predict

DEPTHS = {"quick": (1, 3, 8), "full": (1, 2, 3, 4, 8)}  # every depth is two programs to compile
SIGMA, EPSILON = np.array([1.0, 0.6, 0.4]), 1e-2


def protocol(preset: Preset, depth: int, epsilon: float = EPSILON) -> Protocol:
    """Lengths to where 99.9% of the weakest feature are learned."""
    end = float(time_to_reach(0.999 * SIGMA[-1], SIGMA[-1], epsilon, depth))
    return Protocol(
        Spectrum(SIGMA),
        lengths=np.linspace(0, end, 7 if preset == "quick" else 25),
        strengths=(0.05, 0.2),
        network=Network(d_in=5, h=4, d_out=6, depth=depth),
        start=Aligned(epsilon),
        sampling=Sampling(draws=1024 if preset == "quick" else 16384, antithetic=True),
    )


def run(preset: Preset, key: int) -> Outcome:
    """Every depth's path and cost; the growth of both with depth; the order of the learning time in ε."""
    asked = {depth: protocol(preset, depth) for depth in DEPTHS[preset]}
    checks: list[Check] = []
    data: dict[str, xr.Dataset] = {}
    for depth, one in asked.items():
        predicted = predict(one)
        measured = responses(one, range(key, key + 3), preset)
        checks.append(judge_response(f"cost of noise, L = {depth} (B2)", predicted, measured))
        data |= {f"theory {depth}": predicted, f"measured {depth}": measured[0]}
    paths = {depth: _values(pretrain(one, key)) for depth, one in asked.items()}
    checks += [_paths(asked, paths), _growth(tuple(asked), data)]
    checks += [_learning_time(preset, depth, key) for depth in asked if depth in (3, 4)]
    return Outcome((*checks, _turned(asked, key)), data)


def _values(layers: Layers) -> np.ndarray:
    """The student's singular values, (length, mode), as many as the teacher has."""
    return np.linalg.svd(np.asarray(product(layers)), compute_uv=False)[:, : SIGMA.size]


def _paths(asked: dict[int, Protocol], paths: dict[int, np.ndarray]) -> Check:
    predicted = np.array([follow(one).singular_value.values for one in asked.values()])
    why = "a hundred times the integrator's tolerance of 1e-8: local errors grow on the way out of the saddle"
    return judge_bound("singular values at all depths (A6)", predicted, np.array(list(paths.values())), 1e-6, why)


def _growth(depths: tuple[int, ...], data: dict[str, xr.Dataset]) -> Check:
    """The cost of the weaker noise from the start to the end, in standard errors: none for L = 1, a rise for others."""
    risen, factor = {}, {}
    for depth in depths:
        seen = data[f"measured {depth}"].isel(seed=0, strength=0, pretraining=[0, -1])
        risen[depth] = float(np.diff(seen.sensitivity)[0] / np.hypot(*seen.sensitivity_stderr.values))
        factor[depth] = float(seen.sensitivity[1] / seen.sensitivity[0])
    passed = abs(risen[1]) < 4 and all(risen[depth] > 4 for depth in depths if depth > 1)
    listed = ", ".join(f"×{factor[d]:.3g} at {risen[d]:+.1f} σ (L = {d})" for d in depths)
    numbers = {f"factor_{d}": factor[d] for d in depths} | {f"rise_{d}": risen[d] for d in depths}
    return Check("flat at L = 1, rising beyond (B4)", passed, f"cost of noise from start to end: {listed}", numbers)


def _learning_time(preset: Preset, depth: int, key: int) -> Check:
    """The strongest feature's time to half its size, interpolated: `ε^{−(1−2/L)}` as ε → 0."""
    starts, times = np.array([1e-5, 1e-6, 1e-7, 1e-8]), []
    for epsilon in starts:
        half = float(time_to_reach(SIGMA[0] / 2, SIGMA[0], epsilon, depth))
        at = protocol(preset, depth, float(epsilon))
        near = replace(at, lengths=half * np.linspace(0.8, 1.2, len(at.lengths)))
        times.append(np.interp(SIGMA[0] / 2, _values(pretrain(near, key))[:, 0], near.lengths))
    return judge_order(f"rate of learning, L = {depth} (A6)", starts, 1 / np.array(times), 1 - 2 / depth, "ε")


def _turned(asked: dict[int, Protocol], key: int) -> Check:
    """The same start turned by half a radian, against the aligned closed form."""
    off = {}
    for depth, one in asked.items():
        seen = _values(pretrain(replace(one, start=Balanced(EPSILON, 0.5)), key))
        off[f"distance_{depth}"] = float(np.abs(seen - follow(one).singular_value.values).max())
    listed = ", ".join(f"{far:.2g} (L = {depth})" for depth, far in zip(asked, off.values(), strict=True))
    return map_limit("a start turned by 0.5", f"largest distance from the aligned closed form: {listed}", off)
