"""A quadratic form on the space of weights, in the basis of dyads of singular vectors of the aligned balanced path.

On that path `W1 v_i = √s_i e_i`, `W2 e_i = √s_i u_i`, `A v_i = σ_i u_i`, for symbolic widths. An index is one of five
kinds, by which of its vectors u (output), v (input), e (hidden) exist; the widths only say how many there are of each.
"""

from dataclasses import dataclass
from itertools import product

import sympy as sp

from overtraining.theory.derivations.calculus.trace_words import Letter, TraceSum, Word

KINDS = {"learned": "uve", "unlearnable": "uv", "spare hidden": "e", "spare input": "v", "spare output": "u"}
"""Each kind of index with the vectors that it has; an unlearnable mode is one that finds no hidden unit."""

SPACES = {"W1": ("v", "e"), "W2": ("e", "u"), "A": ("v", "u")}
"""Each matrix with the spaces that it maps from and to."""


@dataclass(frozen=True)
class Index:
    """One index of the aligned frame: a mode, or a spare direction of one of the three spaces."""

    name: str
    kind: str

    def maps(self, letter: str) -> sp.Expr:
        """The factor with which `W1`, `W2` or `A` maps the vector of this index to its vector in the next space."""
        if letter == "A":
            return self.sigma if self.kind in ("learned", "unlearnable") else sp.Integer(0)
        return sp.sqrt(self.s) if self.kind == "learned" else sp.Integer(0)

    @property
    def s(self) -> sp.Symbol:
        """The student's singular value."""
        return sp.Symbol(f"s_{self.name}", positive=True)

    @property
    def sigma(self) -> sp.Symbol:
        """The teacher's singular value."""
        return sp.Symbol(f"sigma_{self.name}", positive=True)


@dataclass(frozen=True)
class Dyad:
    """A direction in weight space: `e_i v_jᵀ` in W1 (layer 1) or `u_i e_jᵀ` in W2 (layer 2)."""

    layer: int
    row: Index
    column: Index


def dyads_of(indices: tuple[Index, ...]) -> list[Dyad]:
    """All dyads that use each of the given indices, one or two, and no other."""
    pairs = [(a, b) for a, b in product(indices, repeat=2) if {a, b} == set(indices)]
    vectors = {1: ("e", "v"), 2: ("u", "e")}
    return [
        Dyad(layer, a, b)
        for layer, (row, column) in vectors.items()
        for a, b in pairs
        if row in KINDS[a.kind] and column in KINDS[b.kind]
    ]


def block(form: TraceSum, indices: tuple[Index, ...]) -> sp.Matrix:
    """The matrix of a symmetric bilinear form in letters X1, X2 and Y1, Y2 on the dyads of these indices."""
    basis = dyads_of(indices)
    return sp.Matrix(len(basis), len(basis), lambda i, j: entry(form, basis[i], basis[j]))


def entry(form: TraceSum, x: Dyad, y: Dyad) -> sp.Expr:
    """The form's value with the dyad x for the direction X and the dyad y for Y."""
    total = sp.Integer(0)
    dyad_of = {f"X{x.layer}": x, f"Y{y.layer}": y}
    for (word,), coefficient in form.terms.items():
        if all(letter.name in dyad_of or letter.name in SPACES for letter in word):
            total += coefficient * _trace(word, dyad_of)
    return total


def _trace(word: Word, dyad_of: dict[str, Dyad]) -> sp.Expr:
    """`tr(|a⟩⟨b| M) = ⟨b| M |a⟩`, with the word rotated so that a dyad stands first.

    Example: `tr(W2 X1 X1ᵀ W2ᵀ)` for X1 = e_i v_jᵀ, rotated to `tr(X1 · X1ᵀ W2ᵀ W2)`. Start at e_i. W2 maps it to
    √s_i u_i, W2ᵀ maps that to s_i e_i, and X1ᵀ = v_j e_iᵀ to s_i v_j, the vector that X1 expects: the trace is s_i.
    """
    first = next(i for i, letter in enumerate(word) if letter.name in dyad_of)
    start, end = _sides(word[first], dyad_of)
    factor: sp.Expr = sp.Integer(1)
    at = start
    for letter in reversed(word[first + 1 :] + word[:first]):
        if letter.name in dyad_of:
            image, expected = _sides(letter, dyad_of)
            if at != expected:
                return sp.Integer(0)
            at = image
        else:
            domain, image_space = SPACES[letter.name] if not letter.transposed else SPACES[letter.name][::-1]
            factor *= at[1].maps(letter.name) if at[0] == domain else sp.Integer(0)
            at = (image_space, at[1])
    return factor if at == end else sp.Integer(0)


def _sides(letter: Letter, dyad_of: dict[str, Dyad]) -> tuple[tuple[str, Index], tuple[str, Index]]:
    """The vectors |a⟩ and ⟨b| of a dyad |a⟩⟨b|, each as its space and its index."""
    dyad = dyad_of[letter.name]
    row_space, column_space = ("e", "v") if dyad.layer == 1 else ("u", "e")
    row, column = (row_space, dyad.row), (column_space, dyad.column)
    return (column, row) if letter.transposed else (row, column)
