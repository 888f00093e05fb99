"""D7, E3: training on two tasks at once is training on one interpolated task."""

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite
from overtraining.theory.checks import check_share
from overtraining.theory.products import refuse_overflow


def interpolated(teacher: Numbers, task: Numbers, replay_share: Numbers) -> Values:
    """The one task that two mixed losses amount to, `A_ρ = (1 − ρ)B + ρA` (claims D7, E3).

    `(1 − ρ)½‖f − B‖² + ρ½‖f − A‖² = ½‖f − A_ρ‖² + ½ρ(1 − ρ)‖A − B‖²` for every f: fine-tuning with the share ρ of
    replayed pretraining data, and pretraining with the share 1 − ρ of downstream data, are training on A_ρ, with the
    same gradient-flow time. `L_ft + λL_pre` is the same with `ρ = λ/(1 + λ)`, in time that runs 1 + λ times as fast.

    teacher, task: A and B, matrices or singular values of shared singular vectors.  replay_share: ρ, 0 <= ρ <= 1.
    All broadcast. Raises DomainError outside the domain, ShapeError where arrays do not broadcast.

    >>> interpolated(1.0, 3.0, replay_share=[0.0, 0.25, 1.0]).tolist()
    [3.0, 2.5, 1.0]
    """
    teacher, task, replay_share = check_broadcast(
        teacher=finite("teacher", teacher),
        task=finite("task", task),
        replay_share=check_share("replay_share", replay_share),
    )
    return refuse_overflow("the mixed task", lambda: (1 - replay_share) * task + replay_share * teacher)[()]  # D7, E3
