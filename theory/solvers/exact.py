"""`respond` and `follow`: what the theory says about a protocol, or a refusal that names what it has no formula for."""

import numpy as np
import xarray as xr

from overtraining.setting.arrays import Values
from overtraining.setting.domain import instance
from overtraining.setting.errors import NoFormula
from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import response, trajectory
from overtraining.setting.serialization import write
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.conventions import mean_unit_overlap, multiplicative_increase
from overtraining.theory.sensitivity.deep_noise import deep_increase
from overtraining.theory.solvers.fine_tuned_path import losses, only_flow
from overtraining.theory.solvers.paths import Path
from overtraining.theory.solvers.solutions import MEASURE, solve

LAWS = {"gaussian": "Gaussian", "uniform": "uniform", "sign": "random-sign"}
STRENGTHS = {
    "absolute": "noise scale γ",
    "initialization": "noise scale γ in units of the start's",
    "relative": "noise scale γ in units of the layer's",
    "multiplicative": "relative noise scale ρ",
}

NO_FORMULA = {
    Quantization: "it acts by every weight's own place on the grid",
    Pruning: "it acts by the order of the weights' sizes",
}


def respond(protocol: Protocol) -> xr.Dataset:
    """The exact Response to a protocol: loss before and after noise or fine-tuning, for every length and strength.

    For noise (claims A–C) `loss after = loss before + Δ`, Δ the expected rise under independent noise of any law (B1;
    B2 at other depths) in the protocol's convention (B6), all along the path that `solutions.solve` finds. Noise in
    proportion to every weight sees the hidden layer's frame, which a start leaves to chance: its Δ is the mean over
    Haar-random frames, so that simulations meet it in the mean over seeds. Losses are over the population and without
    the labels' noise.

    For fine-tuning (claim D1) also the downstream loss; by gradient flow on all weights of two layers, with nothing
    that holds them back.

    Where the start never reaches some of the teacher's singular values the attribute `never_learned` lists them; where
    the pretrained weights never reach some of the task's, `never_learned_downstream`.
    Raises NoFormula for other perturbations, for noise in proportion to every weight beyond two layers, for fine-tuning
    of another kind (`fine_tuned_path.losses`), and for what `solutions.solve` refuses; DomainError and NotSolved where
    float64 does not reach.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> r = respond(Protocol(PowerLaw(modes=3), lengths=(0, 5, 50), strengths=(0.1, 0.2)))
    >>> r.after.dims, r.sensitivity.values[-1].round(4).tolist()
    (('pretraining', 'strength'), [0.0563, 0.2416])
    """
    instance("protocol", protocol, Protocol)
    if isinstance(protocol.perturbation, FineTuning):
        return _respond_to_fine_tuning(protocol, protocol.perturbation)
    how = _noise(protocol)
    solution = solve(protocol)
    start = solution.at(np.zeros(1))
    pieces = ((path.loss, _cost(protocol, how, path, start)) for path in solution.along(np.array(protocol.lengths)))
    before, rise = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    both = ("pretraining", "strength")
    noise = "B6" if how.convention == "multiplicative" else "B1" if protocol.network.depth == 2 else "B2"
    return response(
        {
            "before": (both[:1], before),
            "after": (both, refuse_overflow("the loss after noise", lambda: before[:, None] + rise)),
            "sensitivity": (both, rise),
        },
        {"pretraining": list(protocol.lengths), "strength": list(protocol.strengths)},
        method="theory",
        source=f"closed form (claims {solution.claims}, {noise})",
        perturbation=f"{LAWS[how.law]} noise on every weight",
        strength_name=STRENGTHS[how.convention],
        model=describe(protocol),
        extra=_extra(protocol, start),
    )


def follow(protocol: Protocol) -> xr.Dataset:
    """The exact Trajectory: singular values, losses, norms and curvature along pretraining (claims A1–A6, B3).

    `singular_value` of f, largest first, over `mode` from 1: those that the start has; `loss`; `layer_norm`, `‖W_l‖²`
    over `layer` from 1; `weight_norm`, their sum; `hessian_trace` of the loss (without weight decay's own curvature);
    `imbalance`, `‖W_{l+1}ᵀW_{l+1} − W_lW_lᵀ‖_F`, of two layers and more; `sharpness`, the largest eigenvalue of the
    Hessian, of one layer, and of two where they are balanced and aligned, inputs white and modes no more than 64.

    The perturbation does not matter. Raises NoFormula for what `solutions.solve` refuses, DomainError where float64
    does not reach.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> path = follow(Protocol(PowerLaw(modes=2), lengths=(0, 5, 50), strengths=(0.1,)))
    >>> path.singular_value.values[-1].round(6).tolist(), path.sharpness.values[-1].round(6)
    ([1.0, 0.5], np.float64(2.0))
    """
    instance("protocol", protocol, Protocol)
    solution, depth = solve(protocol), protocol.network.depth
    pieces = [_observed(path, depth) for path in solution.along(np.array(protocol.lengths))]
    axes = {"singular_value": "mode", "layer_norm": "layer"}
    variables = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return trajectory(
        {name: (("pretraining", *filter(None, [axes.get(name)])), values) for name, values in variables.items()},
        {
            "pretraining": list(protocol.lengths),
            "mode": np.arange(1, 1 + variables["singular_value"].shape[1]),
            "layer": np.arange(1, 1 + depth),
        },
        method="theory",
        source=f"closed form (claim {solution.claims})",
        model=describe(protocol),
        extra=_extra(protocol, solution.at(np.zeros(1))),
    )


def describe(protocol: Protocol) -> str:
    """The network and its teacher in a few words, for legends and attributes."""
    n = protocol.network
    layers = {1: "one", 2: "two"}.get(n.depth, str(n.depth))
    widths = "→".join(str(shape[1]) for shape in n.shapes)
    return f"{layers}-layer linear {widths}→{n.d_out}, teacher {type(protocol.teacher).__name__}"


def _respond_to_fine_tuning(protocol: Protocol, how: FineTuning) -> xr.Dataset:
    only_flow(how)
    solution, both = solve(protocol), ("pretraining", "strength")
    found = [losses(protocol, how, path) for path in solution.along(np.array(protocol.lengths))]
    lost = {"never_learned_downstream": found[0][1].tolist()} if found[0][1].size else {}
    return response(
        {
            name: (both[: found[0][0][name].ndim], np.concatenate([values[name] for values, _ in found]))
            for name in found[0][0]
        },
        {"pretraining": list(protocol.lengths), "strength": list(protocol.strengths)},
        method="theory",
        source=f"closed form (claims {solution.claims}, D1)",
        perturbation=f"fine-tuning on a task, {type(how.task).__name__}",
        strength_name="fine-tuning time T",
        strength_units="gradient-flow time",
        model=describe(protocol),
        extra=_extra(protocol, solution.at(np.zeros(1))) | lost,
    )


def _noise(protocol: Protocol) -> Noise:
    how = protocol.perturbation
    if not isinstance(how, Noise):
        raise NoFormula(repr(how), NO_FORMULA[type(how)], f"use perturbation=Noise(), or {MEASURE}")
    if how.convention == "multiplicative" and protocol.network.depth > 2:
        reason = "beyond two layers its cost depends on every hidden frame"
        raise NoFormula(repr(how), reason, f"use convention='relative' or depth=2, or {MEASURE}")
    return how


def _cost(protocol: Protocol, how: Noise, path: Path, start: Path) -> Values:
    """Expected rise of the loss, (length, strength)."""
    n, norms = protocol.network, path.norms[:, None]
    strengths = refuse_overflow("strength × scale", lambda: np.outer(protocol.strengths, how.per_layer(n.depth)))
    if how.convention == "multiplicative":
        own = path.own()[:, None]
        if n.depth == 1:  # no hidden frame
            return multiplicative_increase(own[..., 0, 1], own[..., 0, 1], strengths[:, 0], 0.0)
        lone, joint = (mean_unit_overlap(k[..., 0, 1], k[..., 1, 2], k[..., 0, 2], h=n.h) for k in (own, norms))
        return multiplicative_increase(lone, joint, strengths[:, 0], strengths[:, 1])
    sizes = np.array([rows * columns for rows, columns in n.shapes])
    unit = {
        "absolute": np.ones((1, n.depth)),
        "initialization": np.sqrt(start.layer_norm / sizes),
        "relative": np.sqrt(path.layer_norm / sizes),
    }[how.convention]
    return deep_increase(norms, refuse_overflow("a noise scale", lambda: strengths * unit[:, None]))


def _observed(path: Path, depth: int) -> dict[str, Values]:
    seen: dict[str, Values] = {
        "singular_value": path.singular_value,
        "loss": path.loss,
        "weight_norm": path.layer_norm.sum(axis=1),
        "layer_norm": path.layer_norm,
        # ‖W_L…W_{l+1}‖² tr(W_{l−1}…W_1 Σx (W_{l−1}…W_1)ᵀ), summed over l (B3)
        "hessian_trace": refuse_overflow("tr H", lambda: (path.norms[:, 0, :-1] * path.norms[:, 1:, -1]).sum(axis=1)),
    }
    if depth > 1:
        seen["imbalance"] = np.full(path.loss.size, path.imbalance)
    if path.sharpness is not None:
        seen["sharpness"] = refuse_overflow("the sharpness", path.sharpness)
    return seen


def _extra(protocol: Protocol, start: Path) -> dict[str, object]:
    return {"protocol": write(protocol)} | (
        {"never_learned": start.never_learned.tolist()} if start.never_learned.size else {}
    )
