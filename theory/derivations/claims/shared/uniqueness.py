"""The uniqueness of gradient flow from each start, since the gradient is a polynomial in the weights."""

from overtraining.theory.derivations.calculus.frames import insert
from overtraining.theory.derivations.calculus.matrix_words import normal_form
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.claims.a1_invariants import gradients

LAYERS = {"P": ("d_out", "m"), "V": ("m", "h"), "W": ("h", "k"), "R": ("k", "d_in")}


def unique() -> Evidence:
    """Every word of `∇L(θ + δ) − ∇L(θ)` contains a δ, so its size is at most K‖δ‖ on bounded sets.

    Then `d(e^{−2Kt}‖δ‖²)/dt = −2e^{−2Kt}(K‖δ‖² + ⟨δ, ∇L(θ + δ) − ∇L(θ)⟩) <= 0`: two solutions that start at one point,
    δ = 0, never part. P and R are products of layers themselves; their δ hold a layer's.
    """
    shifted = {n: MatrixSum.of(Letter(n, *s)) + MatrixSum.of(Letter(f"delta {n}", *s)) for n, s in LAYERS.items()}
    words = [word for g in gradients() for word in normal_form(insert(g, shifted) - g)]
    holds = bool(words) and all(any(x.name.startswith("delta ") for x in word) for word in words)
    return Evidence(holds, Verdict.PROVED, f"{len(words)} words, each with a difference, for symbolic dimensions")
