"""The excess that noisy labels leave is measured from the checkpoint that the protocol names."""

import pytest
import xarray as xr

from overtraining.experiments import label_noise
from overtraining.setting.protocol import Protocol


def test_the_excess_is_measured_at_the_length_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, ...]] = []

    def respond(protocol: Protocol, key: int) -> xr.Dataset:
        asked.append(tuple(protocol.lengths))
        zeros = (("seed", "pretraining", "strength"), [[[0.0]]])
        return xr.Dataset(dict.fromkeys(label_noise.MEASURED.values(), zeros))

    monkeypatch.setattr(label_noise, "respond", respond)
    label_noise.measured(label_noise.protocol("quick", 0.1).replace(lengths=(4.0,)), key=0)
    assert asked == [(4.0,)] * len(label_noise.LEARNING_RATES)
