"""B8's prediction: responses made by theory, a regression by hand, refusals."""

import numpy as np
import pytest

from overtraining.figures.llm.statistics.prediction import predict
from overtraining.setting.errors import DomainError, SchemaError
from overtraining.setting.inflection import inflection_point
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.sensitivity.sum_rule import norm_growth
from overtraining.theory.solvers.exact import respond

N = np.repeat([1e7, 5e7, 1.2e8, 3.6e8], 8)


D = 20 * N * np.tile([0.5, 1, 2, 4, 8, 16, 32, 64], 4)


@pytest.mark.parametrize("epsilon", [1e-12, 1e-60])
@pytest.mark.parametrize("gamma", [0.02, 0.03])
def test_b8_on_a_response_made_by_theory(epsilon: float, gamma: float) -> None:
    """Fitted to the first half: the noise cost is c/m to 10%, B8 leaves under 1%, and the inflection is met to 20%."""
    lengths = np.geomspace(1, 50, 20) * np.log(1 / epsilon) / 3
    protocol = Protocol(PowerLaw(200, alpha=0.75), lengths, (gamma,), Network(200, 200, 200), start=Aligned(epsilon))
    data = respond(protocol)
    delta = data.sensitivity.values[:, 0]
    found = predict(lengths, data.before.values, delta, np.full(20, 1e-3))
    c, m = 200 * gamma**2, np.log(1 / epsilon) / 2
    assert found.noise_cost == pytest.approx(c / m, rel=0.1)
    assert found.unexplained < 0.01
    assert found.misfit < found.line_misfit / 10
    assert found.inflection == pytest.approx(float(inflection_point(data, which="best").length[0]), rel=0.2)
    assert "B8 is off by" in found.sentence


def test_b8_by_hand() -> None:
    """Offset and noise cost recovered, the error of the cost as of a regression, at most a prefix looked at."""
    t = np.geomspace(1, 64, 8)
    loss, rng = t**-0.4, np.random.default_rng(0)
    truth = 1.0 + 0.3 * norm_growth(t, loss)
    fits = [predict(t, loss, truth + 0.01 * rng.normal(size=8), np.full(8, 0.01)) for _ in range(2000)]
    assert np.mean([p.noise_cost for p in fits]) == pytest.approx(0.3, rel=0.01)
    assert np.std([p.noise_cost for p in fits]) == pytest.approx(fits[0].noise_cost_stderr, rel=0.06)
    spoiled = truth.copy()
    spoiled[4:] += 5
    one = predict(t, loss, spoiled, np.full(8, 0.01))
    assert (one.fitted, round(one.noise_cost, 9), round(one.misfit)) == (4, 0.3, 500)
    assert predict(t, loss, -truth, np.full(8, 0.01)).inflection == np.inf
    assert "no inflection" in predict(t, loss, -truth, np.full(8, 0.01)).sentence


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: predict(*np.ones((4, 4)).cumsum(axis=1)), SchemaError, "4 checkpoints"),
        (lambda: predict(np.arange(1.0, 7.0), np.ones(6), np.arange(6.0), np.ones(6)), SchemaError, "does not change"),
        (lambda: predict(np.arange(6.0), np.ones(6), np.arange(6.0), np.ones(6)), DomainError, "length"),
    ],
)
def test_refusals(call, refusal, word: str) -> None:
    with pytest.raises(refusal, match=word):
        call()
