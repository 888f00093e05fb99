"""B6: noise in proportion to every weight, `W_ij (1 + ρ n_ij)`, entry by entry."""

from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from sympy.polys.rings import PolyElement

from overtraining.theory.derivations.calculus.shapes import SHAPES, in_ring, integers, noise_ring
from overtraining.theory.derivations.calculus.trace_calculus import polynomial
from overtraining.theory.derivations.calculus.two_layers import d_in, d_out, h
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, examples, identity
from overtraining.theory.derivations.claims.b1_noise import q1, tau

n1, n2, r1, r2, own, joint = sp.symbols("n_1 n_2 rho_1 rho_2 m_own m_joint", positive=True)


@cache
def expected_rise(shape: tuple[int, int, int]) -> tuple[PolyElement, dict[sp.Symbol, PolyElement]]:
    """The rise for noise W_ij(1 + ρ n_ij), E n = 0, E n² = 1, from the loss, and own, joint, ρ as polynomials."""
    i, k, o = shape
    ring, x = noise_ring({"W1": (k, i), "W2": (o, k), "n1": (k, i), "n2": (o, k), "r": (1, 2)})
    generator = np.random.default_rng(list(shape))
    teacher, root = (in_ring(ring, integers(generator, *m)) for m in ((o, i), (i, i)))
    sx = root @ root.T
    (rho_1, rho_2) = x["r"][0]
    w1, w2 = x["W1"] + x["W1"] * x["n1"] * rho_1, x["W2"] + x["W2"] * x["n2"] * rho_2

    def loss(f: np.ndarray) -> PolyElement:
        return np.trace((f - teacher) @ sx @ (f - teacher).T) / ring(2)

    noisy = loss(w2 @ w1)
    mean = ring.zero.copy()
    noise = [j for j, symbol in enumerate(ring.symbols) if str(symbol).startswith("n")]
    for powers, coefficient in noisy.terms():
        if all(powers[j] in (0, 2) for j in noise):
            of_weights = tuple(0 if j in noise else p for j, p in enumerate(powers))
            mean[of_weights] = mean.get(of_weights, 0) + coefficient
    outgoing = (x["W2"] ** 2).sum(axis=0)
    values = {own: outgoing @ x["W1"] ** 2 @ np.diag(sx), joint: outgoing @ (x["W1"] @ sx * x["W1"]).sum(axis=1)}
    return mean - loss(x["W2"] @ x["W1"]), values | {r1: rho_1, r2: rho_2}


def spells(candidate: sp.Expr, shape: tuple[int, int, int]) -> Evidence:
    """Whether a polynomial in own, joint and ρ is the true rise, written out in the weights of this shape."""
    true, names = expected_rise(shape)
    written = polynomial(candidate.subs(dict(zip((d_in, h, d_out), shape, strict=True))), names)
    terms = written.terms() if written else [((), sp.nan)]
    if not all(coefficient.is_Rational for _, coefficient in terms):
        return Evidence(False, Verdict.PROVED, f"no rational polynomial in {', '.join(map(str, names))}")
    total = true.ring(0)
    for powers, coefficient in terms:
        term = total.ring(sp.QQ(coefficient.p, coefficient.q))
        for factor, power in zip(names.values(), powers, strict=True):
            term = term * factor**power
        total = total + term
    return Evidence(true == total, Verdict.PROVED, "polynomials in W1, W2")


@cache
def means_of_paths() -> dict[tuple[bool, bool], sp.Expr]:
    """E of the four factors (1 + ρn) of two paths i → k → o, j → l → o, by whether k = l and i = j."""
    ring, x = noise_ring({"n1": (2, 2), "n2": (1, 2)})
    means = {}
    for k, l, i, j in ((0, 1, 0, 0), (0, 1, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0)):
        product = [(x["n2"][0, k], r2), (x["n2"][0, l], r2), (x["n1"][k, i], r1), (x["n1"][l, j], r1)]
        mean = sp.Integer(0)
        for chosen in np.ndindex(2, 2, 2, 2):
            used = [entry for entry, on in zip(product, chosen, strict=True) if on]
            monomial = sum((e for e, _ in used), ring(0))
            if all(c == 2 for c in monomial.values()):
                mean += sp.prod(strength for _, strength in used)
        means[k == l, i == j] = mean
    return means


def any_width() -> Evidence:
    """Noise enters only where the paths meet: at the unit k = l, or at k = l and the input i = j."""
    a, b = r1**2, r2**2
    wanted = {(False, True): 1, (False, False): 1, (True, False): 1 + b, (True, True): (1 + a) * (1 + b)}
    return every(
        ((str(key), identity(means_of_paths()[key], sp.sympify(wanted[key]))) for key in wanted), "at any width"
    )


def rise_by_paths() -> sp.Expr:
    """`½Σ (mean − 1)` over all pairs of paths, at any width; `joint` sums the pairs with k = l, `own` those with i = j.

    The term with the teacher is linear in the paths, and the mean of a single path is without noise.
    """
    means = means_of_paths()
    through_one_unit = means[True, False] - 1
    return (through_one_unit * joint + (means[True, True] - means[True, False]) * own) / 2


def on_shapes(candidate: sp.Expr) -> Evidence:
    """The rise written out in the weights, entry by entry, on explicit shapes."""
    shapes = [*(shape for shape in SHAPES if max(shape) < 3), (3, 2, 1), (1, 3, 2), (2, 3, 3)]
    return examples((f"(d_in, h, d_out) = {shape}", spells(candidate, shape)) for shape in shapes)


def values_at(first: np.ndarray, second: np.ndarray, sx: np.ndarray) -> dict[sp.Symbol, Any]:
    """The values of all symbols of B6 in whatever arithmetic the entries have."""
    unit = (first @ sx * first).sum(axis=1)
    outgoing = (second**2).sum(axis=0)
    return {
        q1: unit.sum(),
        n1: (first**2).sum(),
        n2: (second**2).sum(),
        tau: np.trace(sx),
        h: first.shape[0],
        d_in: first.shape[1],
        own: outgoing @ first**2 @ np.diag(sx),
        joint: outgoing @ unit,
    }
