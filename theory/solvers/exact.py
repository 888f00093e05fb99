"""`respond` and `follow`: the exact Response or Trajectory of a protocol, or a refusal where there is no formula."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr
from jaxtyping import Float

from overtraining.setting import limits
from overtraining.setting.arrays import Values
from overtraining.setting.domain import check_memory, instance
from overtraining.setting.errors import NoFormula
from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import ResolvedProtocol, resolve
from overtraining.setting.responses import response, trajectory
from overtraining.setting.serialization import write
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.conventions import (
    increase_in_convention,
    mean_unit_overlap,
    multiplicative_increase,
    rounding_model_scale,
)
from overtraining.theory.sensitivity.deep_noise import deep_increase
from overtraining.theory.sensitivity.mean_rounding import DEGREE
from overtraining.theory.solvers.compressed import compression_rise
from overtraining.theory.solvers.fine_tuned_path import losses
from overtraining.theory.solvers.own_weights import check_imbalance_error, with_largest_norms
from overtraining.theory.solvers.paths import IN_CACHE, MEASURE, Path, Solution
from overtraining.theory.solvers.random_path import APPROXIMATION
from overtraining.theory.solvers.solutions import solve
from overtraining.theory.solvers.turns import StrengthsAt, with_seen_turns, with_turns_under_noise

BOTH = ("pretraining", "strength")
Rise = Callable[[Path], dict[str, Values]]
ARRAYS = 3  # of lengths × strengths: the loss after, the sensitivity, and at most one more
LAWS = {"gaussian": "Gaussian", "uniform": "uniform", "sign": "random-sign"}
ROUNDING = {"nearest": "rounding to nearest", "dithered": "dithered rounding"}
STRENGTHS = {
    "absolute": "noise scale γ",
    "initialization": "noise scale γ in units of the start's",
    "relative": "noise scale γ in units of the layer's",
    "multiplicative": "relative noise scale ρ",
}


def respond(protocol: Protocol) -> xr.Dataset:
    """The exact Response to a protocol: loss before and after noise or fine-tuning, for every length and strength.

    For noise (claims A–C) `loss after = loss before + Δ`, Δ the expected increase under independent noise of any law
    (B1; B2 at other depths) in the protocol's convention (B6), along the path that `solutions.solve` finds. The effect
    of noise in proportion to every weight depends on the hidden layer's frame, which a start leaves to chance: its Δ is
    the mean over Haar-random frames, with which simulations agree in the mean over seeds. Losses are over the
    population and without the labels' noise.

    From small Gaussian weights (`SmallGaussian`, `FanIn`) of two layers the answer is a mean over starts as well, and
    an approximation (A8): the attribute `approximation` says so, and `approximation_error` estimates what it misses, as
    a share of `½‖A‖²` in the loss and of `Σσ` in the squared norms. Starts for which it exceeds 0.1 are refused.

    For fine-tuning (claim D1) also the downstream loss, by gradient flow on all weights; the budgets are early stops.
    Replay is a mix of both tasks (D7). `fine_tuned_path.losses` lists what has a formula.

    Dithered rounding to a fixed step has the cost of uniform noise of the same variance, wherever that has a formula
    (B6q). Rounding and pruning of one layer, and of two with one hidden unit, are exact. Rounding to nearest of two
    layers with a fixed step, on white inputs, is the mean over Haar-random frames (B6r). Beyond two hidden units it is
    an approximation, and `approximation_bound` is the most that it misses of the loss.

    From your own weights (`Weights`), which are hardly ever balanced to the last bit, the answer is that of balanced
    weights near them: `relative_imbalance` says how far off they are, and `imbalance_error` is the most that this
    changes of any loss in the answer (`learning.near_balance`). More than 0.1 of the loss of a network that is 0 is
    refused, and so is what depends on single weights: noise in proportion to them, rounding and pruning. At length 0
    these weights themselves are perturbed by noise, rounding or pruning: the answer is exact, whatever their imbalance,
    and `lengths=(0,)` needs neither balance nor a teacher that shares the axes of the inputs.

    The attribute `never_learned` lists the teacher's singular values that are never learned, because the start never
    reaches them or because weight decay ends them at 0, if there are any; `never_learned_downstream` those of the task,
    or of its mix with replay, that the pretrained weights never reach.
    Raises NoFormula for noise in proportion to every weight beyond two layers, for other rounding and pruning
    (`compressed.compression_rise`), for fine-tuning of another kind (`fine_tuned_path.losses`), and for what
    `solutions.solve` refuses; DomainError and NotSolved where float64 is not precise or wide enough, and DomainError
    for an answer that needs more memory than `setting.limits.MEMORY`.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> r = respond(Protocol(PowerLaw(modes=3), lengths=(0, 5, 50), strengths=(0.1, 0.2)))
    >>> r.after.dims, r.sensitivity.values[-1].round(4).tolist()
    (('pretraining', 'strength'), [0.0563, 0.2416])
    """
    resolved = resolve(protocol)
    lengths, strengths = len(protocol.lengths), len(protocol.strengths)
    _check_memory(f"{lengths:,} lengths × {strengths:,} strengths", lengths * strengths)
    perturbation = protocol.perturbation
    if isinstance(perturbation, FineTuning):
        return _respond_to_fine_tuning(resolved, perturbation)
    if isinstance(perturbation, Noise):
        return _respond_to_noise(resolved, perturbation)
    return _respond_to_compression(resolved, perturbation)


def follow(protocol: Protocol) -> xr.Dataset:
    """The exact Trajectory: singular values, losses, norms and curvature along pretraining (claims A1–A8, B3).

    `singular_value` of f, in decreasing order, over `mode` from 1: those that the start has; `loss`; `layer_norm`,
    `‖W_l‖²` over `layer` from 1; `weight_norm`, their sum; `hessian_trace` of the loss (without the curvature of weight
    decay); `imbalance`, `‖W_{l+1}ᵀW_{l+1} − W_lW_lᵀ‖_F`, of two layers and more; `sharpness`, the largest eigenvalue of
    the Hessian, of one layer, and of two if they are balanced and aligned, with white inputs and at most 64 modes.

    From small Gaussian weights these are means over starts to leading order (A8), as in `respond`; singular values are
    in the order of the teacher's modes, and there is no imbalance.

    From your own weights the attributes are as in `respond`; `imbalance_error_singular_value` bounds what the imbalance
    changes of any singular value, `imbalance_error_weights` of the weights, in the norm over all layers; the imbalance
    is the weights' own.

    The perturbation does not matter. Raises NoFormula for what `solutions.solve` refuses, DomainError where float64
    overflows or the answer does not fit into memory.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> path = follow(Protocol(PowerLaw(modes=2), lengths=(0, 5, 50), strengths=(0.1,)))
    >>> path.singular_value.values[-1].round(6).tolist(), path.sharpness.values[-1].round(6)
    ([1.0, 0.5], np.float64(2.0))
    """
    instance("protocol", protocol, Protocol)
    resolved = resolve(replace(protocol, perturbation=Noise()))  # fine-tuning would need balanced weights at length 0
    solution, network = solve(resolved), resolved.protocol.network
    modes = min(network.width, resolved.sigma.size)
    _check_memory(f"{len(protocol.lengths):,} lengths × {modes:,} modes", len(protocol.lengths) * modes)
    variables, never_learned = _along(solution, protocol, lambda path: _observed(path, network))
    missed = _missed(resolved, variables)
    axes = {"singular_value": "mode", "layer_norm": "layer"}
    return trajectory(
        {name: (("pretraining", *filter(None, [axes.get(name)])), values) for name, values in variables.items()},
        {
            "pretraining": list(protocol.lengths),
            "mode": np.arange(1, 1 + variables["singular_value"].shape[1]),
            "layer": np.arange(1, 1 + network.depth),
        },
        method="theory",
        source=_source(solution.claims),
        model=describe(resolved),
        extra=_extra(protocol, never_learned=never_learned) | dict(solution.attributes) | missed,
    )


def describe(resolved: ResolvedProtocol) -> str:
    """The network and its teacher in a few words, for legends and attributes."""
    n, teacher = resolved.protocol.network, resolved.protocol.teacher
    layers = {1: "one", 2: "two"}.get(n.depth, str(n.depth))
    widths = "→".join(str(columns) for _, columns in n.shapes)
    return f"{layers}-layer linear {widths}→{n.d_out}, teacher {type(teacher).__name__}"


def _respond_to_noise(resolved: ResolvedProtocol, noise: Noise) -> xr.Dataset:
    depth = resolved.protocol.network.depth
    if noise.convention == "multiplicative" and depth > 2:
        reason = "beyond two layers its cost depends on every hidden frame"
        raise NoFormula(repr(noise), reason, f"use convention='relative' or depth=2, or {MEASURE}")
    solution = solve(resolved)
    if noise.convention == "multiplicative" and solution.of_own_weights:
        reason = "its cost depends on the hidden frame of the weights, and the formula is a mean over all frames"
        raise NoFormula(repr(noise), reason, f"use convention='relative', or {MEASURE}")
    return _under_noise(
        resolved,
        solution,
        noise,
        "B6" if noise.convention == "multiplicative" else _claim_of_noise(depth),
        perturbation=f"{LAWS[noise.law]} noise on every weight",
        strength_name=STRENGTHS[noise.convention],
    )


def _respond_to_compression(resolved: ResolvedProtocol, compression: Quantization | Pruning) -> xr.Dataset:
    solution, n = solve(resolved), resolved.protocol.network
    dithered = isinstance(compression, Quantization) and compression.dithered
    unit = {"tensor": "the layer's largest weight", "row": "the row's largest weight", None: "1"}[compression.per]
    if isinstance(compression, Pruning):
        said = ("magnitude pruning", f"share of every {'layer' if compression.per == 'tensor' else 'row'} set to 0")
    else:
        said = (ROUNDING[compression.rounding], f"step in units of {unit}")
    names = dict(zip(("perturbation", "strength_name"), said, strict=True))
    if dithered and compression.per is None:  # independent errors of mean 0 and variance step²/12 on every weight
        noise = Noise((float(rounding_model_scale(1.0)),) * n.depth, law="uniform")
        return _under_noise(resolved, solution, noise, f"{_claim_of_noise(n.depth)}, B6q", **names)
    claim = "B6q" if dithered else "B6r" if n.depth == 2 and n.h > 1 else ""
    # weights that are rounded or pruned jump, and with them the loss: it has no turns but those of its grid
    if solution.of_own_weights:
        reason = "rounding and pruning jump where a weight moves, so that nearly balanced weights tell nothing"
        raise NoFormula(repr(compression), reason, f"use {Quantization(None, 'dithered')!r}, or {MEASURE}")
    return _perturbed(resolved, solution, compression_rise(resolved, compression), claim, **names)


def _under_noise(
    resolved: ResolvedProtocol, solution: Solution, noise: Noise, claim: str, *, perturbation: str, strength_name: str
) -> xr.Dataset:
    """The Response to noise, with its turns."""
    n, strengths = resolved.protocol.network, np.array(resolved.protocol.strengths)
    scales, unit = np.array(noise.per_layer(n.depth)), _constant_unit(noise, resolved, solution)
    rise = _rise_under(noise, scales, unit, resolved)

    def rise_and_error(path: Path) -> dict[str, Values]:
        found = rise(path, strengths)
        if path.deviation is None:
            return {"rise": found}
        more = (rise(with_largest_norms(path, path.deviation), strengths) - found).max(axis=1)
        more = np.where(path.deviation.distance > 0, more, 0.0)  # not the rounding of a root and its square
        return {"rise": found, "imbalance_error": path.deviation.of_loss(path.loss) + more}

    data = _perturbed(resolved, solution, rise_and_error, claim, perturbation=perturbation, strength_name=strength_name)

    def after(path: Path, strengths: StrengthsAt) -> dict[str, Values]:
        return {"after": np.maximum(path.loss[:, None] + rise(path, strengths), 0.0)}

    if unit is None:
        return with_seen_turns(data, solution, after)
    return with_turns_under_noise(data, solution, after, np.outer(strengths, unit * scales))


def _perturbed(
    resolved: ResolvedProtocol, solution: Solution, rise: Rise, claim: str, *, perturbation: str, strength_name: str
) -> xr.Dataset:
    """The Response to a rise of the loss, (length, strength), which may have an `error` that bounds its own."""
    protocol = resolved.protocol
    variables, never_learned = _along(solution, protocol, lambda path: {"before": path.loss, **rise(path)})
    missed = _missed(resolved, variables)
    error = variables.get("error", np.zeros(0))
    approximation = {
        "approximation": f"mean over hidden frames without harmonics of degree {DEGREE + 2} and more",
        "approximation_bound": float(error.max(initial=0.0)),
    }
    return response(
        _before_and_after("the loss after the perturbation", variables),
        {"pretraining": list(protocol.lengths), "strength": list(protocol.strengths)},
        method="theory",
        source=_source(solution.claims, claim),
        perturbation=perturbation,
        strength_name=strength_name,
        model=describe(resolved),
        extra=_extra(protocol, never_learned=never_learned)
        | (approximation if error.any() else {})
        | dict(solution.attributes)
        | missed,
    )


def _claim_of_noise(depth: int) -> str:
    return "B1" if depth == 2 else "B2"


def _before_and_after(what: str, variables: dict[str, np.ndarray]) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    before = variables["before"]
    rise = np.maximum(variables["rise"], -before[:, None])  # float64 may take more than the loss where it takes all
    after = refuse_overflow(what, lambda: before[:, None] + rise)
    return {"before": (BOTH[:1], before), "after": (BOTH, after), "sensitivity": (BOTH, rise)}


def _respond_to_fine_tuning(resolved: ResolvedProtocol, tuning: FineTuning) -> xr.Dataset:
    protocol, solution = resolved.protocol, solve(resolved)
    missing_from_task = [np.zeros(0)]

    strengths = np.array(protocol.strengths)

    def both_losses(path: Path) -> dict[str, Values]:
        values, never_learned = losses(resolved, tuning, path, strengths)
        missing_from_task.append(never_learned)
        return values

    variables, never_learned = _along(solution, protocol, both_losses)
    missed = _missed(resolved, variables)
    never_learned_downstream = max(missing_from_task, key=np.size)
    extra = _extra(protocol, never_learned=never_learned, never_learned_downstream=never_learned_downstream)
    if (error := variables.pop("error", None)) is not None:
        extra |= {"approximation": APPROXIMATION, "approximation_error": float(error.max())}
    extra |= dict(solution.attributes) if missed else {}
    data = response(
        {name: (BOTH[: values.ndim], values) for name, values in variables.items()},
        {"pretraining": list(protocol.lengths), "strength": list(protocol.strengths)},
        method="theory",
        source=_source(solution.claims, "D1" if error is None else "D1r"),
        perturbation=f"fine-tuning on a task, {type(tuning.task).__name__}",
        strength_name="fine-tuning budget T",
        strength_units="gradient-flow time",
        model=describe(resolved),
        extra=extra | missed,
    )
    if error is not None:  # means over starts are for the same budgets at every length
        return data

    def after(path: Path, budgets: StrengthsAt) -> dict[str, Values]:
        return losses(resolved, tuning, replace(path, deviation_of_modes=None), budgets)[0]

    return with_seen_turns(data, solution, after)


def _source(*claims: str) -> str:
    used = [claim for claim in claims if claim]
    return f"closed form ({'claims' if len(used) > 1 else 'claim'} {', '.join(used)})" if used else "the loss itself"


def _along(
    solution: Solution, protocol: Protocol, measure: Callable[[Path], dict[str, Values]]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What is measured at all of the protocol's lengths, and the singular values that are never learned."""
    lengths, done = np.array(protocol.lengths), 0
    whole: dict[str, np.ndarray] = {}
    for path in solution.along(lengths, 1 + min(IN_CACHE, solution.step) // len(protocol.strengths)):
        piece = measure(path)
        whole = whole or {name: np.empty((lengths.size, *values.shape[1:])) for name, values in piece.items()}
        for name, values in piece.items():
            whole[name][done : done + path.loss.size] = values
        done += path.loss.size
        never_learned = path.never_learned  # the same for all lengths
    return whole, never_learned


def _check_memory(what: str, numbers: int) -> None:
    """Refuse an answer that does not fit; intermediate results are made in pieces and do not count."""
    needed = ARRAYS * 8 * numbers
    if needed > limits.MEMORY:
        check_memory(what, needed, "pass fewer of them, or ask for parts of the grid one after another")


def _constant_unit(noise: Noise, resolved: ResolvedProtocol, solution: Solution) -> Float[np.ndarray, " layer"] | None:
    """The unit of the noise in every layer; None where it changes along pretraining."""
    n = resolved.protocol.network
    match noise.convention:
        case "absolute":
            return np.ones(n.depth)
        case "initialization":
            norm = solution.at(np.zeros(1)).layer_norm[0] if solution.start_norm is None else solution.start_norm
            return np.sqrt(norm / [rows * columns for rows, columns in n.shapes])
        case _:
            return None


def _missed(resolved: ResolvedProtocol, variables: dict[str, np.ndarray]) -> dict[str, object]:
    """The bounds on what the imbalance of the user's own weights changes, taken out of the variables and checked."""
    found = {name: float(variables.pop(name).max()) for name in [*variables] if name.startswith("imbalance_error")}
    if found:
        check_imbalance_error(resolved, found["imbalance_error"])
    return dict(found)


def _rise_under(
    noise: Noise,
    scales: Float[np.ndarray, " layer"],
    unit: Float[np.ndarray, " layer"] | None,
    resolved: ResolvedProtocol,
) -> Callable[[Path, StrengthsAt], Values]:
    """The expected increase of the loss, (length, strength), as a function of the path and of strengths."""
    n = resolved.protocol.network
    sizes = np.array([rows * columns for rows, columns in n.shapes])

    def scaled(strengths: np.ndarray) -> np.ndarray:
        return np.asarray(refuse_overflow("strength × scale", lambda: np.multiply.outer(strengths, scales)))

    def in_units(path: Path, strengths: np.ndarray, units: np.ndarray) -> Values:
        gammas = refuse_overflow("a noise scale", lambda: scaled(strengths) * units[:, None])
        return deep_increase(path.norms()[:, None], gammas)

    def in_proportion(path: Path, strengths: np.ndarray) -> Values:
        ratios = scaled(strengths)
        if path.weights is not None:
            (w1, w2), (first, second) = path.weights, np.moveaxis(ratios, -1, 0)
            covariance = refuse_overflow("Σx", lambda: resolved.input_covariance)
            rises = increase_in_convention(noise.convention, w1, w2, first, second, input_covariance=covariance)
            return rises.reshape(1, -1)
        own = path.diagonal_norms()[:, None]
        if n.depth == 1:  # no hidden frame
            return multiplicative_increase(own[..., 0, 1], own[..., 0, 1], ratios[..., 0], 0.0)
        lone, joint = (
            mean_unit_overlap(k[..., 0, 1], k[..., 1, 2], k[..., 0, 2], h=n.h) for k in (own, path.norms()[:, None])
        )
        return multiplicative_increase(lone, joint, ratios[..., 0], ratios[..., 1])

    def rise(path: Path, strengths: np.ndarray) -> Values:
        if path.for_noise:
            path = path.for_noise(noise.convention)
        if unit is not None:
            return in_units(path, strengths, unit[None])
        if noise.convention == "relative":
            return in_units(path, strengths, np.sqrt(path.layer_norm / sizes))
        return in_proportion(path, strengths)

    return rise


def _observed(path: Path, network: Network) -> dict[str, Values]:
    norms = path.norms()
    after_layer = norms[:, 1:, -1]  # ‖W_L…W_{l+1}‖²
    # times tr(W_{l−1}…W_1 Σx (W_{l−1}…W_1)ᵀ), summed over l (B3); a bias, whose input is 1, adds the factor alone
    before_layer = norms[:, 0, :-1] + network.bias
    observed: dict[str, Values] = {
        "singular_value": path.singular_value,
        "loss": path.loss,
        "weight_norm": path.layer_norm.sum(axis=1),
        "layer_norm": path.layer_norm,
        "hessian_trace": refuse_overflow("tr H", lambda: (before_layer * after_layer).sum(axis=1)),
    }
    if path.deviation is not None:
        observed["imbalance_error"] = path.deviation.of_loss(path.loss)
        observed["imbalance_error_singular_value"] = path.deviation.of_product(network.depth)
        observed["imbalance_error_weights"] = path.deviation.distance
    if network.depth > 1 and path.imbalance is not None:
        observed["imbalance"] = np.full(path.loss.size, path.imbalance)
    if path.sharpness is not None:
        observed["sharpness"] = refuse_overflow("the sharpness", path.sharpness)
        if network.bias:  # where there is a formula, W₂W₂ᵀ has the singular values of f
            strongest = path.singular_value[:, 0] if network.depth > 1 else 0.0
            observed["sharpness"] = np.maximum(observed["sharpness"], 1 + strongest)
    return observed


def _extra(protocol: Protocol, **lists: np.ndarray) -> dict[str, object]:
    """The protocol's text, and the lists that are not empty."""
    return {"protocol": write(protocol)} | {name: values.tolist() for name, values in lists.items() if values.size}
