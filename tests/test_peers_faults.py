"""Silent faults that were found in the code of other projects must not occur here."""

import inspect
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from overtraining import simulations
from overtraining.figures.build_catalogue import choose
from overtraining.figures.style import styled
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientDescent
from overtraining.theory.learning import deep_mode, unbalanced_mode
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.learning.flow import loss_gradient, mode_flow
from overtraining.theory.learning.matrix_solution import balanced_weights, matrix_flow, matrix_flow_from_modes
from overtraining.theory.precision.forms import FORMS
from overtraining.theory.precision.judge import allowed
from overtraining.theory.sensitivity.growth import norm_gained
from overtraining.theory.sensitivity.noise import expected_increase_at
from overtraining.theory.solvers.exact import respond

EYE, ROOT = np.eye(2), Path(__file__).parents[1]


def frame(d: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_an_absolute_cut_on_a_determinant(size: float) -> None:
    """It refuses a 20 × 20 matrix of condition number 1.04, whose determinant is small because it is small itself."""
    start = frame(20, 0) * np.linspace(1, 1.04, 20) @ frame(20, 1).T / 1e3
    target = frame(20, 2) * np.linspace(1, 1.04, 20) @ frame(20, 3).T
    start[0] *= np.sign(np.linalg.det(start) * np.linalg.det(target))
    t = np.array([0.0, 3.0, 30.0])
    flow = matrix_flow(t / size, *balanced_weights(size * start, 20), size * target)
    one = matrix_flow(t, *balanced_weights(start, 20), target)
    assert not flow.saddle
    np.testing.assert_allclose(flow.product / size, one.product, rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(flow.product[-1], size * target, rtol=1e-9, atol=1e-11 * size)


SMALL_IMBALANCE = [
    (form, lam)
    for form, lam in product(FORMS, (1e-8, -1e-8, 1e-12))
    if form.claim in ("A4", "A5") and "3 × 3" not in form.name
]


@pytest.mark.parametrize(("form", "lam"), SMALL_IMBALANCE, ids=lambda x: getattr(x, "name", str(x)))
def test_a_difference_of_nearly_equal_roots(form, lam: float) -> None:
    """`(√(λ²+4S²) − 2S)/λ` errs by 0.2 at λ = 1e-8; these forms by rounding."""
    t = np.array([0.3, 4.0, 9.0])
    if form.claim == "A4":
        points = np.array([(x, 1.0, start, lam) for x in t for start in (1e-3, 0.0, -1e-3)])
    else:
        d_out, d_in, k = (int(n) for n in form.name.replace("rank ", "").replace("×", "").split() if n.isdigit())
        modes = [*np.full(k, 1e-3), *frame(d_out, 1)[:, :k].ravel(), *frame(d_in, 2)[:, :k].ravel()]
        points = np.array([(x, lam, *modes, *np.eye(d_out, d_in).ravel()) for x in t])
    errors = form.errors(points)
    assert all(e <= allowed(form.condition(p)) for e, p in zip(errors, points.tolist(), strict=True))
    assert norm_gained(1e-8, lam, 0.0) == pytest.approx(np.hypot(lam, 2e-8) - abs(lam), rel=1e-7)


@pytest.mark.parametrize("h", [2, 5])
def test_a_determinant_of_the_other_sign(h: int) -> None:
    """Balanced flow cannot change it, ends in a saddle, and nobody says so; with an imbalance it learns everything."""
    target, start = np.diag([1.0, 0.5]), np.diag([0.01, -0.01])
    flow = matrix_flow([0.0, 1e4], *balanced_weights(start, h), target)
    assert flow.saddle
    assert flow.never_learned.tolist() == [0.5]
    assert flow.loss[1] == pytest.approx(0.125)
    assert not matrix_flow_from_modes(1e4, EYE, np.full(2, 0.01), np.diag([1.0, -1.0]), target, 1e-3).saddle


def test_the_quotient_of_cosh_and_sinh() -> None:
    """It is NaN at r·t = 400."""
    t = np.array([200.0, 400.0, 1e6])
    for lam in (0.0, 1e-3, 2.0, -2.0):
        np.testing.assert_allclose(unbalanced_mode.product(t, 1.0, 1e-3, lam), 1.0, rtol=1e-14)
        flow = matrix_flow_from_modes(t, EYE, np.full(2, 1e-3), EYE, EYE, lam)
        np.testing.assert_allclose(flow.product, np.broadcast_to(EYE, (3, 2, 2)), atol=1e-14)
    np.testing.assert_allclose(singular_value(t, 1.0, 1e-3), 1.0, rtol=1e-14)


def test_zero_over_zero_at_a_zero_eigenvalue() -> None:
    """The limit is finite: a mode that the teacher lacks dies algebraically, `ε/(1 + 2εt)`."""
    t, epsilon = np.array([0.0, 1.0, 1e6]), 0.3
    dies = epsilon / (1 + 2 * epsilon * t)
    np.testing.assert_allclose(singular_value(t, 0.0, epsilon), dies, rtol=1e-15)
    np.testing.assert_allclose(unbalanced_mode.product(t, 0.0, epsilon, 0.0), dies, rtol=1e-14)
    np.testing.assert_allclose(deep_mode.singular_value(t, 0.0, epsilon, 2), dies, rtol=1e-15)
    flow = matrix_flow_from_modes(t, EYE, np.full(2, epsilon), EYE, np.diag([1.0, 0.0]))
    np.testing.assert_allclose(flow.product[:, 1, 1], dies, rtol=1e-13)


def test_a_gradient_divided_by_the_weight() -> None:
    """`gradient·W / (W + 1e-9)` is 0 at W = 0, where the gradient is −6."""
    first, second = loss_gradient((np.zeros((1, 1)), np.full((1, 1), 2.0)), np.full((1, 1), 3.0))
    assert first.item() == -6.0
    assert second.item() == 0.0
    assert [float(v) for v in mode_flow(0.0, 2.0, sigma=3.0)] == [6.0, 0.0]


def test_the_step_of_w2_uses_the_updated_w1() -> None:
    rate = 0.125
    protocol = Protocol(
        Spectrum((3.0,)), (0.0, rate), (0.0,), Network(1, 1, 1), pretraining=GradientDescent(rate), sampling=Sampling(2)
    )
    w1, w2 = (np.asarray(layer.weight)[:, 0, 0] for layer in simulations.pretrain(protocol, 0))
    pull = 3.0 * np.sign(w1[0] * w2[0]) - w1[0] * w2[0]  # an aligned start has the teacher's sign
    np.testing.assert_allclose([w1[1], w2[1]], [w1[0] + rate * w2[0] * pull, w2[0] + rate * w1[0] * pull], rtol=1e-14)


def test_the_cost_of_noise_counts_from_the_current_loss() -> None:
    """A published implementation adds it to the loss at the optimum, which is right at a minimum only."""
    w1, w2, target, gamma = np.array([[0.5]]), np.array([[0.2]]), 3.0, 0.25
    over_coins = np.mean([((0.2 + a) * (0.5 + b) - target) ** 2 / 2 for a in (-gamma, gamma) for b in (-gamma, gamma)])
    now = (0.1 - target) ** 2 / 2
    assert now + expected_increase_at(w1, w2, gamma, gamma) == pytest.approx(over_coins, rel=1e-14)
    r = respond(Protocol(Spectrum((1.0,)), (0.0, 2.0), (0.1,)))
    np.testing.assert_allclose(r.after[:, 0], r.before + r.sensitivity[:, 0], rtol=1e-14)
    assert r.before[0] > 0.4


def test_figures_read_files_that_nothing_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made from nothing, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (entry,) = choose(["olmo1b-fine-tuning"])
    module = entry.module()
    data = {label: recipe.make() for label, recipe in module.recipes().items()}
    assert len(module.caption(data)) > 200
    with styled():
        module.draw(data).savefig(tmp_path / "picture.svg")


def test_no_seeds() -> None:
    """Every random number comes from a key that has no default; the same key gives the same bits, another others."""
    protocol = Protocol(Spectrum((1.0,)), (0.0, 1.0), (0.1,), sampling=Sampling(draws=8))
    for measure in (simulations.respond, simulations.follow, simulations.pretrain, simulations.initialize):
        assert inspect.signature(measure).parameters["key"].default is inspect.Parameter.empty
    once, again, other = (simulations.respond(protocol, key).after.values for key in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_work_at_import(tmp_path: Path) -> None:
    """Importing everything prints nothing, writes nothing, and opens no window for a figure."""
    code = (
        "import sys, pkgutil, importlib\n"
        "for name in ('overtraining', 'benchmarks'):\n"
        "    package = importlib.import_module(name)\n"
        "    for m in pkgutil.walk_packages(package.__path__, name + '.'):\n"
        "        if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
