"""D7, E3: training on two tasks at once is training on one target between them."""

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative
from overtraining.setting.errors import DomainError
from overtraining.theory.products import refuse_overflow


def interpolated(pretraining: Numbers, downstream: Numbers, share: Numbers) -> Values:
    """The one target of two mixed losses, `(1 − ρ)B + ρA` (claims D7, E3).

    `(1 − ρ)½‖f − B‖² + ρ½‖f − A‖² = ½‖f − A_ρ‖² + ½ρ(1 − ρ)‖A − B‖²` for every f: replay of share ρ in fine-tuning, or
    downstream data of share 1 − ρ in pretraining, is training on A_ρ, on the same clock. For `L_ft + λL_pre`, which
    weighs 1 + λ, ρ = λ/(1 + λ) and the clock runs 1 + λ times as fast.

    pretraining, downstream: A and B, matrices or singular values of shared singular vectors.  share: ρ of pretraining,
    0 <= ρ <= 1. All broadcast. Raises DomainError outside, ShapeError where arrays do not broadcast.

    >>> interpolated(1.0, 3.0, share=[0.0, 0.25, 1.0]).tolist()
    [3.0, 2.5, 1.0]
    """
    a, b, rho = check_broadcast(
        pretraining=finite("pretraining", pretraining),
        downstream=finite("downstream", downstream),
        share=nonnegative("share", share),
    )
    if (rho > 1).any():
        raise DomainError("share", "it is more than all", "pass 0 to 1")
    return refuse_overflow("the target", lambda: (1 - rho) * b + rho * a)[()]  # D7, E3
