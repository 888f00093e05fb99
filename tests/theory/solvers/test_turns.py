"""The turns of a Response of theory: against slopes along numerical flows, in mpmath, and by finer grids."""

from dataclasses import replace
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.inflection import inflection_point
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise, Quantization
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import curve_name, objectives
from overtraining.setting.starts import Aligned, Balanced, SmallGaussian
from overtraining.setting.tasks import RotatedTeacher, SharedVectors
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientFlow
from overtraining.setting.turns import FOUND_BY
from overtraining.theory.solvers.exact import respond
from tests.theory.solvers.test_exact import gradient, split, started

STEP = 1e-20  # of the complex step along the flow, which has no rounding error
BASE = Protocol(Spectrum((1.0, 0.6, 0.2)), np.linspace(0, 60, 41), (0.1, 0.25), Network(3, 3, 4), Aligned(1e-3))
TASK = FineTuning(RotatedTeacher(0.7))
CASES = {
    "two layers": BASE,
    "unequal noise, inputs of variance 2": replace(BASE, perturbation=Noise((0.5, 1.5)), inputs=Inputs((2.0,) * 3)),
    "noise in units of the start's": replace(
        BASE, perturbation=Noise(convention="initialization"), start=Aligned(0.05)
    ),
    "noise in units of the layer's": replace(BASE, perturbation=Noise(convention="relative")),
    "inputs along the teacher's axes": replace(BASE, inputs=Inputs((2.0, 1.0, 0.5))),
    "weight decay": replace(BASE, pretraining=GradientFlow(weight_decay=0.05)),
    "imbalance": replace(BASE, start=Aligned(1e-3, 0.3)),
    "a start above a singular value": replace(BASE, start=Aligned(0.4)),
    "three layers": replace(BASE, network=Network(3, 3, 4, depth=3)),
    "rotated start": replace(BASE, start=Balanced(1e-3, 0.8)),
    "rotated start with imbalance": replace(BASE, start=Balanced(1e-3, 0.8, 0.2)),
    "one layer": replace(
        BASE,
        network=Network(3, 3, 4, depth=1),
        start=Balanced(0.3, 0.8),
        perturbation=Noise(convention="relative"),
        strengths=(0.5, 2.0),
    ),
    "rotated task": replace(BASE, perturbation=TASK, strengths=(0.7, 3.0)),
    "rotated task, rotated start": replace(BASE, perturbation=TASK, strengths=(0.7, 3.0), start=Balanced(1e-3, 0.4)),
    "rotated task with replay": replace(BASE, perturbation=replace(TASK, replay_share=0.3), strengths=(2.0,)),
    "shared vectors": replace(BASE, perturbation=FineTuning(SharedVectors((0.2, 0.9, 0.0))), strengths=(0.7, 3.0)),
    "shared vectors with an anchor": replace(
        BASE, perturbation=FineTuning(SharedVectors((0.2, 0.9, 0.0)), anchor=0.1), strengths=(3.0,)
    ),
    "one layer, fine-tuned": replace(
        BASE, network=Network(3, 3, 4, depth=1), perturbation=TASK, strengths=(0.7, 3.0), start=Balanced(0.3, 0.8)
    ),
}


class Flow:
    """The weights along pretraining by DOP853 on whole matrices, and the slopes of both losses after the perturbation.

    The loss after noise is a polynomial in the weights, by the recursion of second moments `M → WMWᵀ + γ² tr(M) I`, and
    the one after fine-tuning is integrated: both are differentiated along the flow by a complex step.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.protocol, resolved = protocol, resolve(protocol)
        self.shapes = protocol.network.shapes
        self.teacher, self.sx = resolved.teacher, resolved.input_covariance
        self.start, self.decay = started(protocol), protocol.pretraining.weight_decay
        if isinstance(protocol.perturbation, FineTuning):
            self.task = resolved.task
        flat = np.concatenate([w.ravel() for w in self.start])
        span = (0.0, protocol.lengths[-1])
        self.flat = solve_ivp(self.rate, span, flat, "DOP853", rtol=1e-13, atol=1e-14, dense_output=True).sol

    def rate(self, _: float, flat: np.ndarray) -> np.ndarray:
        descent = gradient(split(flat, self.shapes), self.teacher, self.sx)
        return -np.concatenate([g.ravel() for g in descent]) - self.decay * flat

    def slope(self, length: float, strength: float, objective: str) -> float:
        flat = self.flat(length)
        moved = split(flat + 1j * STEP * self.rate(length, flat), self.shapes)
        after = self.tuned if isinstance(self.protocol.perturbation, FineTuning) else self.noisy
        return after(moved, strength, objective).imag / STEP

    def noisy(self, layers: list[np.ndarray], strength: float, _: str) -> complex:
        noise, scales = self.protocol.perturbation, self.protocol.perturbation.per_layer(len(layers))
        f, moment = np.eye(len(self.sx)), self.sx
        for w, first, scale in zip(layers, self.start, scales, strict=True):
            unit = {"absolute": 1.0, "initialization": (first**2).mean(), "relative": (w**2).mean()}[noise.convention]
            moment = w @ moment @ w.T + unit * (strength * scale) ** 2 * np.trace(moment) * np.eye(len(w))
            f = w @ f
        return np.trace(moment - 2 * f @ self.sx @ self.teacher.T) / 2

    def tuned(self, layers: list[np.ndarray], budget: float, objective: str) -> complex:
        tuning, eye = self.protocol.perturbation, np.eye(len(self.sx))
        start, rho = np.concatenate([w.ravel() for w in layers]), tuning.replay_share

        def rate(_: float, flat: np.ndarray) -> np.ndarray:
            here = split(flat, self.shapes)
            pulls = zip(gradient(here, self.task, eye), gradient(here, self.teacher, self.sx), strict=True)
            return -np.concatenate([((1 - rho) * a + rho * b).ravel() for a, b in pulls]) - tuning.anchor * (
                flat - start
            )

        end = split(solve_ivp(rate, (0.0, budget), start, "DOP853", rtol=1e-12, atol=1e-13).y[:, -1], self.shapes)
        f = eye
        for w in end:
            f = w @ f
        target, covariance = (self.teacher, self.sx) if objective == "pretraining" else (self.task, eye)
        return np.trace((f - target) @ covariance @ (f - target).T) / 2


@pytest.mark.parametrize("name", CASES)
def test_the_slope_changes_its_sign_within_the_resolution(name: str) -> None:
    """At every minimum from falling to rising, at every maximum the reverse; and nowhere between, at the lengths."""
    protocol = CASES[name]
    data, flow, turns = respond(protocol), Flow(protocol), 0
    for objective in objectives(data):
        for i, strength in enumerate(protocol.strengths):
            length, resolution = (
                data[curve_name(f"turn_{part}", objective)].values[i] for part in ("length", "resolution")
            )
            resolution = np.maximum(resolution, 1e-9 * length)[length < protocol.lengths[-1]]
            length = length[length < protocol.lengths[-1]]
            assert (resolution < 1e-2).all()  # of lengths 1.5 apart
            signs = [
                np.sign([flow.slope(t + side * r, strength, objective) for side in (-1, 1)])
                for t, r in zip(length, resolution, strict=True)
            ]
            assert all(before == -after for before, after in signs)
            assert all(a[1] == b[0] for a, b in pairwise(signs))
            turns += length.size
    assert turns > 0


@pytest.mark.parametrize("seed", range(5))
def test_every_turn_of_random_modes_in_many_digits(seed: int) -> None:
    """In mpmath the slope changes its sign at each turn, to 12 digits, and on a fine grid it does so as often."""
    draw = np.random.default_rng(seed)
    sigma = np.sort(draw.uniform(0.1, 1.5, 5))[::-1]
    epsilon, xi = 10 ** draw.uniform(-6, -2), draw.uniform(0.5, 2)
    scales, strengths = draw.uniform(0.5, 1.5, 2), np.sort(draw.uniform(0.02, 0.3, 3))
    n = Network(6, 5, 7)
    end = float(draw.uniform(10, 80))
    protocol = Protocol(
        Spectrum(tuple(sigma)), (0.0, end / 3, end), strengths, n, Aligned(epsilon), perturbation=Noise(tuple(scales)),
        inputs=Inputs((xi,) * 6),
    )  # fmt: skip
    data = respond(protocol)
    assert data.turn_length.attrs["found_by"] == FOUND_BY["formula"]

    def slope(t: float, cost: float) -> mpmath.mpf:
        s = [v / (1 + (v / epsilon - 1) * mpmath.exp(-2 * v * xi * t)) for v in map(mpmath.mpf, sigma)]
        return mpmath.fsum(a * (v - a) * (cost - v + a) for a, v in zip(s, sigma, strict=True))

    for i, strength in enumerate(strengths):
        cost = strength**2 * (scales[0] ** 2 * n.d_in + scales[1] ** 2 * n.d_out) / 2
        turns = data.turn_length.values[i]
        turns = turns[turns < end]
        with mpmath.workdps(40):
            for t in turns:
                step = mpmath.mpf(1e-12) * t
                assert slope(t - step, cost) * slope(t + step, cost) < 0
            signs = [slope(t, cost) > 0 for t in np.linspace(1e-9, end, 801)]
        assert np.diff(signs).sum() == turns.size


@pytest.mark.parametrize("name", ["two layers", "three layers", "rotated start", "rotated task"])
def test_the_grid_converges_to_the_turns(name: str) -> None:
    """The point on every grid is no farther from the turn than the grid's lengths are from each other."""
    exact = respond(replace(CASES[name], lengths=np.linspace(0, 60, 301)))
    for count in (61, 1201):
        fine = respond(replace(CASES[name], lengths=np.linspace(0, 60, count)))
        for which in ("first", "last", "best"):
            point, on_grid = (inflection_point(data, which=which) for data in (exact, fine.drop_dims("turn")))
            assert on_grid.exists.values.tolist() == point.exists.values.tolist() == [True] * point.sizes["strength"]
            np.testing.assert_allclose(on_grid.resolution, 60 / (count - 1))
            assert (abs(on_grid.length - point.length) <= on_grid.resolution).all()


def test_a_range_of_lengths_has_the_turns_within_it() -> None:
    """Selected or computed: whatever the grid, the range alone decides."""
    whole = respond(replace(BASE, lengths=np.linspace(0, 60, 121)))
    for low, high in ((0, 120), (7, 80), (20, 30), (30, 120), (0, 1), (3, 4)):
        asked = respond(replace(BASE, lengths=whole.pretraining.values[low : high + 1]))
        for which in ("first", "last", "best"):
            selected = inflection_point(whole.isel(pretraining=[low, high]), which=which)
            for name in ("length", "resolution", "after", "rise"):
                np.testing.assert_allclose(selected[name], inflection_point(asked, which=which)[name], rtol=1e-12)


def test_what_enumerates_turns_and_what_shows_them_is_told() -> None:
    found_by = {name: respond(protocol).turn_length.attrs["found_by"] for name, protocol in CASES.items()}
    every = {"two layers", "unequal noise, inputs of variance 2", "noise in units of the start's"}
    assert {name for name, by in found_by.items() if by == FOUND_BY["formula"]} == every


def test_seen_turns_are_those_of_the_formula() -> None:
    """On a fine grid, where both are known."""
    fine = replace(BASE, lengths=np.linspace(0, 60, 601), strengths=(0.0, 0.05, 0.1, 0.3))
    every, seen = respond(fine), respond(replace(fine, start=Balanced(1e-3, 1e-13)))
    assert seen.turn_length.attrs["found_by"] == FOUND_BY["grid"]
    assert (abs(every.turn_length - seen.turn_length) <= seen.turn_resolution + 1e-9).all()
    np.testing.assert_allclose(every.turn_after, seen.turn_after, rtol=1e-12)


def test_plateaus_have_no_turns() -> None:
    """Where the loss has converged it changes in its last bits only."""
    long = respond(replace(BASE, lengths=np.linspace(0, 1e5, 4001), start=Balanced(1e-3, 0.8)))
    assert long.sizes["turn"] == 1


def test_jumps_and_means_over_starts_have_the_grid_alone() -> None:
    """A loss after rounding jumps, and means over starts after fine-tuning are for one budget at all lengths."""
    rounded = respond(replace(BASE, perturbation=Quantization(None, "nearest")))
    random = replace(BASE, start=SmallGaussian(1e-4), perturbation=FineTuning(SharedVectors((0.5, 0.2, 0.1))))
    for data in (rounded, respond(replace(random, lengths=(0.0, 5.0, 9.0)))):
        assert "turn" not in data.dims


def test_noise_of_no_scale_and_a_single_length_have_no_turns() -> None:
    for change in ({"strengths": (0.0,)}, {"lengths": (3.0,)}, {"perturbation": Noise((0, 0))}):
        assert not inflection_point(respond(replace(BASE, **change))).exists.any()


def test_of_more_turns_than_are_located_the_grid_is_the_resolution() -> None:
    strengths = np.linspace(0.1, 0.25, 300)
    relative = replace(BASE, perturbation=Noise(convention="relative"), strengths=strengths)
    point = inflection_point(respond(relative))
    assert point.exists.all()
    np.testing.assert_allclose(point.resolution, 60 / 40)
    every = inflection_point(respond(replace(BASE, strengths=strengths)))  # by the formula, of any number
    assert (every.resolution == 0).all()
