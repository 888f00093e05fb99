"""A8: small Gaussian weights, as their size goes to 0: a balanced mode each, from a random ε whose law is known."""

from functools import cache

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.shapes import noise_ring, polynomial_expectation
from overtraining.theory.derivations.checker.core import (
    Assumption,
    Counterexample,
    Curves,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.evidence import argued, assumed, every, examples, identity, tested
from overtraining.theory.derivations.claims import a3_balanced_mode as a3
from overtraining.theory.derivations.claims.shared.matrix_runs import losses_along

si, sj, mu, s1, s2, eps, x, r = sp.symbols("sigma_i sigma_j mu varsigma_1 varsigma_2 epsilon x r", positive=True)
h, i, k, v = sp.symbols("h i k v", positive=True)
theta_i, theta_j, kappa_i, kappa_j, z = sp.symbols("theta_i theta_j kappa_i kappa_j z", real=True)
j_i, j_j = sp.symbols("J_i J_j", nonnegative=True)
eps_j = sp.Symbol("epsilon_j", positive=True)
TALL = ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 2))  # h × modes

StartLaw = dict[str, sp.Expr]


def formula() -> StartLaw:
    """v and k of `ε_i ~ v χ²_k`, its density, the curve from ε, rates beside a learned mode, orders of the error.

    And the first order of the error at rates that may change, in `θ = ∫κ dt` and `J = 2∫e^{2θ} dt`: path, overlap A of
    mode j with the direction of mode i, delay δ of mode i, what both change in the loss, the product's entry (i, j).
    """
    path = eps * sp.exp(2 * theta_i) / (1 + eps * j_i)
    overlap = v * sp.exp(2 * theta_j) / (1 + eps * j_i)
    delay = -v * path * j_j / (1 + eps * j_i)
    return {
        "variance": (s1**2 + s2**2) / 4,
        "freedom": h - i + 1,
        "density": eps ** (k / 2 - 1) * sp.exp(-eps / (2 * v)) / ((2 * v) ** (k / 2) * sp.gamma(k / 2)),
        "curve": a3.formula()[0],
        "rate along": sj - si,
        "rate across": sj - mu,
        "order": 2 * (1 - r),
        "order of weak starts": k * (1 - r) / r,
        "path": path,
        "overlap": overlap,
        "delay": delay,
        "loss": (path - sj) * overlap + (path - si) * delay,
        "entry": sp.sqrt(eps) * z * sp.exp(theta_i + theta_j) / ((1 + eps * j_i) * (1 + eps_j * j_j)),
    }


def conclusion(candidate: StartLaw) -> Evidence:
    """Every part against what the steps derive; the degrees of freedom by the moments of determinants."""
    along, across = rates()
    share, weak = orders()
    return every(
        (
            ("variance", identity(candidate["variance"], growing_variance())),
            ("density", moments(candidate["density"])),
            ("freedom", _determinants(candidate["freedom"])),
            ("curve", identity(candidate["curve"], a3.solved()[0])),
            ("rate along", identity(candidate["rate along"], along)),
            ("rate across", identity(candidate["rate across"], across)),
            ("order", identity(candidate["order"], share)),
            ("order of weak starts", identity(candidate["order of weak starts"], weak)),
            *_first_order(candidate),
        )
    )


def _first_order(candidate: StartLaw) -> list[tuple[str, Evidence]]:
    """Each against its equation of motion and its start, and the loss against the expansion of `½Σ(σδ_pq − f_pq)²`."""
    path, overlap, delay, entry = (candidate[name] for name in ("path", "overlap", "delay", "entry"))
    other = path.xreplace({eps: eps_j, theta_i: theta_j, j_i: j_j})
    start = dict.fromkeys((theta_i, theta_j, j_i, j_j), 0)
    equations = (
        ("path", path, 2 * path * (kappa_i - path), eps),
        ("overlap", overlap, 2 * overlap * (kappa_j - path), v),
        ("delay", delay, 2 * delay * (kappa_i - 2 * path) - 2 * path * overlap, 0),
        ("entry", entry, entry * (kappa_i + kappa_j - 2 * path - 2 * other), sp.sqrt(eps) * z),
    )
    found = [
        (name, identity((along(value), value.subs(start)), (slope, sp.sympify(first))))
        for name, value, slope, first in equations
    ]
    return [*found, ("loss", identity(candidate["loss"], _change_of_loss(path, overlap, delay)))]


def along(value: sp.Expr) -> sp.Expr:
    """The derivative in time of what depends on θ and J."""
    rates = ((theta_i, kappa_i), (theta_j, kappa_j), (j_i, 2 * sp.exp(2 * theta_i)), (j_j, 2 * sp.exp(2 * theta_j)))
    return sum((value.diff(symbol) * rate for symbol, rate in rates), sp.S.Zero)


def _change_of_loss(path: sp.Expr, overlap: sp.Expr, delay: sp.Expr) -> sp.Expr:
    """To first order in the overlap `α²` and in `w² − x`, where mode j has `α` in the direction of mode i alone."""
    w, alpha = sp.symbols("w alpha", positive=True)
    changed = sp.expand(_loss(*2 * ([sp.Matrix([w, 0]), sp.Matrix([alpha, 0])],)))
    changed = changed.subs({w: sp.sqrt(path + r * delay), alpha: sp.sqrt(r * overlap)})
    return sp.diff(sp.expand(changed), r).subs(r, 0)


def _beside_learned() -> Evidence:
    """`−∂L` at `a_i = b_i = (w, ρ)`, `a_j = b_j = (α, β)`: of `x = w²` and `A = α²` at ρ = β = 0, and of `f_ij`."""
    w, rho, alpha, beta = sp.symbols("w rho alpha beta", real=True)
    entries = [sp.symbols(f"{name}_1:3", real=True) for name in ("ai", "aj", "bi", "bj")]
    ai, aj, bi, bj = map(sp.Matrix, entries)
    loss = _loss([ai, aj], [bi, bj])
    here = dict(zip(sum(entries, ()), 2 * (w, rho, alpha, beta), strict=True))
    dw, d_rho, d_alpha, d_beta = (-sp.diff(loss, entry).subs(here) for entry in (*entries[0], *entries[1]))
    entry, slope = w * alpha + rho * beta, dw * alpha + w * d_alpha + d_rho * beta + rho * d_beta
    off = slope - entry * (si + sj - 2 * w**2 - 2 * beta**2)
    return identity(
        (
            (2 * w * dw).subs({rho: 0, beta: 0}),
            (2 * alpha * d_alpha).subs({rho: 0, beta: 0}),
            *(off.diff(small).subs({alpha: 0, rho: 0}) for small in (alpha, rho)),
        ),
        (2 * w**2 * (si - w**2 - alpha**2), 2 * alpha**2 * (sj - w**2 - alpha**2), sp.S.Zero, sp.S.Zero),
    )


def growing_variance() -> sp.Expr:
    """Variance of an entry of the growing eigenvector's coefficient, from variances ς₁² and ς₂² of a and b."""
    grows = sp.Matrix([[1, 1]]) / 2  # (a + b)/2 in (a, b)
    return (grows * sp.diag(s1**2, s2**2) * grows.T)[0]


@cache
def rates() -> tuple[sp.Expr, sp.Expr]:
    """The larger rates of (a_j, b_j) along and across the hidden direction of the learned mode i, by the gradient.

    The loss depends on the weights by `b_p·a_q` alone. Two hidden directions are enough: along, and one across.
    """
    a, b = ([sp.Matrix(sp.symbols(f"{name}{mode}_1:3", real=True)) for mode in "ij"] for name in "ab")
    entries = [*a[0], *b[0], *a[1], *b[1]]
    loss = _loss(a, b) + mu * sum(entry**2 for entry in entries) / 2
    kept = sp.sqrt(si - mu)
    saddle = dict.fromkeys(entries, 0) | {a[0][0]: kept, b[0][0]: kept}
    largest = []
    for n in (0, 1):
        pair = [a[1][n], b[1][n]]
        flow = -sp.hessian(loss, pair).subs(saddle)
        for other in set(entries) - set(pair):  # nothing else enters at first order
            if any(sp.diff(loss, y, other).subs(saddle) != 0 for y in pair):
                raise ValueError(f"{other} enters the first order of mode j")
        if sp.simplify(flow[0, 0] - flow[1, 1]) != 0 or sp.simplify(flow[0, 1] - flow[1, 0]) != 0:
            raise ValueError("a_j + b_j is no eigenvector")
        largest.append(sp.simplify(sp.Matrix([[1, 1]]).dot(flow * sp.Matrix([1, 1])) / 2))  # of the growing eigenvector
    return largest[0], largest[1]


def _loss(a: list[sp.Matrix], b: list[sp.Matrix]) -> sp.Expr:
    """`½ Σ (σ_p δ_pq − b_p·a_q)²` over two modes."""
    sigma = (si, sj)
    return sum(((sigma[p] if p == q else 0) - b[p].dot(a[q])) ** 2 for p in (0, 1) for q in (0, 1)) / 2


def orders() -> tuple[sp.Expr, sp.Expr]:
    """Powers of ς: of the share `(V/κ)(κ/ε)^r` of the next mode, V and ε in ς², and of the chance that it is 1."""
    size, kappa, bigger, chi2 = sp.symbols("varsigma kappa V_1 chi2", positive=True)
    share = size**2 * bigger / kappa * (kappa / (size**2 * chi2)) ** r  # when mode i is half learned, ε e^{2κt} = κ
    order = size * sp.diff(sp.expand_log(sp.log(share), force=True), size)
    weakest = sp.solve(sp.expand_log(sp.log(share), force=True), sp.log(chi2))[0]  # ln of the χ² at which it is 1
    chance = weakest * k / 2  # P(χ²_k < y) = y^{k/2}/(2^{k/2} Γ(k/2 + 1)) (1 + O(y))
    return sp.simplify(order), sp.simplify(size * sp.diff(chance, size))


def moments(density: sp.Expr) -> Evidence:
    """`∫ εⁿ p(ε) dε` is that of v times the sum of the squares of k standard normal numbers."""
    truth = (sp.S.One, v * k, v**2 * k * (k + 2), v**3 * k * (k + 2) * (k + 4))
    return every(
        (f"moment {n}", identity(sp.gammasimp(sp.integrate(eps**n * density, (eps, 0, sp.oo))), value))
        for n, value in enumerate(truth)
    )


def _determinants(freedom: sp.Expr) -> Evidence:
    """`E det ZᵀZ = Π E ε_i` for Gaussian Z, expanded entry by entry: the square of R's diagonal multiplies to it."""

    def case(rows: int, columns: int) -> Evidence:
        _, noise = noise_ring({"Z": (rows, columns)})
        gram = noise["Z"].T @ noise["Z"]
        moments = {"Z": tuple(sp.factorial2(n - 1) if n % 2 == 0 else sp.S.Zero for n in range(1, 2 * columns + 3))}
        mean = polynomial_expectation(_determinant(gram), moments)
        return identity(mean, sp.prod(freedom.subs({h: rows, i: n}) for n in range(1, columns + 1)))

    return examples((f"(h, modes) = {shape}", case(*shape)) for shape in TALL)


def _determinant(matrix: np.ndarray):  # type: ignore[no-untyped-def]
    if len(matrix) == 1:
        return matrix[0, 0]
    rest = matrix[1:]
    minors = (np.delete(rest, n, axis=1) for n in range(len(matrix)))
    return sum((-1) ** n * matrix[0, n] * _determinant(minor) for n, minor in enumerate(minors))


def _small() -> Evidence:
    """`d/dt (a, b) = (σ b − μ a, σ a − μ b)` in z = (a + b)/2 and y = (a − b)/2."""
    basis = sp.Matrix([[1, 1], [1, -1]]) / 2
    flow = sp.Matrix([[-mu, sj], [sj, -mu]])
    return identity((basis * flow * basis.inv()).applyfunc(sp.simplify), sp.diag(sj - mu, -sj - mu))


def _even() -> Evidence:
    a, b = ([sp.Matrix(sp.symbols(f"{name}{mode}_1:3", real=True)) for mode in "ij"] for name in "ab")
    turned = _loss([a[0], -a[1]], [b[0], -b[1]])
    words = (
        "the loss does not change if a mode's a and b change their signs, so the velocities of the others, and the "
        "loss, contain what is left of a mode to the second power at least: its share, largest when the mode before "
        "is half learned; after that the part along dies at the rate σ_j − σ_i, and the part across goes on"
    )
    return argued(words, identity(_loss(a, b), turned))


@cache
def _errors(sigma: tuple[float, ...], stds: tuple[float, ...]) -> tuple[float, ...]:
    """Largest error of the mean loss over 40 starts of a 3 → 2 → 2 network along the flow, at every ς."""
    generator, found = np.random.default_rng(5), []
    unit = [generator.normal(size=(40, 2, 3)), generator.normal(size=(40, 2, 2)) / 2]
    top = np.array(sigma)
    for std in stds:
        w1, w2 = std * unit[0], std * unit[1]
        times = np.linspace(0.2, 1.4, 61) * np.log(1 / std) / top[-1]
        m = top.size
        grows = (w1[:, :, :m] + w2.mT[:, :, :m]) / 2
        start = np.diagonal(np.linalg.qr(grows, mode="r"), axis1=1, axis2=2) ** 2
        expected = _mean_loss(top, start, times)
        found.append(float(np.abs(losses_along(w1, w2, top, times).mean(1) - expected).max()))
    return tuple(found)


def _mean_loss(top: np.ndarray, start: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Of balanced modes over starts, (start, mode), at every time."""
    s = top / (1 + (top / start - 1) * np.exp(-2 * top * times[:, None, None]))
    return np.asarray(((top - s) ** 2).sum(2).mean(1) / 2)


def _vanishes() -> Evidence:
    """At ratios ½ and 0.7, over a factor of 100 in ς."""
    slopes = []
    for ratio in (0.5, 0.7):
        first, last = _errors((1.0, ratio), (1e-3, 1e-5))
        slopes.append(float(np.log(first / last) / np.log(100)) / (2 * (1 - ratio)))
    worst = max(abs(slope - 1) for slope in slopes)
    return tested(worst, 0.1, f"orders found over 2(1 − r): {', '.join(f'{slope:.3f}' for slope in slopes)};")


def _engine(claim: StartLaw, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """`E s` by mpmath's quadrature of curve × density, relative to σ; v 1e-12 … 0.1, k 1 … 12, phases 0 … 2."""
    curve = sp.lambdify((a3.t, a3.sigma, a3.epsilon, a3.mu), claim["curve"], "mpmath")
    density = sp.lambdify((eps, v, k), claim["density"], "mpmath")
    worst = 0.0
    for freedom in (1, 2, 5, 12):
        top, variance = float(10 ** generator.uniform(-3, 3)), float(10 ** generator.uniform(-12, -1))
        decay, clock = (
            float(generator.choice([0.0, 0.3])) * top,
            generator.uniform(0, 2) * np.log(1 / variance) / 2 / top,
        )
        found = float(function(clock, top, variance * top, freedom, decay).learned)
        with mpmath.workdps(30):
            size = mpmath.mpf(variance * top)

            def integrand(y: mpmath.mpf, at: tuple = (clock, top, size, freedom, decay)) -> mpmath.mpf:
                start = at[2] * mpmath.exp(y)
                value = curve(mpmath.mpf(at[0]), mpmath.mpf(at[1]), start, mpmath.mpf(at[4]))
                return start * density(start, at[2], mpmath.mpf(at[3])) * value

            breaks = [-140, *range(-60, -4, 8), -4, -2, 0, 1, 2, 3, 4, 5.5]
            worst = max(worst, float(abs(mpmath.quad(integrand, breaks) - found)) / top)
    return worst


def _large() -> Evidence:
    (found,) = _errors((1.0, 0.5), (0.5,))
    return Evidence(found > 0.05, Verdict.TESTED, f"the mean loss is off by {found:.2f}, of 0.62 at the start")


def _large_curves() -> Curves:
    stds = np.geomspace(1e-3, 0.5, 10)
    found = np.array([_errors((1.0, 0.5), (float(std),))[0] for std in stds])
    return Curves(stds, {"error of the mean loss": found}, "standard deviation of the weights", "error of the loss")


def _equal() -> Evidence:
    """σ = (1, 1): the error does not vanish."""
    first, last = _errors((1.0, 1.0), (1e-3, 1e-5))
    return Evidence(last > 0.5 * first > 0.002, Verdict.TESTED, f"error {first:.3f} at ς = 1e-3, {last:.3f} at 1e-5")


def _signs() -> Evidence:
    """Entries ±ς of one weight per layer: a half of the starts grows from ε = ς², the others not at all."""
    one, off, missed = np.ones(1), [], []
    for std in (1e-3, 1e-5):
        times = np.linspace(0.2, 1.4, 61) * np.log(1 / std)
        w1 = std * np.array([1.0, 1.0, -1.0, -1.0]).reshape(4, 1, 1)
        w2 = std * np.array([1.0, -1.0, 1.0, -1.0]).reshape(4, 1, 1)
        true = losses_along(w1, w2, one, times).mean(1)
        half = (_mean_loss(one, np.array([[std**2]]), times) + 0.5) / 2
        by_law = _mean_loss(one, std**2 / 2 * np.random.default_rng(5).chisquare(1, size=(4000, 1)), times)
        missed.append(float(np.abs(true - half).max()))
        off.append(float(np.abs(true - by_law).max()))
    text = f"the mean loss is off by {off[0]:.2f} at ς = 1e-3 and {off[1]:.2f} at 1e-5, as such starts say"
    return Evidence(min(off) > 0.05 and max(missed) < 1e-3, Verdict.TESTED, text)


def _with(claim: StartLaw, **parts: sp.Expr) -> StartLaw:
    return claim | {name.replace("_", " "): value for name, value in parts.items()}


DERIVATION = Derivation(
    claim="A8",
    title="From small Gaussian weights every mode has a random start of known law",
    statement=r"W_1\sim\mathcal N(0,\varsigma_1^2),\ W_2\sim\mathcal N(0,\varsigma_2^2):\quad "
    r"s_i(t)\to\frac{\sigma_i}{1+(\sigma_i/\varepsilon_i-1)e^{-2\sigma_it}},\quad "
    r"\varepsilon_i\sim\tfrac{\varsigma_1^2+\varsigma_2^2}4\,\chi^2_{h-i+1}\ \text{independent},\quad i\le h,"
    r"\quad\text{error }O\big(\varsigma^{2(1-\max_i\sigma_{i+1}/\sigma_i)}\big)",
    plain="As the size of Gaussian weights of two layers goes to 0, every mode follows the balanced curve from a "
    "random start of its own, a multiple of a chi-squared number with one degree of freedom less for each stronger "
    "mode; modes beyond the h-th are not learned.",
    symbols={
        "s_i": "student singular value",
        r"\sigma_i": "teacher singular value, i-th largest",
        r"\varepsilon_i": "random start of the i-th mode",
        r"\varsigma_1,\varsigma_2": "standard deviations of the entries of W1, W2",
        "h": "hidden width",
        "r": "ratio of the next singular value to the one that is learned",
        r"\mu": "weight decay",
    },
    assumptions=(
        Assumption(
            "small start",
            "The limit is taken in ς.",
            Counterexample("At ς = 0.5 the mean loss is far off.", _large, _large_curves),
        ),
        Assumption(
            "distinct singular values",
            "The order of the error is 0 where two neighbours are equal.",
            Counterexample("With two equal singular values the error does not vanish.", _equal),
        ),
        Assumption(
            "Gaussian weights",
            "Independent entries of mean 0; the law of ε, not the path from each ε, depends on it.",
            Counterexample("One hidden unit with weights ±ς starts at ς² or not at all.", _signs),
        ),
        Assumption("whitened inputs", "Inputs of one variance only change the unit of time; others are not covered."),
        Assumption("gradient flow", "With the same weight decay on both layers; σ − μ stands for σ in the curve."),
        Assumption("linear network", "Two layers."),
    ),
    steps=(
        Step(
            r"\dot a_j=\sigma_jb_j-\mu a_j,\ \dot b_j=\sigma_ja_j-\mu b_j:\quad a_j+b_j\propto e^{(\sigma_j-\mu)t},"
            r"\ a_j-b_j\propto e^{-(\sigma_j+\mu)t}",
            "While everything is small, with a_j = W1 v_j and b_j = W2ᵀu_j: it becomes balanced, from half their sum.",
            _small,
        ),
        Step(
            r"\varepsilon_i=R_{ii}^2,\ Z=(z_1,z_2,\dots)=QR:\quad\varepsilon_i\sim v\chi^2_{h-i+1}\text{ independent}",
            "What is left of z_i orthogonal to the stronger modes. The columns of Z are independent Gaussian vectors.",
            lambda: assumed("Bartlett's decomposition", "Muirhead 1982, theorem 3.2.14"),
        ),
        Step(
            r"\mathbb E\det Z^\top Z=\prod_iv(h-i+1)",
            "Entry by entry on six shapes, in exact arithmetic.",
            lambda: _determinants(formula()["freedom"]),
            cross_check=True,
        ),
        Step(
            r"\text{a weaker mode contributes }"
            r"O\big(\tfrac{|z_j|^2}{\sigma_i}(\sigma_i/\varepsilon_i)^{\sigma_j/\sigma_i}\big)",
            "The loss is even in every mode.",
            _even,
        ),
        Step(
            r"\dot x_i=2x_i(\sigma_i-x_i)-2x_iA,\ \dot A=2A(\sigma_j-x_i)-2A^2,\ "
            r"\dot f_{ij}=(\sigma_i+\sigma_j-2x_i-2x_j)f_{ij}",
            "What mode j has in the direction of mode i, A, and the product's entry, to first order in it.",
            _beside_learned,
        ),
        Step(
            r"\text{error of the mean loss}\propto\varsigma^{2(1-r)}",
            "The flow of whole matrices from 40 random starts, all scaled by ς, against the limit from each start's ε.",
            _vanishes,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("χ²_h for every mode", lambda f: _with(f, freedom=h)),
        Variant("one degree of freedom less", lambda f: _with(f, freedom=h - i)),
        Variant("ς₁²/2 for (ς₁² + ς₂²)/4", lambda f: _with(f, variance=s1**2 / 2)),
        Variant("ς₁ς₂/2 for (ς₁² + ς₂²)/4", lambda f: _with(f, variance=s1 * s2 / 2)),
        Variant("ς₁² + ς₂²", lambda f: _with(f, variance=s1**2 + s2**2)),
        Variant("density of χ²_{k+1}", lambda f: _with(f, density=f["density"].subs(k, k + 1))),
        Variant("density without the unit v", lambda f: _with(f, density=f["density"].subs(v, 1))),
        Variant("the part along grows, too", lambda f: _with(f, rate_along=sj - mu)),
        Variant("the part along decays at σ_i", lambda f: _with(f, rate_along=-si)),
        Variant("decay counted twice", lambda f: _with(f, rate_across=sj - 2 * mu)),
        Variant("order 1 − r", lambda f: _with(f, order=1 - r)),
        Variant("order 2(1/r − 1)", lambda f: _with(f, order=2 / r - 2)),
        Variant("order of weak starts without k", lambda f: f | {"order of weak starts": (1 - r) / r}),
        Variant("overlaps of all hidden directions", lambda f: _with(f, overlap=h * f["overlap"])),
        Variant("an overlap that mode i does not end", lambda f: _with(f, overlap=v * sp.exp(2 * theta_j))),
        Variant("mode i is hurried", lambda f: _with(f, delay=-f["delay"])),
        Variant("the delay lasts", lambda f: _with(f, delay=f["delay"] * (1 + eps * j_i))),
        Variant("loss without the delay", lambda f: _with(f, loss=(f["path"] - sj) * f["overlap"])),
        Variant("the entry ends with mode i alone", lambda f: _with(f, entry=f["entry"] * (1 + eps_j * j_j))),
        Variant("speed σ for 2σ", lambda f: _with(f, curve=f["curve"].subs(a3.t, a3.t / 2))),
    ),
    special_case=SpecialCase(
        "first mode, equal deviations", lambda f: {name: part.subs({i: 1, s2: s1}) for name, part in f.items()}
    ),
    floor=Verdict.ARGUED,
    link=Link(
        "overtraining.theory.learning.random_start.mean_mode",
        "v/σ 1e-12 … 0.1, k 1 … 12, phases 0 … 2, with and without weight decay",
        _engine,
    ),
    uses=("A3",),
    source="ours; the law is Bartlett's (Muirhead 1982); stages: Gidel, Bach, Lacoste-Julien 2019 (arXiv 1904.13262)",
)
