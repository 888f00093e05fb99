"""depth (A6, B2, B4): features, and the cost of noise on all layers, from one layer to eight.

Protocol: three features in a 5→4→…→6 network, at each depth until its weakest feature is learned; three keys.
Prediction: the features follow `ṡ = L s^{2−2/L}(σ − s)` (A6); the cost of noise is that of the backward recursion (B2),
constant at L = 1, where the loss is convex, and growing at every other depth (B4). Refuted if a singular value, a cost,
its growth or the order of the learning time in ε deviates. Limit: starts rotated away from the teacher.
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

DEPTHS = {"quick": (1, 3, 8), "full": (1, 2, 3, 4, 8)}  # each depth takes two compilations
SIGMA, EPSILON = np.array([1.0, 0.6, 0.4]), 1e-2


def protocol(preset: Preset, depth: int, epsilon: float = EPSILON) -> Protocol:
    """Lengths until 99.9% of the weakest feature is learned."""
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
    """Every depth's path and cost, the growth of the cost, and the order of the learning time in ε."""
    setups = {depth: protocol(preset, depth) for depth in DEPTHS[preset]}
    checks: list[Check] = []
    data: dict[str, xr.Dataset] = {}
    for depth, setup in setups.items():
        predicted = predict(setup)
        measured = responses(setup, range(key, key + 3), preset)
        checks.append(judge_response(f"cost of noise, L = {depth} (B2)", predicted, measured))
        data |= {f"theory {depth}": predicted, f"measured {depth}": measured[0]}
    paths = {depth: _singular_values(pretrain(setup, key)) for depth, setup in setups.items()}
    checks += [_paths(setups, paths), judge_growth(tuple(setups), data)]
    checks += [_learning_time(preset, depth, key) for depth in setups if depth in (3, 4)]
    return Outcome((*checks, _rotated(setups, key)), data)


def _singular_values(layers: Layers) -> np.ndarray:
    """The student's singular values, (length, mode), as many as the teacher has."""
    return np.linalg.svd(np.asarray(product(layers)), compute_uv=False)[:, : SIGMA.size]


def _paths(setups: dict[int, Protocol], paths: dict[int, np.ndarray]) -> Check:
    predicted = np.array([follow(setup).singular_value.values for setup in setups.values()])
    reason = (
        "a hundred times the integrator's tolerance of 1e-8, because local errors grow on the way out of the saddle"
    )
    return judge_bound("singular values at all depths (A6)", predicted, np.array(list(paths.values())), 1e-6, reason)


def judge_growth(depths: tuple[int, ...], data: dict[str, xr.Dataset]) -> Check:
    """The rise of the cost of the weaker noise from the start to the end, in standard errors: only for L > 1."""
    rise, factor = {}, {}
    for depth in depths:
        ends = data[f"measured {depth}"].isel(seed=0, strength=0, pretraining=[0, -1])
        rise[depth] = float(np.diff(ends.sensitivity)[0] / np.hypot(*ends.sensitivity_stderr.values))
        factor[depth] = float(ends.sensitivity[1] / ends.sensitivity[0])
    passed = abs(rise[1]) < 4 and all(rise[depth] > 4 for depth in depths if depth > 1)
    listed = ", ".join(f"×{factor[d]:.3g} at {rise[d]:+.1f} σ (L = {d})" for d in depths)
    numbers = {f"factor_{d}": factor[d] for d in depths} | {f"rise_{d}": rise[d] for d in depths}
    name = "the cost is constant at L = 1 and rises at every other depth (B4)"
    return Check(name, passed, f"cost of noise from start to end: {listed}", numbers)


def _learning_time(preset: Preset, depth: int, key: int) -> Check:
    """The time at which the strongest feature is half learned, interpolated: `∝ ε^{−(1−2/L)}` as ε → 0."""
    epsilons = np.array([1e-5, 1e-6, 1e-7, 1e-8])
    times = []
    for epsilon in epsilons:
        half = float(time_to_reach(SIGMA[0] / 2, SIGMA[0], epsilon, depth))
        setup = protocol(preset, depth, float(epsilon))
        around = replace(setup, lengths=half * np.linspace(0.8, 1.2, len(setup.lengths)))
        times.append(np.interp(SIGMA[0] / 2, _singular_values(pretrain(around, key))[:, 0], around.lengths))
    return judge_order(f"rate of learning, L = {depth} (A6)", epsilons, 1 / np.array(times), 1 - 2 / depth, "ε")


def _rotated(setups: dict[int, Protocol], key: int) -> Check:
    """The same start rotated by half a radian, against the aligned closed form."""
    deviation = {}
    for depth, setup in setups.items():
        s = _singular_values(pretrain(replace(setup, start=Balanced(EPSILON, 0.5)), key))
        deviation[f"distance_{depth}"] = float(np.abs(s - follow(setup).singular_value.values).max())
    listed = ", ".join(f"{value:.2g} (L = {depth})" for depth, value in zip(setups, deviation.values(), strict=True))
    return map_limit("a start rotated by 0.5", f"largest deviation from the aligned closed form: {listed}", deviation)
