"""Expectations of traces of matrix words over symbolic dimensions, by contraction of the noise matrices (Wick).

SymPy differentiates traces of matrix expressions but does not take their expectation. Here a matrix polynomial is a
sum of words, a scalar is a sum of products of traces of words, and a pair of equal noise letters N, with independent
entries of variance v, contracts by `E[N_ij N_kl] = v δ_ik δ_jl`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import sympy as sp


@dataclass(frozen=True, order=True)
class Letter:
    """A matrix by name, with symbolic numbers of rows and columns (kept as text, so that words can be ordered)."""

    name: str
    rows: str
    cols: str
    transposed: bool = False
    symmetric: bool = False

    @property
    def T(self) -> "Letter":
        """The transposed letter; a symmetric one is its own transpose."""
        flipped = not self.transposed and not self.symmetric
        return replace(self, rows=self.cols, cols=self.rows, transposed=flipped)


Word = tuple[Letter, ...]


@dataclass(frozen=True)
class MatrixSum:
    """A matrix polynomial: a coefficient and a word for each term.

    >>> w = MatrixSum.of(Letter("W", "h", "d"))
    >>> (w @ w.T).shape
    ('h', 'h')
    """

    terms: tuple[tuple[sp.Expr, Word], ...]

    @staticmethod
    def of(letter: Letter) -> "MatrixSum":
        """The polynomial that is one letter."""
        return MatrixSum(((sp.Integer(1), (letter,)),))

    @property
    def shape(self) -> tuple[str, str] | None:
        """Rows and columns, or None for zero and for multiples of the identity, which fit anywhere."""
        word = next((w for _, w in self.terms if w), None)
        return (word[0].rows, word[-1].cols) if word else None

    def __add__(self, other: "MatrixSum") -> "MatrixSum":
        _refuse_unless(
            self.shape is None or other.shape is None or self.shape == other.shape, f"{self.shape} + {other.shape}"
        )
        return MatrixSum(self.terms + other.terms)

    def __sub__(self, other: "MatrixSum") -> "MatrixSum":
        return self + MatrixSum(tuple((-c, w) for c, w in other.terms))

    def __matmul__(self, other: "MatrixSum") -> "MatrixSum":
        a, b = self.shape, other.shape
        _refuse_unless(a is None or b is None or a[1] == b[0], f"{a} @ {b}")
        return self.joined(other)

    def joined(self, other: "MatrixSum") -> "MatrixSum":
        """The product without a comparison of shapes, for words in which one width has several names."""
        return MatrixSum(tuple((c * d, v + w) for c, v in self.terms for d, w in other.terms))

    @property
    def T(self) -> "MatrixSum":
        """The transpose."""
        return MatrixSum(tuple((c, tuple(x.T for x in reversed(w))) for c, w in self.terms))

    def trace(self) -> "TraceSum":
        """The trace; raises ValueError where the matrix is not square."""
        _refuse_unless(self.shape is None or self.shape[0] == self.shape[1], f"the trace of {self.shape}")
        return TraceSum.collect((c, (w,)) for c, w in self.terms)


@dataclass(frozen=True)
class TraceSum:
    """A scalar: the coefficient of each product of traces, the traces in canonical form."""

    terms: Mapping[tuple[Word, ...], sp.Expr]

    @staticmethod
    def collect(terms: Iterable[tuple[sp.Expr, tuple[Word, ...]]]) -> "TraceSum":
        """The sum of coefficients times products of traces, equal products collected."""
        total: dict[tuple[Word, ...], sp.Expr] = {}
        for coefficient, words in terms:
            key = tuple(sorted(map(_canonical, words)))
            total[key] = total.get(key, sp.Integer(0)) + coefficient
        return TraceSum({k: e for k, c in total.items() if (e := sp.expand(c)) != 0})

    def __add__(self, other: "TraceSum") -> "TraceSum":
        return TraceSum.collect((c, k) for s in (self, other) for k, c in s.terms.items())

    def __sub__(self, other: "TraceSum") -> "TraceSum":
        return self + (-1) * other

    def __mul__(self, other: "TraceSum") -> "TraceSum":
        return TraceSum.collect((c * d, k + m) for k, c in self.terms.items() for m, d in other.terms.items())

    def __rmul__(self, factor: sp.Expr | int) -> "TraceSum":
        return TraceSum.collect((sp.sympify(factor) * c, k) for k, c in self.terms.items())

    def is_zero(self) -> bool:
        """Whether no term is left: an exact test, as equal traces have equal keys."""
        return not self.terms


def _refuse_unless(shapes_fit: bool, expression: str) -> None:
    if not shapes_fit:
        raise ValueError(f"the shapes of {expression} do not fit")


def constant(value: sp.Expr | int) -> TraceSum:
    """A number, or an expression in symbolic dimensions, as a TraceSum."""
    return TraceSum.collect([(sp.sympify(value), ())])


def noise_expectation(scalar: TraceSum, variances: Mapping[str, sp.Expr]) -> TraceSum:
    """`E` over independent zero-mean Gaussian noise matrices of given variances, as the sum over all pairings.

    If every noise matrix occurs at most twice in each term, only second moments enter and the result holds for any law.
    Raises ValueError for a name that does not occur and for a symmetric matrix.

    >>> n = MatrixSum.of(Letter("N", "h", "d"))
    >>> noise_expectation((n @ n.T).trace(), {"N": sp.Integer(1)}).terms
    {(): d*h}
    """
    letters = {x for k in scalar.terms for w in k for x in w}
    if unknown := set(variances) - {x.name for x in letters}:
        raise ValueError(f"no noise matrix {', '.join(sorted(unknown))} occurs")
    if symmetric := {x.name for x in letters if x.symmetric} & set(variances):
        raise ValueError(f"{', '.join(sorted(symmetric))}: a symmetric matrix has no independent entries")
    done: list[tuple[sp.Expr, tuple[Word, ...]]] = []
    open_terms = [(c, k) for k, c in scalar.terms.items()]
    while open_terms:
        coefficient, words = open_terms.pop()
        sites = [(i, j, x.name) for i, w in enumerate(words) for j, x in enumerate(w) if x.name in variances]
        if not sites:
            done.append((coefficient, words))
            continue
        first, *others = sites
        for other in others:  # no partner: an odd moment, which is zero
            if other[2] == first[2]:
                factor, merged = _contract(words, first[:2], other[:2])
                open_terms.append((coefficient * variances[first[2]] * factor, merged))
    return TraceSum.collect(done)


def _contract(words: tuple[Word, ...], a: tuple[int, int], b: tuple[int, int]) -> tuple[sp.Expr, tuple[Word, ...]]:
    """The factor and the words after `E[N_ij N_kl] = δ_ik δ_jl` for the letters at places (word, letter) a and b."""
    rest = [w for i, w in enumerate(words) if i not in (a[0], b[0])]
    x, y = words[a[0]][a[1]], words[b[0]][b[1]]
    parallel = x.transposed == y.transposed
    if a[0] == b[0]:  # tr(N X N' Y)
        word = words[a[0]]
        inner = word[a[1] + 1 : b[1]]
        outer = word[b[1] + 1 :] + word[: a[1]]
        # the same orientation: tr(X Yᵀ); opposite: tr(X) tr(Y), an empty word being the dimension of its place
        contracted = [inner + _transpose(outer)] if parallel else [inner, outer]
        places = [x.cols] if parallel else [x.cols, x.rows]
    else:  # tr(N X) tr(N' Y)
        inner, outer = (words[i][j + 1 :] + words[i][:j] for i, j in (a, b))
        contracted = [inner + (_transpose(outer) if parallel else outer)]
        places = [x.cols]
    factor = sp.Integer(1)
    for word, place in zip(contracted, places, strict=True):
        if word:
            rest.append(word)
        else:
            factor *= sp.Symbol(place, positive=True, integer=True)
    return factor, tuple(rest)


def _transpose(word: Word) -> Word:
    return tuple(x.T for x in reversed(word))


def rotations(word: Word) -> list[Word]:
    """All words with the trace of this one: its rotations and those of its transpose."""
    return [w[i:] + w[:i] for w in (word, _transpose(word)) for i in range(len(w))]


@lru_cache(maxsize=4096)  # a sum looks up the words of its parts again
def _canonical(word: Word) -> Word:
    """The least of all words with this trace: equal traces get equal keys."""
    return min(rotations(word), default=word)
