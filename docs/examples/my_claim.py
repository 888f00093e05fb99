"""A claim of one's own: `overtraining check my_claim.py` runs its steps, its wrong variants and its formula."""

import sympy as sp

from overtraining.theory.derivations.checker.core import Derivation, Link, SpecialCase, Step, Variant, Verdict
from overtraining.theory.derivations.checker.evidence import identity, worst_relative_error

sigma, gamma = sp.symbols("sigma gamma", positive=True)
n1, n2 = sp.symbols("n_1 n_2", real=True)
RISE = sigma * gamma**2 + gamma**4 / 2


def loss_after_noise() -> sp.Expr:
    return sp.expand((sigma - (sp.sqrt(sigma) + n2) * (sp.sqrt(sigma) + n1)) ** 2 / 2)


def expected() -> sp.Expr:
    """The mean over independent noise with mean 0 and variance γ²; the loss before noise is 0."""
    moments = {0: 1, 1: 0, 2: gamma**2}
    terms = sp.Poly(loss_after_noise(), n1, n2).terms()
    return sum(factor * moments[i] * moments[j] for (i, j), factor in terms)


def compare(formula, rise, generator):
    points = [generator.uniform(0.1, 2.0, 20), generator.uniform(0.01, 1.0, 20)]
    return worst_relative_error(formula, [sigma, gamma], rise, points)


DERIVATION = Derivation(
    claim="Mine",
    title="What noise costs one learned feature",
    statement=r"\mathbb{E}\,\Delta=\sigma\gamma^2+\tfrac12\gamma^4",
    plain="Noise on both weights of a network of one unit raises the loss of a learned feature by σγ² + ½γ⁴.",
    symbols={r"\sigma": "the feature", r"\gamma": "standard deviation of the noise on each weight"},
    assumptions=(),
    steps=(
        Step(
            r"L=\tfrac12\left(\sqrt\sigma(n_1+n_2)+n_1n_2\right)^2",
            "Of the product of the noisy weights, what was learned cancels.",
            lambda: identity(loss_after_noise(), (sp.sqrt(sigma) * (n1 + n2) + n1 * n2) ** 2 / 2),
        ),
    ),
    formula=lambda: RISE,
    conclusion=lambda candidate: identity(candidate, expected()),
    variants=(
        Variant("half the first term", lambda f: f - sigma * gamma**2 / 2),
        Variant("the second term without ½", lambda f: f + gamma**4 / 2),
        Variant("no second term", lambda f: f - gamma**4 / 2),
        Variant("σ² for σ", lambda f: f + (sigma**2 - sigma) * gamma**2),
        Variant("√σ for σ", lambda f: f + (sp.sqrt(sigma) - sigma) * gamma**2),
    ),
    special_case=SpecialCase("σ = 1", lambda f: f.subs(sigma, 1)),
    floor=Verdict.PROVED,
    link=Link("my_formula.rise", "σ from 0.1 to 2, γ from 0.01 to 1", compare),
)
