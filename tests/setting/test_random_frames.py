"""Random frames: equal seeds in two roles share nothing, so that vectors are shared only where somebody asks for it."""

from itertools import combinations

import numpy as np
import pytest
from scipy.linalg import logm

from overtraining.setting import limits
from overtraining.setting.errors import DomainError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.random_frames import SPAWN_KEYS, generator_for, random_frame
from overtraining.setting.resolved import ResolvedProtocol, resolve
from overtraining.setting.starts import Balanced
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, Task
from overtraining.setting.teachers import Geometric, PowerLaw, Spectrum, Teacher
from overtraining.theory.solvers.exact import respond

D, SEEDS = 4, range(200)


def test_no_role_and_no_seed_share_their_random_numbers() -> None:
    """Not even those seeds of 64 bits whose words are those of a smaller seed and a role."""
    seeds = [0, 1, 2, 3, 2**32, *(2**32 * role + seed for role in range(1, 5) for seed in (1, 2))]
    drawn = {(role, seed): generator_for(role, seed).normal(size=1000) for role in SPAWN_KEYS for seed in seeds}
    for one, other in combinations(drawn, 2):
        assert abs(np.corrcoef(drawn[one], drawn[other])[0, 1]) < 5.5 / np.sqrt(1000), (one, other)


def test_the_teacher_keeps_the_frames_of_its_seed() -> None:
    """Those of `default_rng(seed)`, so that networks and figures made before there were roles are the same."""
    assert (generator_for("teacher", 3).normal(size=9) == np.random.default_rng(3).normal(size=9)).all()


def resolved(seed: int, teacher_modes: int = D, task: Task | None = None) -> ResolvedProtocol:
    """A protocol in which everything that is random has the same seed."""
    protocol = Protocol(
        PowerLaw(teacher_modes, frame_seed=seed),
        (0.0,),
        (1.0,),
        Network(D, D, D),
        Balanced(angle=0.5, frame_seed=seed),
        perturbation=FineTuning(task or PowerLaw(D, frame_seed=seed)),
        inputs=Inputs((4.0, 3.0, 2.0, 1.0), shared=False, frame_seed=seed),
    )
    return resolve(protocol)


def frames(seed: int) -> dict[str, np.ndarray]:
    """Every frame of such a protocol, its vectors in columns, the strongest first."""
    one = resolved(seed)
    teacher, task = one.frames, np.linalg.svd(one.task)
    return {
        "teacher, left": teacher[0],
        "teacher, right": teacher[1],
        "task, left": task[0],
        "task, right": task[2].T,
        "inputs": one.input_axes,
    }


def planes(seed: int) -> dict[str, np.ndarray]:
    """The generators of its rotations, of length 1; vectors keep their sides where they turn by less than π/2."""
    one, rotated = resolved(seed), resolved(seed, task=RotatedTeacher(0.5, frame_seed=seed))
    u, _, vt = np.linalg.svd(rotated.task)
    signs = np.sign((u * one.frames[0]).sum(0))
    rotations = {
        "start, left": one.start_frames[0] @ one.frames[0].T,
        "start, right": one.start_frames[1] @ one.frames[1].T,
        "rotated task, left": u * signs @ one.frames[0].T,
        "rotated task, right": vt.T * signs @ one.frames[1].T,
    }
    skew = {name: logm(rotation).real for name, rotation in rotations.items()}
    return {name: each / np.linalg.norm(each) for name, each in skew.items()}


def test_frames_of_one_seed_overlap_like_random_ones() -> None:
    """The squared overlap of independent unit vectors in d dimensions has mean 1/d, variance 2(d−1)/(d²(d+2))."""
    drawn = [frames(seed) for seed in SEEDS]
    stderr = np.sqrt(2 * (D - 1) / (D**2 * (D + 2)) / (len(SEEDS) * D))
    for one, other in combinations(drawn[0], 2):
        overlap = np.mean([(each[one] * each[other]).sum(0) ** 2 for each in drawn])
        assert abs(overlap - 1 / D) < 4 * stderr, (one, other, overlap)


def test_planes_of_one_seed_have_nothing_to_do_with_each_other_or_with_a_frame() -> None:
    """⟨Ω, Ω'⟩ of independent random skew matrices has mean 0 and variance 2/(d(d−1)), and ⟨Ω, Q/√d⟩ a smaller one."""
    drawn = [planes(seed) | {name: each / 2 for name, each in frames(seed).items()} for seed in SEEDS]
    assert np.sqrt(D) == 2
    stderr = np.sqrt(2 / (D * (D - 1)) / len(SEEDS))
    for one, other in combinations(drawn[0], 2):
        if one in planes(0):
            mean = np.mean([(each[one] * each[other]).sum() for each in drawn])
            assert abs(mean) < 4 * stderr, (one, other, mean)


def test_vectors_beyond_the_teacher_s_modes_are_independent_left_and_right_and_of_other_seeds() -> None:
    k = 2
    left, right = (np.array([resolved(seed, k).frames[side][:, k:] for seed in SEEDS]) for side in (0, 1))
    stderr = np.sqrt(1 / D / (len(SEEDS) * (D - k)))
    for one, other in ((left, right), (left[1:], left[:-1]), (right[1:], right[:-1])):
        assert abs((one * other).sum(axis=-2).mean()) < 4 * stderr


TEACHERS = (PowerLaw(D), Geometric(D), Spectrum((1.0, 0.5, 0.25, 0.1)))


@pytest.mark.parametrize("task", TEACHERS)
@pytest.mark.parametrize("teacher", TEACHERS)
def test_a_task_shares_the_teacher_s_vectors_only_if_it_says_so(teacher: Teacher, task: Teacher) -> None:
    """A and B share all their singular vectors if and only if AᵀB and ABᵀ are symmetric, for distinct values."""

    def asymmetry(task: Task) -> float:
        one = resolve(Protocol(teacher, (0.0,), perturbation=FineTuning(task)))
        products = one.teacher.T @ one.task, one.teacher @ one.task.T
        return min(float(np.linalg.norm(x - x.T) / np.linalg.norm(x)) for x in products)

    assert asymmetry(task) > 0.3
    assert asymmetry(SharedVectors.of(task)) < 1e-14


def test_another_law_as_a_task_forgets_as_with_other_vectors_and_not_as_with_shared_ones() -> None:
    """`FineTuning(Geometric(6))` on `PowerLaw(6)` had the teacher's vectors unasked, and forgot a hundredth."""

    def forgets(task: Task) -> float:
        protocol = Protocol(PowerLaw(6), (40.0,), (1.0,), perturbation=FineTuning(task))
        response = respond(protocol)
        return float((response.after - response.before).item())

    assert forgets(SharedVectors.of(Geometric(6))) == pytest.approx(0.0032, abs=1e-4)
    own = np.array([forgets(Geometric(6, frame_seed=seed)) for seed in range(20)])
    assert 0.2 < own.min() < own.max() < 0.6


def test_a_frame_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FRAME", 4)
    assert random_frame(4, np.random.default_rng(0)).shape == (4, 4)
    with pytest.raises(DomainError, match="a random frame of 5 dimensions"):
        random_frame(5, np.random.default_rng(0))


@pytest.mark.parametrize("d", [2, 5, 24])
def test_random_frames_are_those_of_scipy(d: int) -> None:
    from scipy.stats import ortho_group

    frame = random_frame(d, np.random.default_rng(5))
    assert (frame == ortho_group.rvs(d, random_state=np.random.default_rng(5))).all()
