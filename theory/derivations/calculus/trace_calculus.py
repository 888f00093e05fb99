"""The calculus of gradient flow in matrix words: gradients of traces, and derivatives along a flow.

Dimensions are symbolic. That these gradients are SymPy's own is a test (SymPy differentiates a single trace by a matrix
symbol, but neither products of traces nor along a flow).
"""

from collections.abc import Iterable, Mapping

import sympy as sp

from overtraining.theory.derivations.calculus.trace_words import MatrixSum, TraceSum, Word, constant, noise_expectation
from overtraining.theory.derivations.checker.core import Evidence, Verdict


def gradient(scalar: TraceSum, name: str) -> MatrixSum:
    """`∂/∂X` of a sum of single traces: `tr(X R)` gives `Rᵀ` and `tr(Xᵀ R)` gives `R`, at every place of X."""
    total = MatrixSum(())
    for words, coefficient in scalar.terms.items():
        if len(words) > 1 and any(x.name == name for word in words for x in word):
            raise ValueError("the gradient of a product of traces is not a matrix polynomial; use along()")
        for word in words:
            for i, x in enumerate(word):
                if x.name == name:
                    rest = MatrixSum(((coefficient, word[i + 1 :] + word[:i]),))
                    total += rest if x.transposed else rest.T
    return total


def descent(loss: TraceSum, *names: str) -> dict[str, MatrixSum]:
    """Gradient flow's velocities, `−∂L/∂X` for each named X."""
    return {name: MatrixSum(()) - gradient(loss, name) for name in names}


def derivative(matrix: MatrixSum, velocity: Mapping[str, MatrixSum]) -> MatrixSum:
    """`d/dt` of a matrix polynomial while each named letter moves with its velocity."""
    total = MatrixSum(())
    for coefficient, word in matrix.terms:
        for i, x in enumerate(word):
            if x.name in velocity:
                before = MatrixSum(((coefficient, word[:i]),))
                after = MatrixSum(((sp.Integer(1), word[i + 1 :]),))
                total += before @ (velocity[x.name].T if x.transposed else velocity[x.name]) @ after
    return total


def along(scalar: TraceSum, velocity: Mapping[str, MatrixSum]) -> TraceSum:
    """`d/dt` of a sum of products of traces along the same motion: the product rule."""
    total = constant(0)
    for words, coefficient in scalar.terms.items():
        for i, word in enumerate(words):
            others = TraceSum.collect([(coefficient, words[:i] + words[i + 1 :])])
            total += others * derivative(MatrixSum(((sp.Integer(1), word),)), velocity).trace()
    return total


def rate(scalar: TraceSum, loss: TraceSum, names: Iterable[str]) -> TraceSum:
    """`d/dt` of a scalar along the gradient flow of a loss in the named matrices."""
    return along(scalar, descent(loss, *names))


def laplacian(noisy: TraceSum) -> TraceSum:
    """The trace of the Hessian at N = 0 of a polynomial in the matrices N, N1, N2, …

    The mean of its second-order part, `½ n·H n`, over independent unit noise n is half the trace of H.
    """
    names = {letter.name for traces in noisy.terms for word in traces for letter in word if letter.name[0] == "N"}

    def degree(traces: tuple[Word, ...]) -> int:
        return sum(letter.name in names for word in traces for letter in word)

    second = TraceSum({traces: c for traces, c in noisy.terms.items() if degree(traces) == 2})
    return 2 * noise_expectation(second, dict.fromkeys(names, sp.Integer(1)))


def squared_norm(matrix: MatrixSum) -> TraceSum:
    """`‖M‖²_F`."""
    return (matrix @ matrix.T).trace()


def polynomial(candidate: sp.Expr, symbols: Iterable[sp.Symbol]) -> sp.Poly | None:
    """The expression as a polynomial in these symbols, if need be after cancelling; None where it is not one."""
    for form in (lambda e: e, sp.cancel, sp.simplify):
        try:
            return sp.Poly(form(candidate), *symbols)
        except sp.PolynomialError:
            continue
    return None


def agree(truth: TraceSum, candidate: sp.Expr, traces: Mapping[sp.Symbol, TraceSum]) -> Evidence:
    """Proved: a formula, which must be a polynomial in symbols that stand for traces, is the true sum of traces."""
    written = polynomial(candidate, traces)
    if written is None:
        return Evidence(False, Verdict.PROVED, f"not a polynomial in {', '.join(map(str, traces))}")
    rest = truth - in_traces(written, traces)
    return Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ, for symbolic dimensions")


def in_traces(written: sp.Poly, traces: Mapping[sp.Symbol, TraceSum]) -> TraceSum:
    """A polynomial in symbols that stand for traces, written out in the traces."""
    total = constant(0)
    for powers, coefficient in written.terms():
        term = constant(coefficient)
        for trace, power in zip(traces.values(), powers, strict=True):
            for _ in range(power):
                term = term * trace
        total += term
    return total
