"""The schema of Responses and Trajectories, sensitivity, and averages over seeds."""

import numpy as np
import pytest
import xarray as xr

from overtraining.setting.errors import SchemaError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import curve, response, sensitivity, validate
from overtraining.setting.teachers import PowerLaw, Spectrum
from overtraining.theory.solvers.exact import follow, respond
from tests.setting.samples import BOTH, make

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
        method="simulation",
        source="a test",
        perturbation="noise",
        model="toy",
    )
    pooled = curve(data, "after")
    assert pooled.value.item() == 3.0
    assert pooled.stderr.item() == pytest.approx(np.std([1, 2, 6], ddof=1) / np.sqrt(3))


def test_files_need_nothing_of_ours(tmp_path) -> None:
    data = respond(Protocol(PowerLaw(2), (0, 1), (0.1, 0.2)))
    data.to_netcdf(tmp_path / "r.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "r.nc", engine="h5netcdf") as again:
        xr.testing.assert_identical(validate(again.load()), data)


def test_theory_refuses_by_name() -> None:
    from overtraining.setting.errors import NoFormula
    from overtraining.setting.starts import SmallGaussian
    from overtraining.setting.training import GradientDescent

    for part in ({"start": SmallGaussian(1.0)}, {"pretraining": GradientDescent(0.1)}):
        for ask in (respond, follow):
            with pytest.raises(NoFormula, match=type(next(iter(part.values()))).__name__):
                ask(Protocol(PowerLaw(2), (0, 1), (0.1,), **part))


def test_bottleneck_learns_the_strongest() -> None:
    """A hidden layer of one unit learns one of two modes; the other stays in the loss for ever."""
    data = follow(Protocol(Spectrum((1.0, 0.5)), (0, 100), (0,), Network(2, 1, 2)))
    assert data.singular_value.values[-1].tolist() == [1.0]
    assert data.loss.values[-1] == 0.125
