"""Fine-tuning against steps and integrations by hand, exact moments of its batches; learning rates against search."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import optax
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.inputs import Inputs, input_covariance
from overtraining.setting.perturbations import FineTuning, Noise
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import FanIn, SmallGaussian
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, Task, task_matrix
from overtraining.setting.teachers import Matrix, PowerLaw, Spectrum, teacher_matrix
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.simulations import pretraining, runs
from overtraining.simulations.compilation import ONCE, compiled
from overtraining.simulations.data import sample_examples
from overtraining.simulations.finetuning import fine_tune
from overtraining.simulations.measurements import distance_from_pretrained, pretrain, respond, seed_key
from overtraining.simulations.networks import Layers
from overtraining.simulations.training_plan import plan_training

RATE = 0.05
STEPS = (0, 1, 2, 7)
SHAPE = (5, 4)
INPUTS = Inputs(spectrum=(2.0, 1.0, 0.5, 0.25), shared=False)
TUNED = Protocol(
    PowerLaw(3),
    (0.0, 1.5),
    tuple(RATE * n for n in STEPS),
    Network(4, 3, 5, depth=3),
    SmallGaussian(0.6),
    GradientDescent(0.1),
    FineTuning(RotatedTeacher(1.2, 1.5, frame_seed=3), GradientDescent(RATE)),
    sampling=Sampling(draws=3),
    inputs=INPUTS,
)
TEACHER = teacher_matrix(TUNED.teacher, *SHAPE)
fine_tuned = compiled(ONCE, "fine_tuning", "activation", "pretraining_loss")(fine_tune)
COVARIANCE = input_covariance(INPUTS, TUNED.teacher, *SHAPE)


def no_replay(layers: Layers, step: jax.Array) -> jax.Array:
    """A pretraining loss that must not be used."""
    return step / 0.0


def weights(layers: Layers, at: int) -> list[np.ndarray]:
    return [np.asarray(layer.weight[at]) for layer in layers]


@cache
def target(task: Task) -> np.ndarray:
    return task_matrix(task, TUNED.teacher, *SHAPE)


def slopes(w: list[np.ndarray], then: list[np.ndarray], how: FineTuning) -> list[np.ndarray]:
    """Gradients of `(1 − ρ)L_ft + ρL_pre + (λ/2)‖θ − θ_pre‖²` at three layers: white inputs downstream, not before."""
    f = w[2] @ w[1] @ w[0]
    error = (1 - how.replay_share) * (f - target(how.task)) + how.replay_share * (f - TEACHER) @ COVARIANCE
    g = [(w[2] @ w[1]).T @ error, w[2].T @ error @ w[0].T, error @ (w[1] @ w[0]).T]
    return [g + how.anchor * (now - before) for g, now, before in zip(g, w, then, strict=True)]


def by_hand(how: FineTuning, then: list[np.ndarray], steps: int, shares: list[float]) -> list[np.ndarray]:
    training, w = how.training, then
    assert isinstance(training, GradientDescent)
    m, v = ([np.zeros_like(x) for x in w] for _ in range(2))
    for k in range(steps):
        decay = training.weight_decay
        g = slopes(w, then, how)
        g = [x + decay * y for x, y in zip(g, w, strict=True)] if training.optimizer != "adamw" else g
        moves = g
        if training.optimizer in ("adam", "adamw"):
            m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
            v = [0.999 * a + 0.001 * b**2 for a, b in zip(v, g, strict=True)]
            scale = (1 - 0.9 ** (k + 1)), (1 - 0.999 ** (k + 1))
            moves = [a / scale[0] / (np.sqrt(b / scale[1]) + 1e-8) for a, b in zip(m, v, strict=True)]
        elif training.optimizer == "momentum":
            m = moves = [training.momentum * a + b for a, b in zip(m, g, strict=True)]
        if training.optimizer == "adamw":
            moves = [a + decay * y for a, y in zip(moves, w, strict=True)]
        w = [x - training.learning_rate * shares[k] * a for x, a in zip(w, moves, strict=True)]
    return w


def check(protocol: Protocol, expected: list[list[list[np.ndarray]]], rtol: float) -> None:
    """Both losses before and after, and the distance, at every length and budget, from weights found otherwise."""
    how = protocol.perturbation
    assert isinstance(how, FineTuning)
    task = target(how.task)
    seen, far = respond(protocol, 4).isel(seed=0), distance_from_pretrained(protocol, 4).isel(seed=0)
    assert far.distance.dims == ("pretraining", "strength")
    pretrained = pretrain(protocol, 4)
    for i, row in enumerate(expected):
        then = weights(pretrained, i)
        for j, w in enumerate(row):
            f = w[2] @ w[1] @ w[0]
            error = f - TEACHER
            base = np.trace(error @ COVARIANCE @ error.T) / 2
            distance = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(w, then, strict=True)))
            found = (float(x[i, j]) for x in (seen.after, seen.downstream_after, far.distance))
            np.testing.assert_allclose(list(found), [base, ((f - task) ** 2).sum() / 2, distance], rtol=rtol)
            if protocol.strengths[j] == 0:
                same = (seen.before[i], seen.downstream_before[i], 0.0)
                np.testing.assert_allclose(same, [base, ((f - task) ** 2).sum() / 2, distance], rtol=rtol)


OPTIONS = [
    {},
    {"anchor": 0.7},
    {"replay_share": 0.4},
    {"anchor": 0.3, "replay_share": 0.8, "task": Matrix(np.arange(20.0).reshape(SHAPE) / 10)},
    {"task": SharedVectors((0.5, -1.0, 2.0)), "label_noise": 9.0},  # without batches it only adds a constant
]
TRAININGS = [
    GradientDescent(RATE, optimizer=name, momentum=0.6, weight_decay=decay)
    for name, decay in (("sgd", 0.0), ("sgd", 0.3), ("momentum", 0.3), ("adam", 0.3), ("adamw", 0.3))
]


@pytest.mark.parametrize(
    ("training", "options"),
    [*((how, OPTIONS[3]) for how in TRAININGS), *((TRAININGS[0], options) for options in OPTIONS)],
    ids=str,
)
def test_steps(training: GradientDescent, options: dict[str, object]) -> None:
    how = replace(TUNED.perturbation, training=training, **options)
    protocol = replace(TUNED, perturbation=how)
    pretrained = pretrain(protocol, 4)
    expected = [[by_hand(how, weights(pretrained, i), n, [1.0] * n) for n in STEPS] for i in range(2)]
    check(protocol, expected, 1e-9)


@pytest.mark.parametrize("horizon", ["last", "each"])
def test_annealed_budgets(horizon: str) -> None:
    """ "last": checkpoints along one annealed run; "each": every budget is the end of a run of its own."""
    how = replace(TUNED.perturbation, training=GradientDescent(RATE, schedule="cosine", horizon=horizon))
    protocol = replace(TUNED, perturbation=how)
    pretrained, expected = pretrain(protocol, 4), []
    for i in range(2):
        expected.append([])
        for n in STEPS:
            share = optax.schedules.cosine_decay_schedule(1.0, max(n if horizon == "each" else STEPS[-1], 1))
            shares = np.asarray(share(np.arange(1.0 * STEPS[-1]))).tolist()
            expected[i].append(by_hand(how, weights(pretrained, i), n, shares))
    check(protocol, expected, 1e-9)


def test_flow() -> None:
    """Against scipy's DOP853, with an anchor, a replay over other inputs and weight decay; budgets of no step."""
    how = FineTuning(RotatedTeacher(0.8), GradientFlow(1e-10, weight_decay=0.1), anchor=0.2, replay_share=0.3)
    protocol = replace(TUNED, perturbation=how, strengths=(0.0, 0.3, 2.7))
    pretrained, expected = pretrain(protocol, 4), []
    for i in range(2):
        then = weights(pretrained, i)
        cuts = np.cumsum([w.size for w in then])[:-1]

        def slope(_: float, flat: np.ndarray, then: list[np.ndarray] = then, cuts: np.ndarray = cuts) -> np.ndarray:
            w = [x.reshape(y.shape) for x, y in zip(np.split(flat, cuts), then, strict=True)]
            return -np.concatenate([(g + 0.1 * x).ravel() for g, x in zip(slopes(w, then, how), w, strict=True)])

        flat = np.concatenate([w.ravel() for w in then])
        path = solve_ivp(slope, (0, 2.7), flat, "DOP853", protocol.strengths, rtol=1e-12, atol=1e-13).y.T
        expected.append([[x.reshape(y.shape) for x, y in zip(np.split(w, cuts), then, strict=True)] for w in path])
    check(protocol, expected, 1e-7)


def test_low_rank() -> None:
    """The update is of the asked rank, starts at 0, and its factors descend: by hand from the first factors found."""
    how = replace(TUNED.perturbation, rank=1)
    protocol = replace(TUNED, perturbation=how)
    plan, numbers = plan_training(protocol)
    layers = jax.tree.map(lambda w: w[1], pretrain(protocol, 4))
    budgets, key = numbers.strengths, jax.random.key(8)
    tuned = fine_tuned(layers, plan.perturbation, numbers.tuning, budgets, "linear", no_replay, key)
    then = [np.asarray(layer.weight) for layer in layers]
    updates = [[w - old for w, old in zip(weights(tuned, j), then, strict=True)] for j in range(len(STEPS))]
    assert all((u == 0).all() for u in updates[0])
    for u in updates[-1]:
        sizes = np.linalg.svd(u)[1]
        assert sizes[1] < 1e-14 * sizes[0]
    # B₁ = −η g Aᵀ after one step: the row space is A's, which the norm of the first update gives up to a sign
    first = slopes(then, then, how)
    a, b = [], []
    for u, g in zip(updates[1], first, strict=True):
        row = np.linalg.svd(u)[2][0]
        size = np.sqrt(np.linalg.norm(u) / np.linalg.norm(RATE * g @ np.outer(row, row)))
        a.append(size * row[None])
        b.append(np.zeros((len(u), 1)))
    for _ in range(STEPS[-1]):
        g = slopes([w + y @ x for w, x, y in zip(then, a, b, strict=True)], then, how)
        a, b = (
            [x - RATE * y.T @ s for x, y, s in zip(a, b, g, strict=True)],
            [y - RATE * s @ x.T for x, y, s in zip(a, b, g, strict=True)],
        )
    for u, x, y in zip(updates[-1], a, b, strict=True):
        np.testing.assert_allclose(u, y @ x, rtol=1e-7, atol=1e-12)


def test_low_rank_factors_have_the_variance_of_one_over_fan_in() -> None:
    """After one tiny step of `L = ½‖W − B‖²` the update is `−η g AᵀA`, of mean `−η g rank/d_in`."""
    protocol = Protocol(
        Spectrum((1.0, 0.5)),
        (0.0,),
        (1e-3,),
        Network(4, 1, 2, depth=1),
        SmallGaussian(0.5),
        perturbation=FineTuning(RotatedTeacher(1.0), GradientDescent(1e-3), rank=3),
        sampling=Sampling(20_000),
    )
    seen = respond(protocol, 0).squeeze()
    fall = -1e-3 * 2 * float(seen.downstream_before) * 3 / 4
    assert abs(float(seen.downstream_sensitivity) - fall) < 4 * float(seen.downstream_sensitivity_stderr) - 1e-3 * fall
    assert float(seen.downstream_sensitivity_stderr) < -fall / 100


@pytest.mark.parametrize("replay", [0.0, 0.25])
def test_batches_have_their_exact_second_moment(replay: float) -> None:
    """One layer, `v = E‖W − M‖²` from a batch of each task, `M` being A and B: a step is
    `−η[(1−ρ)(W − B)Ĉ + ρ(W − A)Ĉ']` and that of each labels' own noise; moments of a Wishart matrix, two budgets."""
    rate, batch, (d_out, d_in), noise, pre_noise = 0.1, 3, (2, 4), 0.5, 0.7
    how = FineTuning(RotatedTeacher(1.0), GradientDescent(rate, batch), replay_share=replay, label_noise=noise)
    protocol = Protocol(
        Spectrum((1.0, 0.5)),
        (0.0, 2.0),
        (0.5, 5.0),
        Network(d_in, 1, d_out, depth=1),
        SmallGaussian(0.5),
        GradientDescent(0.5),
        how,
        Sampling(4000),
        inputs=Inputs(label_noise=pre_noise),
    )
    seen = respond(protocol, 3).isel(seed=0)
    a, b = teacher_matrix(protocol.teacher, d_out, d_in), task_matrix(how.task, protocol.teacher, d_out, d_in)
    shares = ((1 - replay, b, noise), (replay, a, pre_noise))
    for i in range(2):
        mean = weights(pretrain(protocol, 3), i)[0]
        spread, steps = 0.0, 0  # E‖W − E W‖²
        for j, budget in enumerate(protocol.strengths):
            while steps < round(budget / rate):
                drift = sum(share * (mean - target) for share, target, _ in shares)
                # E‖X(Ĉ − I)‖² = ‖X‖²(d_in + 1)/B, of the mean and of what is spread about it
                scatter = sum(
                    share**2 * ((((mean - target) ** 2).sum() + spread) * (d_in + 1) + nu**2 * d_in * d_out) / batch
                    for share, target, nu in shares
                )
                spread = (1 - rate) ** 2 * spread + rate**2 * scatter
                mean, steps = mean - rate * drift, steps + 1
            for name, target in (("after", a), ("downstream_after", b)):
                exact = (((mean - target) ** 2).sum() + spread) / 2
                error = float(seen[f"{name}_stderr"][i, j])
                assert abs(float(seen[name][i, j]) - exact) < 4 * error
                assert error < 0.03 * exact


def test_a_tanh_student_in_batches() -> None:
    """The same batches by hand: gradients of `½‖W2 tanh(W1 x + b1) + b2 − y‖²`, biases included; losses held out."""
    how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.1, batch=6), anchor=0.5, label_noise=0.3)
    protocol = Protocol(
        PowerLaw(3),
        (0.0, 1.0),
        (0.3, 0.5),
        Network(4, 6, 3, activation="tanh", bias=True),
        FanIn(),
        GradientDescent(0.1, 8),
        how,
        Sampling(4),
    )
    plan, numbers = plan_training(protocol)
    layers, key = jax.tree.map(lambda w: w[1], pretrain(protocol, 0)), jax.random.key(2)
    tuned = fine_tuned(layers, plan.perturbation, numbers.tuning, numbers.strengths, "tanh", no_replay, key)
    then = [np.asarray(leaf) for leaf in jax.tree.leaves(layers)]
    now, for_batches = then, jax.random.split(jax.random.split(key)[0])[1]
    batch = compiled(ONCE)(lambda key: sample_examples(numbers.tuning.problem, 6, key))
    for step in range(5):
        x, y = map(np.asarray, batch(jax.random.fold_in(for_batches, step)))
        w1, b1, w2, b2 = now
        z = np.tanh(x @ w1.T + b1)
        error = (z @ w2.T + b2 - y) / 6
        back = (error @ w2) * (1 - z**2)
        g = [back.T @ x, back.sum(0), error.T @ z, error.sum(0)]
        now = [p - 0.1 * (s + 0.5 * (p - q)) for p, s, q in zip(now, g, then, strict=True)]
        if step in (2, 4):
            for leaf, p in zip(jax.tree.leaves(tuned), now, strict=True):
                np.testing.assert_allclose(leaf[step // 2 - 1], p, rtol=1e-10, atol=1e-13)
    seen = respond(protocol, 0).isel(seed=0)
    held_out, downstream = compiled(ONCE, "plan")(runs.held_out)(plan, numbers, seed_key(0, 0))
    assert np.abs(np.asarray(downstream.x) - np.asarray(held_out.x)).max() > 1
    task = np.asarray(numbers.tuning.problem.teacher)
    np.testing.assert_allclose(downstream.y, np.asarray(downstream.x) @ task.T, rtol=1e-12)
    w1, b1, w2, b2 = then
    errors = np.tanh(np.asarray(downstream.x) @ w1.T + b1) @ w2.T + b2 - np.asarray(downstream.y)
    exact = (errors**2).sum(axis=1) / 2
    assert float(seen.downstream_before[1]) == pytest.approx(float(exact.mean()), rel=1e-12)
    assert float(seen.downstream_before_stderr[1]) == pytest.approx(float(exact.std(ddof=1)) / 64, rel=1e-9)
    assert exact.shape == (4096,)
    assert (seen.downstream_after_stderr > 0).all()


def test_replay_meets_the_training_set_of_pretraining() -> None:
    """With six noisy samples and nothing but replay of a converged run, the gradient is 0 and hardly anything moves."""
    inputs = Inputs(samples=6, label_noise=1.0)
    how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.01), replay_share=0.999999)
    one = Protocol(
        Spectrum((1.0, 0.5)),
        (40.0,),
        (1.0,),
        Network(4, 1, 2, depth=1),
        SmallGaussian(0.1),
        perturbation=how,
        inputs=inputs,
    )
    far = distance_from_pretrained(one, 5).distance.item()
    assert far < 1e-4
    assert distance_from_pretrained(replace(one, perturbation=replace(how, replay_share=0.5)), 5).distance.item() > 0.1


def test_numbers_share_one_compilation() -> None:
    first = replace(TUNED, perturbation=replace(TUNED.perturbation, anchor=0.1, replay_share=0.2))
    other = FineTuning(
        SharedVectors((1.0, 2.0)), GradientDescent(0.1, weight_decay=0.2), anchor=0.5, replay_share=0.9, label_noise=0.1
    )
    respond(first, 0)
    before = runs.compiled_programs()
    respond(replace(first, perturbation=other, strengths=(0.0, 0.1, 0.4, 0.5)), 0)
    assert runs.compiled_programs() == before


TANH = replace(
    TUNED, network=Network(4, 6, 5, activation="tanh"), start=FanIn(), pretraining=GradientDescent(0.5, batch=4)
)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (replace(TANH, perturbation=FineTuning(RotatedTeacher(1.0))), "batches of fresh examples"),
        (replace(TUNED, strengths=(0.07,)), "budget 0.07: not a multiple of the step"),
        (replace(TUNED, sampling=Sampling(antithetic=True)), "antithetic"),
        (
            replace(TUNED, perturbation=FineTuning(RotatedTeacher(1.0), GradientDescent(0.1, warmup_share=0.1))),
            "warms up",
        ),
    ],
)
def test_refusals(wrong: Protocol, why: str) -> None:
    with pytest.raises(DomainError, match=why):
        respond(wrong, 0)


def test_failures_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    strengths = (9.0, 18.0, 27.0, 450.0)
    fast = replace(TUNED, perturbation=FineTuning(RotatedTeacher(1.0), GradientDescent(9.0)), strengths=strengths)
    with pytest.raises(NotSolved, match="sgd at learning rate 9: it diverges"):
        respond(fast, 0)
    monkeypatch.setattr(pretraining, "MOST_STEPS", 50)
    far = replace(TUNED, perturbation=FineTuning(RotatedTeacher(1.0)), strengths=(1e7,))
    with pytest.raises(NotSolved, match="integrator gave up"):
        respond(far, 0)
    with pytest.raises(DomainError, match="only fine-tuning moves"):
        distance_from_pretrained(replace(TUNED, perturbation=Noise()), 0)


def test_the_teacher_as_task_changes_nothing_in_the_end() -> None:
    """Fine-tuning on the pretraining task is more pretraining: the loss after budget T is that at length t + T."""
    white = Inputs(spectrum=(1.0,) * 4, shared=False)  # as it is downstream
    same = replace(TUNED, perturbation=FineTuning(RotatedTeacher(0.0), GradientDescent(0.1)), inputs=white)
    same = replace(same, lengths=(0.5, 2.0), strengths=(0.0, 0.7, 1.5, 3.0))
    seen, longer = respond(same, 0).isel(seed=0), respond(replace(same, lengths=(2.0, 5.0)), 0).isel(seed=0)
    np.testing.assert_allclose(seen.after[0, 2], longer.before[0], rtol=1e-12)
    np.testing.assert_allclose(seen.after[1, 3], longer.before[1], rtol=1e-12)
    np.testing.assert_allclose(seen.downstream_after, seen.after, rtol=1e-12)
