"""B6: noise in units of the weights, against exact fractions, coins and B1; rounding, and where its model fails."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial.transform import Rotation

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.sensitivity.conventions import (
    CONVENTIONS,
    absmax_step,
    increase_in_convention,
    mean_unit_overlap,
    multiplicative_increase,
    noise_scales,
    rounding_increase_at,
    rounding_model_scale,
    unit_overlap_on_path,
)
from overtraining.theory.sensitivity.noise import expected_increase, expected_increase_at

SHAPES = [(1, 1, 1), (2, 1, 3), (1, 3, 2), (3, 2, 1), (2, 2, 2)]


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(6)


def network(shape: tuple[int, int, int], generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    d_in, h, d_out = shape
    root = generator.normal(size=(d_in, d_in))
    w1, w2, teacher = (generator.normal(size=s) for s in ((h, d_in), (d_out, h), (d_out, d_in)))
    return w1, w2, teacher, (root @ root.T + (root @ root.T).T) / 2


def over_coins(w1, w2, teacher, sx, scale_1, scale_2) -> float:  # type: ignore[no-untyped-def]
    """Mean rise of the loss over all signs, each entry moving by ± its own scale: any zero-mean law has this mean."""
    loss = lambda f: np.einsum("...ij,jk,...ik->...", f - teacher, sx, f - teacher) / 2
    signs = np.array(list(itertools.product((-1, 1), repeat=w1.size + w2.size)))
    n1, n2 = signs[:, : w1.size].reshape(-1, *w1.shape), signs[:, w1.size :].reshape(-1, *w2.shape)
    return float((loss((w2 + n2 * scale_2) @ (w1 + n1 * scale_1)) - loss(w2 @ w1)).mean())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("level_1", "level_2"), [(0.3, 0.7), (1.5, 0.0), (0.0, 2.0)])
def test_every_convention_is_the_mean_of_the_loss(
    shape: tuple[int, int, int], level_1: float, level_2: float, generator: np.random.Generator
) -> None:
    w1, w2, teacher, sx = network(shape, generator)
    root_mean_square = lambda w: np.sqrt((w**2).mean())
    scales = {
        "absolute": (level_1, level_2),
        "initialization": (0.25 * level_1, 3.0 * level_2),
        "relative": (level_1 * root_mean_square(w1), level_2 * root_mean_square(w2)),
        "multiplicative": (level_1 * w1, level_2 * w2),
    }
    assert scales.keys() == set(CONVENTIONS)
    for convention, (on_1, on_2) in scales.items():
        got = increase_in_convention(
            convention, w1, w2, level_1, level_2, input_covariance=sx, initial_scales=(0.25, 3.0)
        )
        assert got == pytest.approx(over_coins(w1, w2, teacher, sx, on_1, on_2), rel=1e-10, abs=1e-12), convention


@pytest.mark.parametrize("scale", [1e-60, 1e-6, 1.0, 1e6])
def test_relative_and_multiplicative_keep_their_digits_at_any_size(
    scale: float, generator: np.random.Generator
) -> None:
    w1, w2, _, _ = network((3, 4, 2), generator)
    w1, levels = w1 * scale, (1e-9, 1e-3)
    exact = np.vectorize(Fraction, otypes=[object])
    n1, n2 = (exact(w1) ** 2).sum(axis=1), (exact(w2) ** 2).sum(axis=0)
    a, b = (Fraction(r) ** 2 for r in levels)
    for convention, overlap in (("relative", n1.sum() * n2.sum() / 4), ("multiplicative", n1 @ n2)):
        want = (a + b + a * b) * overlap / 2
        assert abs(Fraction(float(increase_in_convention(convention, w1, w2, *levels))) / want - 1) < 1e-14


def test_relative_equals_initialization_at_a_random_start_of_those_scales() -> None:
    """In the mean over starts, exactly: ‖W_l‖² has the mean size × variance."""
    at_start = noise_scales("relative", 0.1, 0.2, w1_norm=6 * 0.5**2, w2_norm=4 * 0.3**2, d_in=3, h=2, d_out=2)
    fixed = noise_scales(
        "initialization", 0.1, 0.2, w1_norm=9.0, w2_norm=9.0, d_in=3, h=2, d_out=2, initial_scales=(0.5, 0.3)
    )
    np.testing.assert_allclose(at_start, fixed, rtol=1e-15)


def test_relative_noise_broadcasts_over_the_path_and_grows_with_the_square_of_the_norm() -> None:
    norm = np.array([0.5, 1.0, 2.0])
    gammas = noise_scales("relative", np.array([[0.1], [0.2]]), 0.1, w1_norm=norm, w2_norm=norm, d_in=3, h=2, d_out=4)
    rise = expected_increase(norm, norm, *gammas, d_in=3, h=2, d_out=4)
    assert rise.shape == (2, 3)
    np.testing.assert_allclose(rise / norm**2, np.broadcast_to(rise[:, 1:2], (2, 3)), rtol=1e-14)


@pytest.mark.parametrize("hidden", [3, 4, 7])
def test_overlap_on_the_path_lies_between_even_spread_and_one_unit_per_mode(
    hidden: int, generator: np.random.Generator
) -> None:
    s, frame = np.array([2.0, 1.0, 0.25]), np.linalg.qr(generator.normal(size=(hidden, 3)))[0]
    w1, w2 = frame * np.sqrt(s), np.sqrt(s)[:, None] * frame.T
    overlap = unit_overlap_on_path(s, frame)
    assert multiplicative_increase(overlap, overlap, 0.3, 0.2) == pytest.approx(
        increase_in_convention("multiplicative", w1, w2, 0.3, 0.2), rel=1e-13
    )
    assert s.sum() ** 2 / hidden < overlap < (s**2).sum()
    assert unit_overlap_on_path(s, np.eye(hidden, 3)) == pytest.approx((s**2).sum())
    assert unit_overlap_on_path(np.ones((5, 2, 3)), frame).shape == (5, 2)


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_mean_overlap_is_the_mean_over_hidden_frames(hidden: int, generator: np.random.Generator) -> None:
    """Any weights, any M, over rotations that average polynomials of degree 4 as all rotations do; h = 1 has none."""
    w1, w2, _, sx = network((2, hidden, 3), generator)
    angle = np.arange(8) * np.pi / 4
    turns = {
        1: np.eye(1)[None],
        2: np.moveaxis(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), -1, 0),
        3: Rotation.create_group("I").as_matrix(),
    }[hidden]
    seen = [((w2 @ r.T) ** 2).sum(axis=0) @ ((r @ w1) @ sx * (r @ w1)).sum(axis=1) for r in turns]
    f = w2 @ w1
    traces = np.trace(w1 @ sx @ w1.T), (w2**2).sum(), np.trace(f @ sx @ f.T)
    assert mean_unit_overlap(*traces, h=hidden) == pytest.approx(np.mean(seen), rel=1e-12)
    assert hidden == 1 or np.ptp(seen) > 0.01 * np.mean(seen)  # one frame is not the mean


def test_mean_overlap_of_many_random_frames() -> None:
    """Five hidden units, where no finite set of rotations is at hand: 4,000 random frames, within 4 standard errors."""
    s, draw = np.array([2.0, 1.0, 0.25]), np.random.default_rng(0)
    frames = (np.linalg.qr(draw.normal(size=(5, 5)))[0][:, :3] for _ in range(4000))
    seen = np.array([unit_overlap_on_path(s, frame) for frame in frames])
    mean = mean_unit_overlap(s.sum(), s.sum(), (s**2).sum(), h=5)
    assert abs(seen.mean() - mean) < 4 * seen.std() / np.sqrt(seen.size) < 0.02 * mean


def test_rounding_is_exact_and_may_help(generator: np.random.Generator) -> None:
    w1, w2, teacher, sx = network((3, 2, 4), generator)
    steps = 0.25, 0.125  # powers of two: rounding and the judge make no error
    q1, q2 = (np.rint(w / d) * d for w, d in zip((w1, w2), steps, strict=True))
    exact = np.vectorize(Fraction, otypes=[object])
    loss = lambda a, b: np.trace((e := exact(b) @ exact(a) - exact(teacher)) @ exact(sx) @ e.T) / 2
    want = loss(q1, q2) - loss(w1, w2)
    assert abs(Fraction(rounding_increase_at(w1, w2, teacher, *steps, sx)) - want) < 1e-12
    assert rounding_increase_at(w1, w2, teacher, 0.0, 0.0) == 0
    assert rounding_increase_at(w1, w2, teacher, 1e-300, 1e-300) == pytest.approx(0, abs=1e-250)
    assert rounding_increase_at(0.6 * np.eye(2), np.eye(2), np.eye(2), 1.0, 1.0) == pytest.approx(-0.16)


def test_absmax_rounding_is_not_always_progressive() -> None:
    """The counterexample: √s₁ = 1, √s₂ from 0 to 0.12 at 4 bits. The cost rises, then leaps below zero."""
    root = np.linspace(0, 0.12, 25)
    layers = [np.diag([1.0, x]) for x in root]
    cost = [rounding_increase_at(w, w, np.diag([1.0, 0.5]), absmax_step(w, 4), absmax_step(w, 4)) for w in layers]
    below = root < 1 / 14
    assert cost[0] == pytest.approx(0, abs=1e-30)
    assert (np.diff(np.array(cost)[below]) > 0).all()
    np.testing.assert_allclose(np.array(cost)[below], (root**2 / 2 - root**4 / 2)[below], atol=1e-15)
    assert min(cost) < -0.007


def test_the_noise_model_of_rounding_is_good_at_the_optimum_above_the_step_only() -> None:
    """Weights above the step and f = A: good; below: all is lost, far less than it says; f ≠ A: one draw, no mean."""
    step, shape, generator = 0.1, (40, 40), np.random.default_rng(0)
    gammas = [float(rounding_model_scale(step))] * 2
    w1, w2 = (generator.normal(size=shape) for _ in range(2))
    ratio = lambda a, b, teacher: rounding_increase_at(a, b, teacher, step, step) / expected_increase_at(a, b, *gammas)
    assert ratio(w1, w2, w2 @ w1) == pytest.approx(1, abs=0.1)
    assert ratio(0.003 * w1, 0.003 * w2, 9e-6 * w2 @ w1) < 1e-3
    draws = [ratio(*(10 * generator.normal(size=shape) for _ in range(2)), np.zeros(shape)) for _ in range(20)]
    assert np.std(draws) > 5


@pytest.mark.parametrize("step", [1e-3, 0.3, 40.0])
def test_the_noise_model_of_rounding_has_the_variance_of_an_even_rest(step: float) -> None:
    """The rest of rounding lies evenly between −step/2 and step/2: the mean of its square, by integration."""
    variance = quad(lambda rest: rest**2 / step, -step / 2, step / 2)[0]
    assert float(rounding_model_scale(step)) == pytest.approx(variance**0.5, rel=1e-12)


def test_ties_go_toward_zero_and_small_weights_vanish() -> None:
    one, none = np.ones((1, 1)), np.zeros((1, 1))
    for w in (0.5, -0.5):
        assert rounding_increase_at(w * one, one, none, 1.0, 0.0) == -0.125
    for w in (0.25, 1.5, 1.75, -1.75, -0.25, 2.5):
        rounded = np.sign(w) * np.ceil(abs(w) - 0.5)
        assert rounding_increase_at(w * one, one, none, 1.0, 0.0) == (rounded**2 - w**2) / 2


@pytest.mark.parametrize(("off", "accepted"), [(0.0, True), (1e-12, True), (1e-6, False), (0.1, False)])
def test_frames_must_be_orthonormal(off: float, accepted: bool) -> None:
    frame = np.eye(3, 2) * (1 + off)
    if accepted:
        assert unit_overlap_on_path(np.ones(2), frame) == pytest.approx(2)
    else:
        with pytest.raises(DomainError, match="orthonormal"):
            unit_overlap_on_path(np.ones(2), frame)


def initial(scales) -> object:  # type: ignore[no-untyped-def]
    sizes = {"w1_norm": 1.0, "w2_norm": 1.0, "d_in": 1, "h": 1, "d_out": 1}
    return untyped_scales("initialization", 0.1, 0.1, **sizes, initial_scales=scales)


untyped_increase = getattr(increase_in_convention, "__wrapped__", increase_in_convention)
untyped_scales = getattr(noise_scales, "__wrapped__", noise_scales)
untyped_step = getattr(absmax_step, "__wrapped__", absmax_step)
untyped_rounding = getattr(rounding_increase_at, "__wrapped__", rounding_increase_at)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: initial((1.0, 2.0, 3.0)), ShapeError, "initial_scales of shape"),
        (lambda: initial(1.0), ShapeError, "initial_scales of shape"),
        (lambda: initial((1.0,)), ShapeError, "initial_scales of shape"),
        (lambda: initial((1.0, 0.0)), DomainError, "initial_scales"),
        (lambda: untyped_step([np.nan, 1.0], 4), DomainError, "w"),
        (lambda: untyped_step("abc", 4), DomainError, "w = 'abc'"),
        (lambda: untyped_step(np.zeros(0), 4), ShapeError, "no largest"),
        (lambda: untyped_step(np.ones(2), 1100), DomainError, "bits = 1100"),
        (lambda: untyped_rounding(*[np.eye(2)] * 3, np.ones(2), 0.0), ShapeError, "step_1 of shape"),
        (lambda: untyped_increase("multiplicative", *[np.full((1, 1), 1e100)] * 2, 1.0, 1.0), DomainError, "overflows"),
        (lambda: untyped_increase("relative", *[np.full((1, 1), 1e200)] * 2, 1.0, 1.0), DomainError, "overflows"),
    ],
)
def test_what_is_given_wrongly_is_named(call, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: increase_in_convention("nominal", np.eye(2), np.eye(2), 0.1, 0.1), DomainError, "use one of absolute"),
        (
            lambda: increase_in_convention("initialization", np.eye(2), np.eye(2), 0.1, 0.1),
            DomainError,
            "initial_scales",
        ),
        (lambda: increase_in_convention("relative", np.eye(2), np.eye(2), -0.1, 0.1), DomainError, "level_1"),
        (lambda: increase_in_convention("multiplicative", np.eye(2), np.eye(2), 0.1, np.nan), DomainError, "level_2"),
        (
            lambda: noise_scales("multiplicative", 1.0, 1.0, w1_norm=1.0, w2_norm=1.0, d_in=1, h=1, d_out=1),
            DomainError,
            "no scale per layer",
        ),
        (lambda: unit_overlap_on_path(np.ones(2), np.ones((2, 2))), DomainError, "not orthonormal"),
        (lambda: absmax_step(np.ones(2), 1), DomainError, "bits"),
        (lambda: rounding_increase_at(np.eye(2), np.eye(2), np.eye(2), -1.0, 0.0), DomainError, "step_1"),
        (lambda: multiplicative_increase(np.ones(2), np.ones(3), 1.0, 1.0), ShapeError, "broadcast"),
        (lambda: mean_unit_overlap(1.0, -1.0, 1.0, h=2), DomainError, "w2_norm"),
        (lambda: mean_unit_overlap(1.0, 1.0, 1.0, h=0), DomainError, "h = 0"),
        (lambda: mean_unit_overlap(1e200, 1e200, 1.0, h=2), DomainError, "overflows"),
    ],
)
def test_refusals(call, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=says):
        call()
