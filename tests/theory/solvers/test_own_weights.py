"""Own weights: answers within their bound of the integrated flow, and refusals that say how far off the weights are."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from overtraining.setting.errors import NoFormula
from overtraining.setting.inflection import inflection_point
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import Aligned, Balanced
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Matrix, PowerLaw, full_frames, teacher_matrix
from overtraining.setting.training import GradientFlow
from overtraining.setting.weights import Weights
from overtraining.theory.learning.matrix_modes import start_modes, weights_of
from overtraining.theory.learning.matrix_solution import balanced_weights
from overtraining.theory.learning.near_balance import nearest_balanced
from overtraining.theory.sensitivity.deep_noise import deep_increase_at
from overtraining.theory.solvers.exact import follow, respond
from overtraining.theory.solvers.own_weights import with_largest_norms
from overtraining.theory.solvers.solutions import solve

LENGTHS = (0.0, 1.0, 4.0, 9.0, 25.0)
STRENGTHS = (0.1, 0.3)
TEACHER = PowerLaw(3)
NETWORK = Network(4, 3, 3)
ROUNDING = 1e-11  # of the integrator
TASK = np.random.default_rng(9).normal(size=(3, 4)) / 2


def turned(weights: list[np.ndarray], seed: int = 0) -> list[np.ndarray]:
    """The same network with its hidden layers rotated."""
    generator, made = np.random.default_rng(seed), list(weights)
    for layer in range(len(made) - 1):
        h = len(made[layer])
        turn = np.linalg.qr(generator.normal(size=(h, h)))[0]
        made[layer], made[layer + 1] = turn @ made[layer], made[layer + 1] @ turn.T
    return made


def of_start(start: Balanced, network: Network = NETWORK) -> list[np.ndarray]:
    return turned(list(weights_of(start_modes(start, TEACHER, network), network.h)))


def disturbed(weights: list[np.ndarray], size: float, seed: int = 1) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [w + size * np.abs(w).max() * generator.normal(size=w.shape) for w in weights]


def own(weights: list[np.ndarray], tolerance: float = 1e-6, **changes) -> Protocol:
    return replace(Protocol(TEACHER, LENGTHS, STRENGTHS, start=Weights(*weights, tolerance=tolerance)), **changes)


def flow(weights, target: np.ndarray, times, covariance: np.ndarray | None = None) -> list[list[np.ndarray]]:
    """The weights at these times, which begin at 0, by integration."""
    covariance = np.eye(target.shape[1]) if covariance is None else covariance
    ends = np.cumsum([0, *(w.size for w in weights)])

    def layers(y):
        return [y[ends[i] : ends[i + 1]].reshape(w.shape) for i, w in enumerate(weights)]

    def velocity(_, y):
        now = layers(y)
        moved = []
        for i in range(len(now)):
            below, above = np.eye(target.shape[1]), np.eye(target.shape[0])
            for w in now[:i]:
                below = w @ below
            for w in reversed(now[i + 1 :]):
                above = above @ w
            whole = above @ now[i] @ below
            moved.append((above.T @ (target - whole) @ covariance @ below.T).ravel())
        return np.concatenate(moved)

    start = np.concatenate([w.ravel() for w in weights])
    if times[-1] == 0:
        return [layers(start)]
    solved = solve_ivp(velocity, (0, times[-1]), start, "DOP853", t_eval=times, rtol=1e-13, atol=1e-16)
    return [layers(y) for y in solved.y.T]


def product(layers: list[np.ndarray]) -> np.ndarray:
    return np.linalg.multi_dot(layers[::-1]) if len(layers) > 1 else layers[0]


def losses(path, target: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    apart = [product(layers) - target for layers in path]
    return np.array([np.trace(a @ covariance @ a.T) / 2 for a in apart])


STARTS = {
    "float32": ([w.astype(np.float32).astype(float) for w in of_start(Balanced(1e-2, 0.5))], 1e-7),
    "nearly balanced": (disturbed(of_start(Balanced(1e-1, 0.5)), 1e-4), 1e-4),
    "with an imbalance": (disturbed(of_start(Balanced(1e-1, 0.5, imbalance=0.4)), 1e-6), 1e-6),
    "narrow": (disturbed(of_start(Balanced(1e-2, 0.3), Network(4, 2, 3)), 1e-6), 1e-6),
    "learned": (disturbed(turned(list(balanced_weights(teacher_matrix(TEACHER, 3, 4), 3))), 1e-4), 1e-4),
}
"""Weights, and by which share of the largest they were changed."""

USEFUL = 1e3  # how much larger than that share the bound may be


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("convention", ["absolute", "initialization", "relative"])
def test_losses_before_and_after_noise_are_within_their_bound(name: str, convention: str) -> None:
    weights, size = STARTS[name]
    protocol = own(weights, 10 * size, perturbation=Noise((1.0, 0.5), convention=convention))
    resolved, answer = resolve(protocol), respond(protocol)
    path = flow(weights, resolved.teacher, LENGTHS)
    before = losses(path, resolved.teacher, np.eye(4))
    sizes = np.array([w.size for w in weights])
    error = [np.abs(answer.before.values - before).max()]
    for i, layers in enumerate(path):
        of = {"absolute": None, "initialization": path[0], "relative": layers}[convention]
        unit = np.ones(2) if of is None else np.sqrt([(w**2).sum() for w in of] / sizes)
        after = before[i] + deep_increase_at(layers, np.outer(STRENGTHS, (1.0, 0.5)) * unit)
        error.append(np.abs(answer.after.values[i] - after).max())
    bound = answer.attrs["imbalance_error"]
    assert max(error) <= bound + ROUNDING
    assert bound < USEFUL * size


@pytest.mark.parametrize("name", STARTS)
def test_what_is_followed_is_within_its_bounds(name: str) -> None:
    weights, size = STARTS[name]
    protocol = own(weights, 10 * size)
    answer, teacher = follow(protocol), resolve(protocol).teacher
    path = flow(weights, teacher, LENGTHS)
    values = np.array([np.linalg.svd(product(layers), compute_uv=False)[: len(weights[0])] for layers in path])
    attrs = answer.attrs
    assert np.abs(answer.singular_value.values - values).max() <= attrs["imbalance_error_singular_value"] + ROUNDING
    assert np.abs(answer.loss.values - losses(path, teacher, np.eye(4))).max() <= attrs["imbalance_error"] + ROUNDING
    norms = np.sqrt([[(w**2).sum() for w in layers] for layers in path])
    assert np.abs(np.sqrt(answer.layer_norm.values) - norms).max() <= attrs["imbalance_error_weights"] + ROUNDING
    w1, w2 = weights
    np.testing.assert_allclose(answer.imbalance, np.linalg.norm(w2.T @ w2 - w1 @ w1.T), rtol=1e-12)


@pytest.mark.parametrize("name", STARTS)
def test_at_length_0_the_answer_is_that_of_the_weights(name: str) -> None:
    """Not of balanced ones near them, whatever is asked for later."""
    weights, size = STARTS[name]
    protocol = own(weights, 10 * size)
    teacher, path = resolve(protocol).teacher, follow(protocol)
    for answer in (respond(protocol), respond(replace(protocol, lengths=(0.0,)))):
        before = ((product(weights) - teacher) ** 2).sum() / 2
        after = before + deep_increase_at(weights, np.outer(STRENGTHS, (1.0, 1.0)))
        np.testing.assert_allclose(answer.before[0], before, rtol=1e-14)
        np.testing.assert_allclose(answer.after[0], after, rtol=1e-14)
    assert answer.attrs["imbalance_error"] == 0.0
    np.testing.assert_allclose(path.layer_norm[0], [(w**2).sum() for w in weights], rtol=1e-14)
    values = np.linalg.svd(product(weights), compute_uv=False)[: path.mode.size]
    np.testing.assert_allclose(path.singular_value[0], values, atol=1e-15)


def test_rounding_to_float32_changes_next_to_nothing() -> None:
    """2e-9 of the loss, and the bound says at most 1e-7."""
    exact = respond(Protocol(TEACHER, LENGTHS, STRENGTHS, NETWORK, Balanced(1e-2, 0.5)))
    answer = respond(own(STARTS["float32"][0]))
    changed = float(np.abs(answer.after - exact.after).max())
    assert 1e-10 < changed <= answer.attrs["imbalance_error"] < 1e-6
    assert answer.attrs["relative_imbalance"] < 1e-7


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("replay_share", [0.0, 0.3])
def test_fine_tuning_is_within_its_bound(name: str, replay_share: float) -> None:
    weights, size = STARTS[name]
    tuning = FineTuning(Matrix(TASK), replay_share=replay_share)
    protocol = own(weights, 10 * size, lengths=(0.0, 9.0), strengths=(0.5, 3.0, 20.0), perturbation=tuning)
    answer, teacher = respond(protocol), resolve(protocol).teacher
    target = replay_share * teacher + (1 - replay_share) * TASK
    error = []
    for i, start in enumerate(flow(weights, teacher, protocol.lengths)):
        path = flow(start, target, (0.0, *protocol.strengths))[1:]
        for variable, matrix in (("after", teacher), ("downstream_after", TASK)):
            error.append(np.abs(answer[variable].values[i] - losses(path, matrix, np.eye(4))).max())
    assert max(error) <= answer.attrs["imbalance_error"] + ROUNDING
    assert answer.attrs["imbalance_error"] < USEFUL * size


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_deep_weights_along_the_teacher_are_within_their_bound(depth: int) -> None:
    """Every mode starts at its own size; the inputs have the teacher's axes and other variances."""
    network, inputs, epsilon = Network(4, 3, 3, depth), Inputs((2.0, 1.5, 1.0, 0.5)), np.array([0.2, 0.3, 0.1])
    u, v = full_frames(TEACHER, 3, 4)
    root = epsilon ** (1 / depth)
    weights = disturbed(turned([(v[:, :3] * root).T, *[np.diag(root)] * (depth - 2), u * root]), 1e-7)
    protocol = own(weights, 1e-5, network=network, inputs=inputs, lengths=(0.0, 3.0, 8.0))
    resolved, answer = resolve(protocol), respond(protocol)
    path = flow(weights, resolved.teacher, protocol.lengths, resolved.input_covariance)
    before = losses(path, resolved.teacher, resolved.input_covariance)
    after = [
        loss + deep_increase_at(layers, np.outer(STRENGTHS, np.ones(depth)), resolved.input_covariance)
        for loss, layers in zip(before, path, strict=True)
    ]
    error = max(np.abs(answer.before.values - before).max(), np.abs(answer.after.values - after).max())
    assert error <= answer.attrs["imbalance_error"] + ROUNDING
    assert answer.attrs["imbalance_error"] < USEFUL * 1e-7
    assert (np.diff(follow(protocol).singular_value.values, axis=1) <= 0).all()
    task = SharedVectors((0.5, 0.8, 0.3))
    tuned = respond(replace(protocol, strengths=(0.5, 3.0), perturbation=FineTuning(task)))
    error = 0.0
    task_matrix = (u * task.values) @ v[:, :3].T
    for i, start in enumerate(path):
        ends = flow(start, task_matrix, (0.0, 0.5, 3.0))[1:]
        forgotten = losses(ends, resolved.teacher, resolved.input_covariance)
        downstream = losses(ends, task_matrix, np.eye(4))
        error = max(error, np.abs(tuned.after.values[i] - forgotten).max())
        error = max(error, np.abs(tuned.downstream_after.values[i] - downstream).max())
    assert error <= tuned.attrs["imbalance_error"] + ROUNDING
    assert tuned.attrs["imbalance_error"] < USEFUL * 1e-7


def test_one_layer_has_no_imbalance() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 4))
    protocol = own([weights], inputs=Inputs((3.0, 2.0, 1.0, 0.5), shared=False))
    resolved, answer = resolve(protocol), respond(protocol)
    path = flow([weights], resolved.teacher, LENGTHS, resolved.input_covariance)
    np.testing.assert_allclose(
        answer.before, losses(path, resolved.teacher, resolved.input_covariance), rtol=1e-9, atol=ROUNDING
    )
    assert "imbalance_error" not in answer.attrs


@pytest.mark.parametrize(("name", "size"), [("nearly balanced", 1e-4), ("further off", 1e-3)])
def test_the_true_inflection_point_is_within_the_resolution(name: str, size: float) -> None:
    """Of the flow itself, between the lengths. With the resolution of the search alone it would not be."""
    weights = STARTS[name][0] if name in STARTS else disturbed(of_start(Balanced(0.2, 0.5)), size)
    protocol = own(weights, 10 * size, lengths=tuple(np.linspace(0.0, 12.0, 25)), strengths=(0.25, 0.35))
    answer, teacher = respond(protocol), resolve(protocol).teacher
    found, careless = (inflection_point(data) for data in (answer, exact_to_the_last_bit(protocol)))
    assert found.exists.all()
    for strength in protocol.strengths:
        point = found.sel(strength=strength)

        def after(length: float, strength: float = strength) -> float:
            (layers,) = flow(weights, teacher, (0.0, length))[1:]
            return float(losses([layers], teacher, np.eye(4))[0] + deep_increase_at(layers, np.full(2, strength)))

        low, high = float(point.length - point.resolution), float(point.length + point.resolution)
        true = minimize_scalar(after, bounds=(max(low - 1, 0.1), high + 1), method="bounded", options={"xatol": 1e-8}).x
        assert low <= true <= high
        assert point.resolution < 2.0
        assert abs(true - careless.length.sel(strength=strength)) > careless.resolution.sel(strength=strength)


def exact_to_the_last_bit(protocol: Protocol) -> xr.Dataset:
    """The answer of the balanced weights near these, as if nothing was wrong with it."""
    near = nearest_balanced(*protocol.start.matrices).modes
    return respond(replace(protocol, start=Weights(*weights_of(near, protocol.network.h))))


BALANCED = of_start(Balanced(1e-1, 0.5))
OFF = disturbed(BALANCED, 1e-4)
FURTHER = disturbed(of_start(Balanced(1e-3, 0.5)), 1e-2)
DEEP = {"network": Network(4, 3, 3, depth=3)}
FAR = [np.random.default_rng(seed).normal(size=(3, n)) for seed, n in enumerate((4, 3))]
TUNING = FineTuning(Matrix(TASK))
REFUSED = {
    "nearly balanced": (OFF, {}, r"imbalance \d(\.\d)?e-05: .*the tolerance is 1e-06.*tolerance=\de-0\d\), or meas"),
    "far from balanced": (FAR, {}, r"imbalance 0\.\d+: .*Instead: measure it"),
    "far, with any tolerance": (
        FAR,
        {"start": Weights(*FAR, tolerance=1.0)},
        "no useful bound.*lengths shorter than 25",
    ),
    "nearly balanced, and too long": (FURTHER, {}, r"=\de-0\d\) with lengths shorter than 25, or meas"),
    "to be fine-tuned": (OFF, {"lengths": (0.0,), "perturbation": TUNING}, r"=\de-0\d\), or meas"),
    "tuned too far": (
        FURTHER,
        {"lengths": (0.0,), "perturbation": TUNING, "strengths": (99.0,), "start": Weights(*FURTHER, tolerance=1e-2)},
        "no useful bound.* use budgets smaller than 99, or",
    ),
    "other axes": ([BALANCED[0], np.eye(3), BALANCED[1]], DEEP, "singular vectors"),
    "weight decay": (BALANCED, {"pretraining": GradientFlow(weight_decay=0.1)}, "weight_decay=0"),
    "multiplicative": (BALANCED, {"perturbation": Noise(convention="multiplicative")}, "hidden frame.*relative"),
    "pruning": (BALANCED, {"perturbation": Pruning()}, "jump.*dithered"),
    "rounding": (BALANCED, {"perturbation": Quantization(None)}, "jump.*dithered"),
    "an anchor": (BALANCED, {"perturbation": FineTuning(Matrix(TASK), anchor=0.1)}, "anchor = 0.1.*no bound"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_how_far_and_what_to_do(name: str) -> None:
    weights, changes, says = REFUSED[name]
    with pytest.raises(NoFormula, match=says):
        respond(own(weights, **changes))


def test_deep_weights_in_other_axes_are_told_how_far_they_are() -> None:
    root = np.eye(4)[:3]
    with pytest.raises(NoFormula, match=r"off the teacher's singular vectors by 0\.\d+"):
        respond(own([root, np.eye(3), np.eye(3)], **DEEP))


def test_dithered_rounding_and_balanced_starts_agree() -> None:
    """Weights that are balanced to the last bits have the answer of the start that they are."""
    dithered = {"perturbation": Quantization(None, "dithered")}
    answer = respond(own(BALANCED, **dithered))
    exact = respond(replace(Protocol(TEACHER, LENGTHS, STRENGTHS, NETWORK, Balanced(1e-1, 0.5)), **dithered))
    np.testing.assert_allclose(answer.after, exact.after, rtol=1e-12)
    assert answer.attrs["imbalance_error"] < 1e-12
    aligned = respond(own(of_start(Balanced(1e-1, 0.0))))
    np.testing.assert_allclose(
        aligned.after, respond(Protocol(TEACHER, LENGTHS, STRENGTHS, NETWORK, Aligned(1e-1))).after, rtol=1e-11
    )


def test_norms_are_raised_to_the_most_that_they_may_be() -> None:
    """Weights that differ by 0.1 have no larger norms, of a layer or of the product; a layer of parallel ones has."""
    weights, size = STARTS["learned"]
    protocol = own(weights, 10 * size, lengths=(0.0,))
    path = solve(resolve(protocol)).at(np.zeros(1))
    assert path.deviation is not None
    raised = with_largest_norms(path, path.deviation._replace(distance=np.array([0.1]))).norms()[0]
    plain, generator = path.norms()[0], np.random.default_rng(0)
    assert raised[0, 1] == pytest.approx((plain[0, 1] ** 0.5 + 0.1) ** 2, rel=1e-12)
    assert raised[1, 2] == pytest.approx((plain[1, 2] ** 0.5 + 0.1) ** 2, rel=1e-12)
    u, s, vt = np.linalg.svd(product(weights))
    worst = [np.outer(np.eye(3)[0], vt[0]), np.outer(u[:, 0], np.eye(3)[0])]
    for parallel in (True, False):
        w1, w2 = np.sqrt(s)[:, None] * vt[:3], u * np.sqrt(s)
        d1, d2 = worst if parallel else [generator.normal(size=w.shape) for w in (w1, w2)]
        scale = 0.1 / np.hypot(np.linalg.norm(d1), np.linalg.norm(d2))
        larger = np.linalg.norm((w2 + scale * d2) @ (w1 + scale * d1)) ** 2
        assert larger <= raised[0, 2]
        assert larger > plain[0, 2] or not parallel
