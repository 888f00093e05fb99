"""B3: checks of the public functions: every root of the spectrum in 700 digits, and the trace at depths 1 … 5."""

from collections.abc import Callable
from functools import reduce
from itertools import product
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.two_layers import d_in, d_out, h
from overtraining.theory.sensitivity.curvature import hessian_trace

si, sj, sigma_i, sigma_j, q1, q2, tau = SYMBOLS = sp.symbols("s_i s_j sigma_i sigma_j q_1 q_2 tau", positive=True)

FAMILIES = ("own", "pair", "outside", "hidden", "unlearnable")
TIMES = {"outside": "outside per mode", "hidden": "hidden per mode"}


def compare(claim: dict[str, Any], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """Widths 1 … 6, modes 1e-300 … 1e6 with zeros, `left` of both signs; the trace over nine decades of weights."""
    judges = {key: [_conditioned(root) for root in claim[key]] for key in FAMILIES}
    errors = [_spectrum_error(claim, judges, function, generator) for _ in range(30)]
    return max(*errors, *(_trace_error(claim["trace"], generator, depth) for depth in (1, 2, 2, 2, 3, 5)))


def _spectrum_error(claim: dict, judges: dict, function: Callable, generator: np.random.Generator) -> float:
    i, k, o = generator.integers(1, 7, 3).tolist()
    m = min(i, o)
    n = min(i, k, o)
    span = generator.choice([1.0, 12.0, 300.0])
    s, unlearned = (10.0 ** generator.uniform(-span, min(span, 6), m) * (generator.random(m) > 0.1) for _ in range(2))
    s[n:] = 0
    unlearned = unlearned * generator.choice([1, 1, -0.5], m)
    number = {key: int(claim[key].subs({d_in: i, h: k, d_out: o})) for key in (*TIMES.values(), "zeros")}
    modes = [(a, a) for a in range(n)]
    places = {"pair": [(a, b) for a, b in product(range(n), repeat=2) if a < b]}
    places["unlearnable"] = list(product(range(n), range(n, m)))
    expected = [
        (*judge(s[a], s[b], unlearned[a], unlearned[b]), number.get(TIMES.get(key, ""), 1))
        for key in FAMILIES
        for judge in judges[key]
        for a, b in places.get(key, modes)
    ]
    expected.append((mpmath.mpf(0), 1.0, number["zeros"]))
    spectrum = function(s, unlearned, d_in=i, h=k, d_out=o)
    if [repeat for *_, repeat in expected] != spectrum.multiplicity.tolist():
        return float("inf")
    worst = 0.0
    for (value, condition, _), root in zip(expected, spectrum.values, strict=True):
        error = float(abs(value - mpmath.mpf(float(root))) / max(abs(value), mpmath.mpf("1e-300")) / max(condition, 1))
        worst = max(worst, error if not np.isnan(error) else float("inf"))
    return worst


def _conditioned(root: sp.Expr) -> Callable[..., tuple[mpmath.mpf, float]]:
    """A root, in 700 digits, and its condition number with respect to s and `left = σ − s`."""
    ri, rj = sp.symbols("r_i r_j")
    arguments = (si, sj, ri, rj)
    at = root.subs({sigma_i: si + ri, sigma_j: sj + rj}, simultaneous=True)
    value = sp.lambdify(arguments, at, "mpmath")
    slopes = [sp.lambdify(arguments, at.diff(a), "mpmath") for a in arguments]

    def judged(*args: float) -> tuple[mpmath.mpf, float]:
        with mpmath.workdps(700):
            point = [mpmath.mpf(float(g)) for g in args]
            exact = value(*point)
            moved = (abs(p * slope(*point)) for p, slope in zip(point, slopes, strict=True) if p)
            return exact, float(sum(moved) / abs(exact)) if exact else 1.0

    return judged


def _trace_error(trace: sp.Expr, generator: np.random.Generator, depth: int) -> float:
    """Against the formula at depth 2, against its sum over the layers at other depths, with Σx."""
    widths = generator.integers(1, 6, depth + 1).tolist()
    scales = 10.0 ** generator.uniform(-9, 9, depth)
    weights = [s * generator.normal(size=(b, a)) for s, a, b in zip(scales, widths, widths[1:], strict=False)]
    root = generator.normal(size=(widths[0], widths[0]))
    covariance = root @ root.T
    with mpmath.workdps(60):
        layers = [mpmath.matrix(w.tolist()) for w in weights]
        sx = mpmath.matrix(covariance.tolist())

        def square(p: Any, q: Any) -> Any:
            return mpmath.fsum((p * q * p.T)[c, c] for c in range(p.rows))

        def chain(ws: Any, start: Any) -> Any:
            return reduce(lambda made, w: w * made, ws, start)

        exact = mpmath.fsum(
            square(chain(layers[l + 1 :], mpmath.eye(widths[l + 1])), mpmath.eye(widths[l + 1]))
            * square(chain(layers[:l], mpmath.eye(widths[0])), sx)
            for l in range(depth)
        )
        if depth == 2:
            norms = (square(layers[0], sx), square(layers[1], mpmath.eye(widths[1])), mpmath.fsum(np.diag(covariance)))
            exact = sp.lambdify((q1, q2, tau, d_out), trace, "mpmath")(*norms, widths[-1])
        return float(abs(exact - mpmath.mpf(float(hessian_trace(weights, covariance)))) / exact)
