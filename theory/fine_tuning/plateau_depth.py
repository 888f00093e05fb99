"""D4 from a finite start: the checkpoints that stand for plateaus, how deep these are, and what the limit misses there.

From a start ε no feature is ever wholly learned or wholly absent. Fine-tuning lets a feature that is barely begun, at
s, grow by up to `e^{2‖B‖T}`, so that the limit ε → 0 means something only while `s_{n+1}e^{2‖B‖T}` stays small.
"""

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.errors import ShapeError
from overtraining.theory.checks import check_epsilon, check_falling, check_range, check_start_below


def plateau_checkpoints(
    sigma: Float[np.ndarray, " r"], epsilon: Numbers
) -> tuple[Float[np.ndarray, " plateau"], Float[np.ndarray, "plateau r"]]:
    """Lengths and singular values at the checkpoint of every plateau n = 0 … r, from a balanced aligned start (D4).

    `t_n = ln[(σ_n/ε − 1)(σ_{n+1}/ε − 1)]/(2(σ_n + σ_{n+1}))`, where the last feature lacks the same share of its value
    as the next one has, `1 − s_n/σ_n = s_{n+1}/σ_{n+1} ~ ε^{(σ_n − σ_{n+1})/(σ_n + σ_{n+1})}`, which is ½ where the two
    are equal. `t_0 = 0`, and t_r = inf, where s = σ.

    sigma: the teacher's singular values > 0, strongest first.  epsilon: one start, 0 < ε < σ_r. Gradient-flow time.
    Raises DomainError outside the domain, ShapeError where sigma is not a list or epsilon not a number.
    Source: ours.

    >>> lengths, s = plateau_checkpoints(np.array([1.0, 0.5]), epsilon=1e-6)
    >>> lengths.round(3).tolist(), s.round(6).tolist()
    ([0.0, 8.979, inf], [[1e-06, 1e-06], [0.984374, 0.007813], [1.0, 0.5]])
    """
    sigma, epsilon = check_falling(sigma), check_epsilon(epsilon)
    if epsilon.ndim:
        raise ShapeError(f"epsilon {epsilon.shape}", "all modes start at one number", "pass one start at a time")
    check_range(sigma, epsilon=epsilon)
    check_start_below(epsilon, sigma)
    log_odds = np.log(sigma / epsilon - 1)
    between = np.maximum((log_odds[:-1] + log_odds[1:]) / (2 * (sigma[:-1] + sigma[1:])), 0.0)
    s = sigma / (1 + np.exp(log_odds - 2 * sigma * between[:, None]))  # A3
    lengths = np.concatenate([[0.0], between, [np.inf]])
    return lengths, np.concatenate([np.full((1, sigma.size), epsilon), s, sigma[None]])


def deviation_bound(
    s: Float[np.ndarray, "plateau r"],
    sigma: Float[np.ndarray, " r"],
    size: Float[np.ndarray, "... r"],
    gain: Float[np.ndarray, "... r"],
    reach: Float[np.ndarray, "..."],
) -> Values:
    """At most how far the network after fine-tuning is from `f_n(T)`, `‖f(T) − f_n(T)‖_* <= η_n`, n = 0 … r (claim D4).

    `η = u + q(Σ_{k<=n}m_k + u)`, `u = m(s_{n+1}) + e^{2‖B‖T}Σ_{j>n+1}s_j`, `m(s) = gs/(1 + s(g/m − 1/σ))`, and q is the
    largest share `1 − s_i/σ_i` that a learned feature lacks. `X = QQᵀ` obeys `Ẋ = FX + XF − X²`, whose solution
    `φ(X₀) = e^{FT}(X₀⁻¹ + G)⁻¹e^{FT}` is a monotone function of X₀. (1) The next feature alone, at s, adds m(s)ûv̂ᵀ
    exactly, since S is bordered by one row. (2) A further term `E >= 0` in X₀ adds at most `ΦEΦᵀ`, `Φ̇ = (F − X)Φ`, and
    `d|y|²/dt = 2yᵀ(F − X)y <= 2‖B‖|y|²` (Grönwall). (3) `φ(X₀/κ) >= φ(X₀)/κ` for κ >= 1: what learned features lack
    costs that share, without growth. An increase P >= 0 of X changes f by at most ½ tr P in the nuclear norm.

    s: checkpoints.  size: m.  gain: g of `Plateaus`.  reach: ‖B‖T.
    """
    r = sigma.size
    unlearned = np.triu(np.ones((r + 1, r)), 1) * s  # of every plateau n the features after n + 1
    lacking = np.max(np.tril(1 - s / sigma, -1), axis=1, initial=0.0)
    own = s[range(r), range(r)]  # s_{n+1} on plateau n
    following = gain * own / (1 + own * (gain / np.where(size > 0, size, 1.0) - 1 / sigma))
    begun = np.concatenate([following, np.zeros((*size.shape[:-1], 1))], axis=-1)
    begun = begun + np.exp(2 * reach)[..., None] * unlearned.sum(axis=-1)
    learned = np.concatenate([np.zeros((*size.shape[:-1], 1)), size.cumsum(axis=-1)], axis=-1)
    return begun + lacking * (learned + begun)  # D4
