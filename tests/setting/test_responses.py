"""The schema of Responses and Trajectories, sensitivity, and the inflection point read off them."""

import numpy as np
import pytest
import xarray as xr

from overtraining.setting.errors import DomainError, SchemaError
from overtraining.setting.grid_inflection import inflection_point
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import curve, response, sensitivity, validate
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw, Spectrum
from overtraining.theory.solvers.exact import follow, respond

BOTH = ("pretraining", "strength")


def make(after, before=None, *, stderr=None, lengths=None, **attributes) -> xr.Dataset:
    after = np.atleast_2d(np.asarray(after, float).T).T
    variables = {"before": (BOTH[:1], np.zeros(len(after)) if before is None else before), "after": (BOTH, after)}
    if stderr is not None:
        variables["after_stderr"] = (BOTH, np.broadcast_to(np.asarray(stderr, float), after.shape))
    return response(
        variables,
        {"pretraining": np.arange(len(after)) if lengths is None else lengths, "strength": np.arange(after.shape[1])},
        **{"method": "measurement", "source": "a test", "perturbation": "noise", "model": "toy"} | attributes,
    )


GOOD = make([3.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda r: r.assign(after=r.after * np.nan), "NaN"),
        (lambda r: r.drop_vars("before"), "before"),
        (lambda r: r.drop_vars("after"), "neither"),
        (lambda r: r.assign(after_stderr=-r.after), "not negative"),
        (lambda r: r.assign(after_stderr=r.before), "same dimensions"),
        (lambda r: r.assign(speed=r.before), "not part of a Response"),
        (lambda r: r.assign_coords(pretraining=[0, 2, 1]), "increase"),
        (lambda r: r.drop_vars("strength"), "has no values"),
        (lambda r: r.rename(strength="dose"), "dose"),
        (lambda r: r.assign(sensitivity=r.after - r.before + 1e-9), "not after − before"),
        (lambda r: r.assign_attrs(method="guess"), "guess"),
        (lambda r: r.assign_attrs(source=""), "source"),
        (lambda r: r.assign_attrs(kind="Table"), "Table"),
        (lambda r: r.assign(after=r.after.assign_attrs(orientation="up")), "better"),
        (lambda r: r.assign(after=r.after.assign_attrs(units="")), "units"),
        (lambda r: r.assign_coords(pretraining=("pretraining", [0, 1, 2])), "units"),
        (lambda r: "a response", "Dataset"),
    ],
)
def test_validate_refuses(spoil, says: str) -> None:
    assert validate(GOOD) is GOOD
    with xr.set_options(keep_attrs=True):
        spoiled = spoil(GOOD)
    if isinstance(spoiled, xr.Dataset):
        for name in spoiled.data_vars:
            spoiled[name].attrs.setdefault("units", "1")
    with pytest.raises(SchemaError, match=says):
        getattr(validate, "__wrapped__", validate)(spoiled)


def test_sensitivity_has_one_sign() -> None:
    """Positive is worse, for losses and for scores; errors add as independent."""
    loss = make([2.0, 5.0], [1.0, 1.0], stderr=[[0.3], [0.4]])
    score = make([2.0, 5.0], [1.0, 1.0], orientation="higher")
    assert sensitivity(loss).value.values.ravel().tolist() == [1.0, 4.0]
    assert sensitivity(loss).stderr.values.ravel().tolist() == [0.3, 0.4]
    assert sensitivity(score).value.values.ravel().tolist() == [-1.0, -4.0]


def test_seeds_are_pooled() -> None:
    after = np.array([[1.0], [2.0], [6.0]])[..., None]  # (seed, pretraining, strength)
    data = response(
        {"before": (("seed", "pretraining"), np.zeros((3, 1))), "after": (("seed", *BOTH), after)},
        {"seed": range(3), "pretraining": [0.0], "strength": [0.0]},
        method="simulation", source="a test", perturbation="noise", model="toy",
    )  # fmt: skip
    pooled = curve(data, "after")
    assert pooled.value.item() == 3.0
    assert pooled.stderr.item() == pytest.approx(np.std([1, 2, 6], ddof=1) / np.sqrt(3))


@pytest.mark.parametrize(
    ("after", "which", "length"),
    [
        ([3, 1, 2, 4], "last", 1),
        ([3, 2, 1], "last", np.inf),  # still falling: no such point in this range
        ([1, 2, 3], "last", 0),  # only hurts
        ([1, 1, 1], "last", np.inf),  # nothing happens
        ([5, 1, 3, 2, 4], "last", 3),
        ([5, 1, 3, 2, 4], "first", 1),
        ([5, 3, 4, 1, 2], "best", 3),
        ([5, 1, 3, 2, 4], "best", 1),
        ([5, 2, 3, 1, 0.5], "first", 1),
        ([5, 2, 3, 1, 0.5], "last", np.inf),
        ([5, 2, 3, 1, 0.5], "best", np.inf),
    ],
)
def test_inflection_point(after: list[float], which: str, length: float) -> None:
    """Of a loss, and mirrored of a score."""
    point = inflection_point(make(after), which=which)
    exists = np.isfinite(length)
    assert point.exists.item() == exists
    assert point.length.item() == (length if exists else np.inf)
    mirrored = inflection_point(make([-a for a in after], orientation="higher"), which=which)
    assert mirrored.length.item() == point.length.item()
    assert mirrored.rise.item() == point.rise.item()


def test_noise_is_no_inflection() -> None:
    """Wiggles that chance makes neither make a point nor move one."""
    wiggly = [5.0, 1.0, 1.1, 1.05, 1.12, 3.0]
    assert inflection_point(make(wiggly)).length.item() == 3
    assert inflection_point(make(wiggly, stderr=0.05)).length.item() == 1
    assert not inflection_point(make([2.0, 1.0, 1.1], stderr=0.1)).exists.item()
    assert inflection_point(make([2.0, 1.0, 1.1], stderr=0.1), confidence=0.1).exists.item()
    with pytest.raises(DomainError, match="middle"):
        getattr(inflection_point, "__wrapped__", inflection_point)(GOOD, which="middle")


def test_chance_rarely_hides_an_inflection() -> None:
    """Of 200 noisy copies of a clear U on 21 lengths at least 95% keep their point, near where it is."""
    lengths, draw = np.linspace(0, 20, 21), np.random.default_rng(0)
    u = 1 + 0.02 * (lengths - 8) ** 2
    found = [inflection_point(make(u + 0.1 * draw.normal(size=21), stderr=0.1)).length.item() for _ in range(200)]
    assert np.mean(np.abs(np.array(found) - 8) <= 4) >= 0.95


def test_rounding_is_no_inflection() -> None:
    """On its plateau the exact loss wobbles in the last bits."""
    flat = respond(Protocol(PowerLaw(5), lengths=np.linspace(0, 1e6, 200), strengths=(0.0,)))
    assert not inflection_point(flat).exists.item()


def test_theory_agrees_with_c1_on_a_grid() -> None:
    from overtraining.theory.inflection.noisy_mode import inflection_time

    lengths = np.linspace(0, 10, 2001)
    data = respond(Protocol(Spectrum((1.0,)), lengths, (0.3, 0.5), Network(3, 1, 2), Aligned(1e-3)))
    exact = inflection_time(1.0, 1e-3, 2.5 * np.array([0.3, 0.5]) ** 2)
    np.testing.assert_allclose(inflection_point(data).length, exact, atol=lengths[1] / 2)


def test_files_need_nothing_of_ours(tmp_path) -> None:
    data = respond(Protocol(PowerLaw(2), (0, 1), (0.1, 0.2)))
    data.to_netcdf(tmp_path / "r.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "r.nc", engine="h5netcdf") as again:
        xr.testing.assert_identical(validate(again.load()), data)


def test_theory_refuses_by_name() -> None:
    from overtraining.setting.errors import NoFormula
    from overtraining.setting.starts import SmallGaussian
    from overtraining.setting.training import GradientDescent

    for part in ({"start": SmallGaussian(0.1)}, {"pretraining": GradientDescent(0.1)}):
        for ask in (respond, follow):
            with pytest.raises(NoFormula, match=type(next(iter(part.values()))).__name__):
                ask(Protocol(PowerLaw(2), (0, 1), (0.1,), **part))


def test_bottleneck_learns_the_strongest() -> None:
    """A hidden layer of one unit learns one of two modes; the other stays in the loss for ever."""
    data = follow(Protocol(Spectrum((0.5, 1.0)), (0, 100), (0,), Network(2, 1, 2)))
    assert data.singular_value.values[-1].tolist() == [1.0]
    assert data.loss.values[-1] == 0.125
