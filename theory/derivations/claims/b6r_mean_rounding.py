"""B6r: the mean cost of rounding the weights of two layers over Haar-random hidden frames, by spherical harmonics."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp
from scipy import integrate, special, stats

from overtraining.theory.derivations.checker.core import (
    Assumption,
    Counterexample,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.evidence import argued, every, identity, positive, tested
from overtraining.theory.sensitivity.mean_rounding import mean_rounding_increase

DEGREES = (0, 2, 4, 6, 8)
h, square = sp.symbols("h S", positive=True)
parts = sp.symbols("p0 p2 p4 p6 p8", nonnegative=True)
_w = sp.Symbol("w", positive=True)


def formula() -> sp.Expr:
    """`E(Σ_k F(o_k))²` by degree 8, in `S = E F²` and the squared norms p_ℓ of F's parts."""
    eigenvalues = [
        sp.Integer(1),
        -1 / (h - 1),
        3 / ((h - 1) * (h + 1)),
        -15 / ((h - 1) * (h + 1) * (h + 3)),
        105 / ((h - 1) * (h + 1) * (h + 3) * (h + 5)),
    ]
    return h * square + h * (h - 1) * sum(x * p for x, p in zip(eigenvalues, parts, strict=True))


def eigenvalue(degree: int) -> sp.Expr:
    """The mean of `(z·o′)^ℓ` over o′ ⊥ o, over `(z·o)^ℓ`, for z·z = 0.

    `g − (g·o)o` of Gaussian g has the direction o′ and, along z, the variance `z·z − (z·o)² = −w²`, with w = z·o.
    """
    t = sp.Symbol("t")
    of_gaussian = sp.diff(sp.exp(-(_w**2) * t**2 / 2), t, degree).subs(t, 0)
    length = 2 ** (degree // 2) * sp.expand_func(sp.rf((h - 1) / 2, degree // 2))  # a moment of χ² of h − 1
    return sp.simplify(of_gaussian / _w**degree / length)


def conclusion(candidate: sp.Expr) -> Evidence:
    """h rows, each with E F², and h(h − 1) ordered pairs of rows, in which each degree has its eigenvalue."""
    pairs = sum(eigenvalue(degree) * p for degree, p in zip(DEGREES, parts, strict=True))
    return identity(candidate, h * square + h * (h - 1) * pairs)


def _pairs() -> Evidence:
    """The mean is exact where F is a polynomial: unrounded, `F = (o·a)(o·b)`, the sum is a·b in every frame."""
    dot = sp.Symbol("c", real=True)  # a·b
    of_degree_0 = dot**2 / h**2
    unrounded = formula().subs(dict.fromkeys(parts[2:], 0) | {parts[0]: of_degree_0, parts[1]: square - of_degree_0})
    return argued(
        "the rows of a Haar frame are exchangeable, and two of them are uniform among orthogonal pairs",
        identity(unrounded, dot**2),
    )


def _gegenbauer() -> Evidence:
    """The same numbers from the zonal harmonics, `C_ℓ(0)/C_ℓ(1)`."""
    index, x = (h - 2) / 2, sp.Symbol("x")
    zonal = {degree: sp.gegenbauer(degree, index, x) for degree in DEGREES}
    return every(
        (f"degree {degree}", identity(zonal[degree].subs(x, 0) / zonal[degree].subs(x, 1), eigenvalue(degree)))
        for degree in DEGREES
    )


def _left_out() -> Evidence:
    """`|λ_{ℓ+2}| < |λ_ℓ|`: the ratio is (ℓ+1)/(h−1+ℓ), below 1 from h = 3; odd degrees have 0, as F is even."""
    degree, beyond = sp.symbols("l k", positive=True)
    ratio = (degree + 1) / (h - 1 + degree)
    steps = [identity(eigenvalue(n + 2) / eigenvalue(n), -ratio.subs(degree, n)) for n in DEGREES]
    falls = positive((1 - ratio).subs(h, 2 + beyond), zero_at={beyond: 0})
    checked = every([*((f"degree {n}", step) for n, step in zip(DEGREES, steps, strict=True)), ("falls", falls)])
    return argued("the other degrees add at most the next eigenvalue times S minus their squared norms", checked)


def _nearest(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.ceil(np.abs(x) - 0.5)


def _network(hidden: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return generator.normal(size=(hidden, 3)), generator.normal(size=(2, hidden))


def _rise(w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    """The rise of the loss of the weights rounded to whole numbers, frame by frame; white inputs."""
    loss = lambda a, b: ((b @ a - teacher) ** 2).sum(axis=(-2, -1)) / 2
    return np.asarray(loss(_nearest(w1), _nearest(w2)) - loss(w1, w2))


def _frames(hidden: int, number: int, generator: np.random.Generator) -> np.ndarray:
    return np.asarray(stats.ortho_group(hidden).rvs(number, random_state=generator))


def _simulated() -> Evidence:
    """Means over 20,000 frames, 3, 6 and 12 hidden units: within the bound and four small standard errors."""
    generator, off, unseen = np.random.default_rng(0), 0.0, 0.0
    for hidden in (3, 6, 12):
        w1, w2 = (0.6 * w for w in _network(hidden, generator))
        teacher = 3 * generator.normal(size=(2, 3))
        answer = mean_rounding_increase(w1, w2, teacher, 1.0, 1.0)
        frames = _frames(hidden, 20_000, generator)
        found = _rise(frames @ w1, w2 @ frames.swapaxes(1, 2), teacher)
        margin = 4 * found.std() / len(found) ** 0.5
        off = max(off, abs(found.mean() - answer.rise) / (answer.bound + margin))
        unseen = max(unseen, margin / answer.rise)
    return every(
        (("mean", tested(off, 1.0, "over bound and margin:")), ("margin", tested(unseen, 0.6, "over the rise:")))
    )


def _one_frame() -> Evidence:
    """One frame, mode i on hidden unit i: W1 = W2 = 0.6 I, A = 0.36 I, step 1: all weights are rounded up."""
    w = 0.6 * np.eye(8)
    own, mean = float(_rise(w, w, w @ w)), mean_rounding_increase(w, w, w @ w, 1.0, 1.0).rise
    return Evidence(own > 1.2 * mean > 0, Verdict.TESTED, f"rise {own:.3f} in this frame, {mean:.3f} on average")


def _absmax() -> Evidence:
    """Steps of 1/3 of the largest weight of each frame, against the formula at the mean of these steps."""
    generator = np.random.default_rng(1)
    w = np.diag([1.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
    frames = _frames(8, 20_000, generator)
    w1, w2 = frames @ w, w @ frames.swapaxes(1, 2)
    steps = [np.abs(x).max(axis=(1, 2), keepdims=True) / 3 for x in (w1, w2)]
    rounded = (_nearest(w2 / steps[1]) * steps[1]) @ (_nearest(w1 / steps[0]) * steps[0])
    found = float(((rounded - w @ w) ** 2).sum(axis=(1, 2)).mean() / 2)
    answer = mean_rounding_increase(w, w, w @ w, *(float(step.mean()) for step in steps))
    wrong = abs(found / answer.rise - 1) > 0.02 and abs(found - answer.rise) > 2 * answer.bound
    return Evidence(wrong, Verdict.TESTED, f"rise {found:.5f} against {answer.rise:.5f} at the mean step")


def _squared(g: Callable[..., Any], x: float) -> float:
    return float(g(x) ** 2)


def _engine(expression: sp.Expr, function: Callable[..., Any], generator: np.random.Generator) -> float:
    """One input and one output with parallel weights, where F depends on one coordinate: parts by quadrature in it."""
    evaluate = sp.lambdify((h, square, *parts), expression)
    worst = 0.0
    for hidden in (3, 4, 7, 20, 60):
        sizes = generator.uniform(0.7, 6.0, 2)
        w1, w2 = (np.pad([[x]], ((0, hidden - 1), (0, 0))) for x in sizes)
        answer = function(w1, w2.T, np.zeros((1, 1)), 1.0, 1.0)
        cuts = [(np.arange(int(x + 0.5)) + 0.5) / x for x in sizes]
        edges = np.concatenate([[0.0], np.sort(np.concatenate(cuts)), [1.0]])
        of_parts = np.zeros(6)
        norms = np.zeros(5)
        for low, high in pairwise(edges):
            f = np.prod(_nearest(sizes * (low + high) / 2))

            def mean(g: Callable[..., Any], low: float = low, high: float = high, k: int = hidden) -> float:
                # o₁ = sin θ has the density cos^{h−2} θ
                weighed = lambda angle: g(np.sin(angle)) * np.cos(angle) ** (k - 2)
                limits = np.arcsin([low, high])
                return float(integrate.quad(weighed, *limits, epsabs=1e-13, epsrel=1e-12)[0])

            zonal = [partial(special.eval_gegenbauer, n, (hidden - 2) / 2) for n in DEGREES]
            of_parts += [f * mean(g) for g in zonal] + [f**2 * mean(np.ones_like)]
            norms += [mean(partial(_squared, g)) for g in zonal]
        values = of_parts[:5] ** 2 / norms / norms[0], of_parts[5] / norms[0]
        claimed = (evaluate(hidden, values[1], *values[0]) - np.prod(sizes) ** 2) / 2
        worst = max(worst, abs(answer.rise - claimed) / max(abs(claimed), 1.0))
    return worst


DERIVATION = Derivation(
    claim="B6r",
    title="The mean cost of rounding over hidden frames",
    statement=r"\mathbb{E}\Big(\sum_k F(o_k)\Big)^2=h\,\mathbb{E}F^2+h(h-1)\sum_\ell\lambda_\ell\|F_\ell\|^2,\quad"
    r"\lambda_\ell=\prod_{k<\ell,\ k\ \text{even}}\frac{-(k+1)}{h-1+k}",
    plain="Over Haar-random hidden frames, an entry of the rounded f is a sum of one even function of orthogonal "
    "uniform directions; its second moment, and with it the mean loss, follows from the function's parts by degree.",
    symbols={
        "F": "rounded entry of W2 times rounded entry of W1, a function of the hidden unit's row o of the frame",
        r"F_\ell": "part of F in spherical harmonics of degree ℓ on the sphere in h dimensions",
        r"S=\mathbb{E}F^2,\ p_\ell=\|F_\ell\|^2": "second moment of F, and of its parts",
        "h": "hidden units, at least 3",
    },
    assumptions=(
        Assumption(
            "random frame",
            "The hidden frame is Haar-random, and the mean is over it.",
            Counterexample("One unit for each mode rounds all weights up together.", _one_frame),
        ),
        Assumption(
            "fixed step",
            "The step does not depend on the frame.",
            Counterexample("In 3 bits of the largest weight, the mean step does not give the mean rise.", _absmax),
        ),
    ),
    steps=(
        Step(
            r"\sum_{k\ne l}\mathbb{E}F(o_k)F(o_l)=h(h-1)\,\mathbb{E}F(o)F(o'),\ o'\perp o",
            "Rows of the frame are exchangeable. Check: without rounding the sum is a·b in every frame.",
            _pairs,
        ),
        Step(
            r"\lambda_\ell=C_\ell(0)/C_\ell(1)",
            "The mean over the directions orthogonal to o commutes with rotations. The derived numbers, from a "
            "Gaussian vector less its part along o, are those of zonal harmonics.",
            _gegenbauer,
        ),
        Step(
            r"|\text{left out}|\le h(h-1)|\lambda_{10}|\,(S-\textstyle\sum_{\ell\le 8}p_\ell)",
            "The eigenvalues fall in size.",
            _left_out,
        ),
        Step(
            r"\mathbb{E}\Delta",
            "The loss of rounded weights over true Haar frames, within the bound.",
            _simulated,
            cross_check=True,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("rows independent", lambda f: h * square + h * (h - 1) * parts[0]),
        Variant("h² pairs", lambda f: f + h * sum(parts)),
        Variant("sign of degree 2", lambda f: f.subs(parts[1], -parts[1])),
        Variant("degree 4 dropped", lambda f: f.subs(parts[2], 0)),
        Variant("sign of degree 4", lambda f: f.subs(parts[2], -parts[2])),
        Variant("degree 6 dropped", lambda f: f.subs(parts[3], 0)),
        Variant("degree 8 twice", lambda f: f.subs(parts[4], 2 * parts[4])),
    ),
    special_case=SpecialCase("no rounding: no degree beyond 2", lambda f: f.subs(dict.fromkeys(parts[2:], 0))),
    floor=Verdict.ARGUED,
    link=Link(
        "overtraining.theory.sensitivity.mean_rounding.mean_rounding_increase",
        "parallel weights of 0.7 … 6 steps, h = 3 … 60",
        _engine,
        tolerance=1e-9,
    ),
    source="Funk–Hecke: Müller 1966, Spherical Harmonics; the rest ours",
)
