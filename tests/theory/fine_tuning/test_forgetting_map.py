"""D4, mapped: the fractions against one task at a time, the random tasks, and the results of the map."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NoFormula, ShapeError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned, FanIn
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.fine_tuning import forgetting_map as module
from overtraining.theory.fine_tuning.forgetting_map import (
    finite_start_map,
    map_forgetting,
    mapped_tasks,
    random_tasks,
    rotated_task_map,
    rotated_tasks,
    shared_feature_map,
)
from overtraining.theory.fine_tuning.plateau_depth import plateau_checkpoints
from overtraining.theory.fine_tuning.plateaus import (
    fine_tune_plateaus,
    hurting_ratio,
    plateau_growth,
    rise_on_plateaus,
    safe_budget,
)

SIGMA, BUDGETS = np.array([1.0, 0.5, 0.25]), np.array([0.05, 0.5, 3.0])
ASKED = Protocol(PowerLaw(3), (0.0,), (0.05, 2.0, 8.0), Network(d_in=4, h=3, d_out=3))
HARMONIC = 1 / np.arange(1, 4)


@pytest.fixture
def tasks():
    return rotated_tasks(SIGMA, np.array([0.5, 3.0]), np.array([0.3, 1.2, 3.0]), 40, key=0, d_in=4)


def test_the_shares_are_those_of_single_tasks(tasks):
    found = map_forgetting(BUDGETS, SIGMA, tasks)
    assert found.monotone.shape == found.turns.shape == (2, 3, 3)
    assert found.hurts.shape == found.foreseen.shape == (2, 3, 3, 3)
    for cell in np.ndindex(2, 3):
        for place, budget in enumerate(BUDGETS):
            each = [fine_tune_plateaus(float(budget), SIGMA, task) for task in tasks[cell]]
            falls = [np.diff(x.rise).min() for x in each]
            assert found.monotone[*cell, place] == np.mean([x >= -1e-9 for x in falls])
            assert found.turns[*cell, place] == np.mean([x.after[:-1].min() < x.after[-1] - 1e-8 for x in each])
            np.testing.assert_allclose(found.hurts[*cell, place], np.mean([np.diff(x.after) > 0 for x in each], axis=0))
            small = [2 * budget**2 * plateau_growth(SIGMA, task) > SIGMA**2 for task in tasks[cell]]
            agree = np.mean([a == (np.diff(x.after) > 0) for a, x in zip(small, each, strict=True)], axis=0)
            np.testing.assert_allclose(found.foreseen[*cell, place], agree)
            drop = max(0.0, -min(falls)) / (SIGMA**2).sum() * 2
            np.testing.assert_allclose(found.largest_drop[*cell, place], drop, atol=1e-9)


def test_the_parts_in_which_it_is_computed_do_not_show(tasks, monkeypatch):
    whole = map_forgetting(BUDGETS, SIGMA, tasks)
    monkeypatch.setattr(module, "AT_ONCE", 1)
    for name, values in vars(map_forgetting(BUDGETS, SIGMA, tasks)).items():
        np.testing.assert_allclose(values, getattr(whole, name), atol=1e-12)


def test_rotated_tasks_are_the_teacher_rotated(tasks):
    values = np.linalg.svd(tasks, compute_uv=False)
    np.testing.assert_allclose(values[0], np.broadcast_to(0.5 * SIGMA, values[0].shape), atol=1e-12)
    np.testing.assert_allclose(6 * tasks[0], tasks[1], atol=1e-12)
    still = rotated_tasks(SIGMA, np.array([2.0]), np.array([0.0]), 3, key=0)
    np.testing.assert_allclose(still, np.broadcast_to(2 * np.diag(SIGMA), still.shape), atol=1e-15)
    small = rotated_tasks(SIGMA, np.array([1.0]), np.array([1e-6]), 5, key=1)
    assert 0 < np.abs(small - np.diag(SIGMA)).max() < 2.1e-6  # both frames turn by no more than the angle


def test_random_tasks_share_what_is_asked_and_are_as_strong():
    made = random_tasks(SIGMA, np.array([1.0, 2.0]), np.array([0, 2, 3]), 4, key=0, d_out=4, d_in=5)
    assert made.shape == (2, 3, 4, 4, 5)
    np.testing.assert_allclose(
        np.linalg.norm(made, 2, axis=(-2, -1)), np.array([1.0, 2.0])[:, None, None] + 0 * made[..., 0, 0]
    )
    np.testing.assert_allclose(made[1, 1, :, :2, :2], np.broadcast_to(np.diag([2.0, 1.0]), (4, 2, 2)))
    assert not made[:, 1, :, :2, 2:].any()


def test_what_the_map_says():
    """Small budgets: monotone, and foreseen by the order T². Large ones: up to a quarter of rotated tasks are not."""
    made = rotated_tasks(SIGMA, np.array([2.0]), np.array([0.8, 1.2, 2.0]), 300, key=0)
    found = map_forgetting(np.array([0.02, 0.2, 3.5]), SIGMA, made)
    assert (found.monotone[..., :2] == 1).all()
    assert (found.foreseen[..., 0, :] == 1).all()
    assert (found.monotone[..., 2] < 0.95).any()
    assert (found.turns[..., 2] > 0.9).all()
    assert (found.turns[..., 0] == 0).all()


def test_the_ratio_foresees_which_feature_hurts_most_random_tasks():
    """Where it is far from 1, on either side."""
    generator = np.random.default_rng(0)
    made = 0.5 * generator.normal(size=(500, 3, 3))
    budgets = np.array([0.02, 0.1])
    found = map_forgetting(budgets, np.array([1.0, 0.02, 0.002]), made)
    ratio = hurting_ratio(budgets, np.array([1.0, 0.02, 0.002]), 0.25, d_in=3, d_out=3)
    assert ratio[0, 0] < 0.1
    assert found.hurts[0, 0] == 0
    assert ratio[1, 2] > 4
    assert found.hurts[1, 2] > 0.7  # in the mean over tasks it hurts; single ones can be kind


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: map_forgetting(np.array([0.1]), SIGMA, np.ones((3, 3))), ShapeError),
        (lambda: map_forgetting(np.array([-0.1]), SIGMA, np.ones((2, 3, 3))), DomainError),
        (lambda: map_forgetting(np.array([100.0]), SIGMA, np.ones((2, 3, 3))), DomainError),
        (lambda: rotated_tasks(SIGMA, [-1.0], [0.1], 2, 0), DomainError),
        (lambda: rotated_tasks(SIGMA, [1.0], [0.1], 2, 0, d_out=2), ShapeError),
        (lambda: random_tasks(SIGMA, [1.0], [0.5], 2, 0), DomainError),
        (lambda: random_tasks(SIGMA, 1.0, [0], 2, 0), ShapeError),
    ],
)
def test_refusals(call, error):
    with pytest.raises(error):
        call()


def test_a_task_that_is_the_teacher_costs_nothing_and_never_turns():
    """Steps of 0 are no falls, however they are rounded."""
    found = map_forgetting(BUDGETS, SIGMA, rotated_tasks(SIGMA, np.array([1.0]), np.array([0.0]), 3, key=0))
    assert (found.monotone == 1).all()
    assert not found.turns.any()
    assert not found.hurts.any()
    assert found.largest_drop.max() < 1e-9


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(module, "TRIALS", {"angle": 5, "shared": 5})
    monkeypatch.setattr(module, "ANGLES", (0.0, 1.0, 2.0))


@pytest.mark.parametrize(("axis", "map_of"), [("angle", rotated_task_map), ("shared", shared_feature_map)])
def test_a_cell_is_the_mean_over_its_tasks(few, axis, map_of):
    found = map_of(ASKED)
    drawn = mapped_tasks(ASKED, axis, found[axis].values)
    assert drawn.shape == (7, 3, 5, 3, 4)
    for size, strength in enumerate(module.STRENGTHS):
        np.testing.assert_allclose(np.linalg.norm(drawn[size], 2, axis=(-2, -1)), strength)
        for place in range(3):
            for i, reach in enumerate(ASKED.strengths):
                each = [fine_tune_plateaus(reach / strength, HARMONIC, task) for task in drawn[size, place]]
                cell = found.isel(pretraining=0, size=size, strength=i, **{axis: place})
                assert cell.falls == pytest.approx(np.mean([x.growth.min() < -1e-8 for x in each]))
                assert cell.turns == pytest.approx(np.mean([x.after[:-1].min() < x.after[-1] - 1e-8 for x in each]))
                twice = 2 * (reach / strength) ** 2
                said = [twice * plateau_growth(HARMONIC, task) > HARMONIC**2 for task in drawn[size, place]]
                right = [a == (np.diff(x.after) > 0) for a, x in zip(said, each, strict=True)]
                assert cell.foreseen == pytest.approx(np.mean(right))
        safe = safe_budget(HARMONIC, strength).min()
        assert float(found.safe[0, size]) == pytest.approx(strength * safe)
    assert 0 < float(found.turns.mean()) < 1
    assert 0 < float(found.foreseen.mean()) < 1


def test_the_maps_are_as_large_as_it_says():
    wide = Protocol(PowerLaw(4), (0.0,), (1.0,), Network(d_in=5, h=4, d_out=5))
    numbers = [
        mapped_tasks(wide, axis, np.arange(float(n)))[..., 0, 0].size for axis, n in (("angle", 15), ("shared", 4))
    ]
    assert numbers == [84_000, 21_000]
    assert len(module.ANGLES) == 15


def test_from_a_finite_start_the_shares_are_those_of_its_checkpoints(few):
    """The same tasks as in the limit, which it joins as ε → 0; at 1e-3 many fall at budgets at which none do there."""
    at = lambda epsilon: finite_start_map(replace(ASKED, start=Aligned(epsilon))).isel(pretraining=0, size=0)
    tasks, limit = mapped_tasks(ASKED, "angle", np.array(module.ANGLES))[3], rotated_task_map(ASKED).sel(size=1.0)
    found, joined = at(1e-3), at(1e-40)
    unlearned = ((HARMONIC - plateau_checkpoints(HARMONIC, 1e-3)[1]) ** 2).sum(axis=1) / 2
    for place, i in np.ndindex(3, 3):
        rises = [rise_on_plateaus(ASKED.strengths[i], HARMONIC, task, 1e-3) for task in tasks[place]]
        cell = found.isel(angle=place, strength=i)
        assert cell.falls == pytest.approx(np.mean([np.diff(x).min() < -1e-8 for x in rises]))
        clear = 1e-3 * (HARMONIC**2).sum() / 2
        assert cell.clear_falls == pytest.approx(np.mean([np.diff(x).min() < -clear for x in rises]))
        after = np.array(rises) + unlearned
        assert cell.turns == pytest.approx(np.mean(after[:, :-1].min(axis=1) < after[:, -1] - 1e-8))
    for name in ("clear_falls", "turns", "foreseen"):
        np.testing.assert_allclose(joined[name].isel(angle=[1, 2]), limit[name].isel(pretraining=0, angle=[1, 2]))
    assert float(found.falls.sel(strength=0.05).mean()) > 0.5 > float(limit.falls.sel(strength=0.05).max())


@pytest.mark.parametrize("start", [Aligned(1e-3, 0.2), FanIn()])
def test_plateaus_need_an_aligned_start(start):
    with pytest.raises(NoFormula, match="balanced aligned"):
        finite_start_map(replace(ASKED, start=start))
