"""B6r: the mean cost of rounding over hidden frames, against mpmath, sums over angles and true Haar frames."""

from functools import cache

import mpmath
import numpy as np
import pytest
from scipy.stats import ortho_group

from overtraining.setting.errors import DomainError, NotSolved, ShapeError
from overtraining.theory.sensitivity import mean_rounding
from overtraining.theory.sensitivity.conventions import rounding_model_scale
from overtraining.theory.sensitivity.mean_rounding import mean_rounding_increase
from overtraining.theory.sensitivity.noise import expected_increase_at


def network(h: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(h, 3)), generator.normal(size=(2, h))


def rises(frames: np.ndarray, w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray, *steps: float) -> np.ndarray:
    """The rise of the loss in each frame."""
    rounded = [np.rint(w / step) * step for w, step in zip((frames @ w1, w2 @ frames.mT), steps, strict=True)]
    before = ((w2 @ w1 - teacher) ** 2).sum() / 2
    return ((rounded[1] @ rounded[0] - teacher) ** 2).sum(axis=(1, 2)) / 2 - before


@cache
def true_frames(h: int) -> np.ndarray:
    return np.asarray(ortho_group(h, seed=h).rvs(8000))


@pytest.mark.parametrize("h", [3, 4, 8, 24])
@pytest.mark.parametrize("step", [0.15, 0.6, 1.5, 2.0])
def test_it_is_the_mean_over_true_frames(h: int, step: float) -> None:
    w1, w2 = (w / h**0.25 for w in network(h, h))
    teacher = 0.7 * w2 @ w1
    found = rises(true_frames(h), w1, w2, teacher, step, 1.3 * step)
    answer = mean_rounding_increase(w1, w2, teacher, step, 1.3 * step)
    stderr = found.std() / found.size**0.5
    assert abs(found.mean() - answer.rise) <= answer.bound + 4 * stderr
    assert stderr + answer.bound < 0.25 * np.abs(found).mean()  # the frames could notice


def test_true_frames_notice_that_rows_depend_on_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the harmonics of degree 2 the same comparison is off by many standard errors."""
    w1, w2 = (w / 8**0.25 for w in network(8, 8))
    found = rises(true_frames(8), w1, w2, w2 @ w1, 0.6, 0.6)
    harmonics = mean_rounding._harmonics

    def independent(*given: float) -> tuple[float, float, np.ndarray]:
        mean, square, parts = harmonics(*given)
        return mean, square, parts * (np.arange(parts.size) != 1)

    monkeypatch.setattr(mean_rounding, "_harmonics", independent)
    wrong = mean_rounding_increase(w1, w2, w2 @ w1, 0.6, 0.6)
    assert abs(found.mean() - wrong.rise) > 20 * found.std() / found.size**0.5


def test_two_hidden_units_are_a_mean_over_angles() -> None:
    w1, w2 = network(2, 5)
    angle = (np.arange(200_000) + 0.5) * np.pi / 100_000
    frames = np.moveaxis(np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]), 2, 0)
    answer = mean_rounding_increase(w1, w2, w2 @ w1, 0.4, 0.3)
    assert answer.bound == 0
    assert answer.rise == pytest.approx(rises(frames, w1, w2, w2 @ w1, 0.4, 0.3).mean(), abs=1e-4)


def test_one_hidden_unit_has_no_frame() -> None:
    w1, w2 = np.array([[0.7, -1.6]]), np.array([[1.2], [0.4]])
    answer = mean_rounding_increase(w1, w2, np.zeros((2, 2)), 1.0, 1.0)
    assert answer.bound == 0
    assert answer.rise == pytest.approx((5 - 1.6 * (0.49 + 2.56)) / 2)  # (1, −2) and (1, 0)


def exact_mean(a: float, along: float, across: float, h: int) -> mpmath.mpf:
    """`h E [x][y]`, x = a cos φ, y = along cos φ + across sin φ · c, at 30 digits, between all kinks."""
    size, angle = mpmath.hypot(along, across), mpmath.atan2(across, along)
    halves = [mpmath.mpf(n) / 2 for n in range(-2 * int(size + a) - 3, 2 * int(size + a) + 4) if n % 2]
    kinks = [mpmath.acos(x / a) for x in halves if abs(x) < a]
    for q in halves:
        if abs(q) < size:
            turn = mpmath.acos(q / size)
            kinks += [angle + turn, angle - turn, turn - angle, 2 * mpmath.pi - angle - turn]
    edges = sorted({mpmath.mpf(0), mpmath.pi, *(k for k in kinks if 0 < k < mpmath.pi)})
    p = mpmath.mpf(h - 2) / 2

    def below(cut: mpmath.mpf) -> mpmath.mpf:
        """P(c < cut): (c + 1)/2 has the law Beta(p, p)."""
        cut = min(max(cut, -1), 1)
        return mpmath.betainc(p, p, 0, (cut + 1) / 2, regularized=True)

    def weighed(phi: mpmath.mpf) -> mpmath.mpf:
        cuts = [(q - along * mpmath.cos(phi)) / (across * mpmath.sin(phi)) for q in halves]
        y = sum(1 - below(c) if q > 0 else -below(c) for q, c in zip(halves, cuts, strict=True))
        return mpmath.nint(a * mpmath.cos(phi)) * y * mpmath.sin(phi) ** (h - 2)

    whole = mpmath.quad(lambda phi: mpmath.sin(phi) ** (h - 2), [0, mpmath.pi])
    return h * mpmath.quad(weighed, edges) / whole


@pytest.mark.parametrize(("h", "along", "across"), [(3, 0.9, 1.1), (4, -1.7, 0.4), (9, 2.2, 1.3)])
def test_the_mean_of_the_product_in_mpmath(h: int, along: float, across: float) -> None:
    """The loss is linear in the teacher, with the mean product as slope."""
    w1, w2 = np.pad([[1.9]], ((0, h - 1), (0, 0))), np.pad([[along, across]], ((0, 0), (0, h - 2)))
    at_0, at_1 = (mean_rounding_increase(w1, w2, np.full((1, 1), x), 1.0, 1.0).rise for x in (0.0, 1.0))
    with mpmath.workdps(20):
        exact = float(exact_mean(1.9, along, across, h))
    assert 1.9 * along + at_0 - at_1 == pytest.approx(exact, abs=1e-10)


def test_far_above_the_step_rounding_is_noise_and_far_below_nothing_is_left() -> None:
    w1, w2 = network(16, 3)
    gammas = [float(rounding_model_scale(0.3))] * 2
    fine = mean_rounding_increase(w1, w2, w2 @ w1, 0.3, 0.3)
    assert fine.rise == pytest.approx(expected_increase_at(w1, w2, *gammas), rel=1e-3)
    coarse = mean_rounding_increase(w1, w2, np.ones((2, 3)), 100.0, 100.0)
    assert coarse.bound == 0
    assert coarse.rise == pytest.approx(3 - ((w2 @ w1 - 1) ** 2).sum() / 2)


def test_the_frame_of_the_weights_given_does_not_matter_and_the_bound_falls_with_width() -> None:
    w1, w2 = network(3, 1)
    errors = []
    for h in (4, 8, 16, 32):
        grown = [np.pad(w1, ((0, h - 3), (0, 0))) * (h / 3) ** 0.5, np.pad(w2, ((0, 0), (0, h - 3))) * (h / 3) ** 0.5]
        frame = ortho_group(h, seed=1).rvs()
        one, other = (
            mean_rounding_increase(a, b, w2 @ w1, 0.8, 0.8) for a, b in (grown, (frame @ grown[0], grown[1] @ frame.T))
        )
        assert other.rise == pytest.approx(one.rise, rel=1e-7)
        errors.append(one.bound / one.rise)
    assert (np.diff(np.log(errors)) < -1).all()
    assert errors[-1] < 1e-3


def test_a_hundred_pairs_are_few() -> None:
    w1, w2 = np.full((2, 10), 0.1), np.full((10, 2), 0.1)
    assert mean_rounding_increase(w1, w2, w2 @ w1, 1.0, 1.0).rise == pytest.approx(((w2 @ w1) ** 2).sum() / 2)


untyped = getattr(mean_rounding_increase, "__wrapped__", mean_rounding_increase)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"step_1": 0.001}, NotSolved, "steps: the quadrature"),
        ({"step_1": 1e-200}, NotSolved, "a weight of inf steps"),
        ({"step_1": 0.0}, DomainError, "step_1"),
        ({"step_2": -1.0}, DomainError, "step_2"),
        ({"w1": np.ones((4, 10**6)), "w2": np.ones((2, 4)), "teacher": np.ones((2, 10**6))}, DomainError, "pairs"),
        ({"teacher": np.eye(5)}, ShapeError, "teacher"),
        ({"w1": np.full((4, 3), 1e200), "step_1": 1e199, "step_2": 1e199}, DomainError, "overflows"),
    ],
)
def test_refusals(change: dict[str, object], error: type[Exception], says: str) -> None:
    w1, w2 = network(4, 0)
    given = {"w1": w1, "w2": w2, "teacher": w2 @ w1, "step_1": 0.5, "step_2": 0.5} | change
    with pytest.raises(error, match=says):
        untyped(**given)  # type: ignore[arg-type]
