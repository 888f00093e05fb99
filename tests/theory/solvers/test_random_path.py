"""A8 as an answer of `respond` and `follow`: against the flow of whole matrices, and its refusals."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import NoFormula
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned, FanIn, SmallGaussian
from overtraining.setting.tasks import RotatedTeacher, SharedVectors
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientFlow
from overtraining.theory.solvers.exact import follow, respond
from tests.gaussian_flow import flowed

STARTS = 4000
CASES = {  # singular values, (d_in, h, d_out), start, its deviations ς₁ and ς₂, weight decay, variance of the inputs
    "two modes": ((1.0, 0.4), (3, 2, 2), SmallGaussian(2e-3), (2e-3, 2e-3), 0.0, 1.0),
    "one unit": ((1.0,), (4, 1, 1), FanIn(2e-3), (1e-3, 2e-3), 0.0, 1.0),
    "decay, inputs": ((1.0, 0.5), (2, 3, 4), SmallGaussian(1e-3), (1e-3, 1e-3), 0.2, 2.0),
}


def protocol(case):
    sigma, (d_in, h, d_out), start, (std_in, _), decay, xi = CASES[case]
    times = np.linspace(0.6, 1.5, 6) * np.log(1 / std_in) / (xi * sigma[-1] - decay)
    network, training, inputs = Network(d_in, h, d_out), GradientFlow(1e-9, decay), Inputs((xi,) * d_in)
    return Protocol(Spectrum(sigma), times, (0.5,), network, start, training, inputs=inputs)


@pytest.fixture(scope="module", params=CASES)
def simulated(request):
    """The protocol, and the weights of every start at its lengths."""
    setup = protocol(request.param)
    sigma, (d_in, h, d_out), _, stds, decay, xi = CASES[request.param]
    times = np.array(setup.lengths) * xi
    began, _, teacher, path = flowed(*stds, np.array(sigma), h, d_in, d_out, times, STARTS, 2, decay / xi, 0.06)
    return setup, began, teacher, path, xi


def own_rise(convention, scales, began, w1, w2, xi):
    """The exact expected rise for every start: B1 and B6 written out."""
    (g1, g2), (d_out, h), d_in = 0.5 * np.array(scales), w2.shape[1:], w1.shape[2]
    n1, n2 = (w1**2).sum((1, 2)), (w2**2).sum((1, 2))
    if convention == "multiplicative":
        units = ((w2**2).sum(1) * (w1**2).sum(2)).sum(1)
        return xi * units * (g1**2 + g2**2 + g1**2 * g2**2) / 2
    unit = {"absolute": (1.0, 1.0), "relative": ((w1**2).mean((1, 2)), (w2**2).mean((1, 2))),
            "initialization": tuple((w**2).mean((1, 2)) for w in began)}[convention]  # fmt: skip
    v1, v2 = g1**2 * unit[0], g2**2 * unit[1]
    return xi * (v2 * d_out * n1 + v1 * d_in * n2 + v1 * v2 * d_out * h * d_in) / 2


@pytest.mark.parametrize("convention", ["absolute", "initialization", "relative", "multiplicative"])
def test_noise(simulated, convention):
    """Loss before noise and expected rise: within the noise of 4,000 starts and the estimated error."""
    setup, began, teacher, path, xi = simulated
    scales = (0.3, 0.7)
    answer = respond(replace(setup, perturbation=Noise(scales, convention=convention)))
    assert answer.attrs["approximation"] == "leading order as the start's scale goes to 0"
    missed = answer.attrs["approximation_error"]
    assert 0 < missed < 0.1
    before = np.array([xi * ((w2 @ w1 - teacher) ** 2).sum((1, 2)) / 2 for w1, w2 in path])
    rise = np.array([own_rise(convention, scales, began, *weights, xi) for weights in path])
    pairs = ((answer.before, before, xi * (teacher**2).sum() / 2), (answer.sensitivity, rise, None))
    for variable, found, scale in pairs:
        told = variable.values.reshape(len(path))
        off = np.abs(found.mean(1) - told)
        error = 4.5 * found.std(1) / STARTS**0.5 + missed * (told.max() if scale is None else scale)
        assert (off <= error).all(), off / error
    assert error.max() < 0.12 * told.max()  # so that a wrong factor shows


def test_units_of_the_start_go_with_the_mode():
    """One hidden unit: a start with larger weights is learned earlier, which the product of means has not."""
    scales = (0.0, 1.0)
    setup = replace(protocol("one unit"), perturbation=Noise(scales, convention="initialization"))
    began, _, _, path = flowed(1e-3, 2e-3, np.ones(1), 1, 4, 1, setup.lengths, 20_000, 4, step=0.1)
    found = np.array([own_rise("initialization", scales, began, *weights, 1.0) for weights in path])
    mean, noise = found.mean(1), found.std(1) / found.shape[1] ** 0.5
    told = respond(setup).sensitivity.values[:, 0]
    apart = 0.25 * 4e-6 / 2 * follow(setup).layer_norm.values[:, 0]
    assert (np.abs(mean - told) < 4.5 * noise + 1e-3 * told.max()).all()
    assert (np.abs(mean - apart) > 6 * noise + 1e-2 * told.max()).any()


def test_trajectory(simulated):
    setup, _, _, path, xi = simulated
    answer = follow(setup)
    missed = answer.attrs["approximation_error"] * answer.singular_value.values[-1].sum()
    assert "imbalance" not in answer
    assert "sharpness" not in answer
    for i, (w1, w2) in enumerate(path):
        norms = np.array([(w**2).sum((1, 2)) for w in (w1, w2)])
        trace = xi * (w1.shape[2] * norms[1] + w2.shape[1] * norms[0])
        noise = 4.5 * norms.std(1).max() / STARTS**0.5
        s = np.linalg.svd(w2 @ w1, compute_uv=False).sum(1)
        assert abs(s.mean() - answer.singular_value.values[i].sum()) < missed + noise
        assert np.abs(norms.mean(1) - answer.layer_norm.values[i]).max() < missed + noise
        assert abs(trace.mean() - answer.hessian_trace.values[i]) < xi * (w1.shape[2] + w2.shape[1]) * (missed + noise)


TUNED = {  # singular values of the task, weight decay, anchor, share of replay
    "plain": ((0.6, 1.0), 0.0, 0.0, 0.0),
    "another sign, decay": ((-0.5, 0.9), 0.2, 0.0, 0.0),
    "anchor": ((0.6, 1.0), 0.0, 0.5, 0.0),
    "replay": ((0.2, 1.5), 0.0, 0.0, 0.4),
}


def fine_tuned(w1, w2, teacher, task, budget, xi, decay, anchor, replay):
    """Weights of every start after fine-tuning, by Runge–Kutta steps."""

    def slope(v1, v2):
        f = v2 @ v1
        error = (1 - replay) * (task - f) + replay * xi * (teacher - f)
        return v2.mT @ error - decay * v1 - anchor * (v1 - w1), error @ v1.mT - decay * v2 - anchor * (v2 - w2)

    now, dt = (w1, w2), budget / 20
    for _ in range(20):
        k = [slope(*now)]
        for part in (0.5, 0.5, 1.0):
            k.append(slope(*(w + part * dt * d for w, d in zip(now, k[-1], strict=True))))
        now = tuple(w + dt / 6 * (a + 2 * b + 2 * c + d) for w, a, b, c, d in zip(now, *k, strict=True))
    return now


@pytest.mark.parametrize("case", TUNED)
def test_fine_tuning(simulated, case):
    """Both losses, before and after, within the noise of 4,000 starts and the estimated error (D1r)."""
    setup, _, teacher, path, xi = simulated
    values, decay, anchor, replay = TUNED[case]
    values = values[: min(teacher.shape)][: len(setup.teacher.values)]
    training = GradientFlow(1e-9, decay)
    tuning = FineTuning(SharedVectors(values), training, anchor=anchor, replay_share=replay)
    setup = replace(setup, strengths=(0.4, 1.0), perturbation=tuning)
    answer = respond(setup)
    assert answer.attrs["approximation"] == "leading order as the start's scale goes to 0"
    missed = answer.attrs["approximation_error"] * max((teacher**2).sum(), np.square(values).sum()) / 2
    assert 0 < answer.attrs["approximation_error"] < 0.1
    u, _, vt = np.linalg.svd(teacher, full_matrices=False)
    task = (u[:, : len(values)] * values) @ vt[: len(values)]
    for i, (w1, w2) in enumerate(path):
        for j, budget in enumerate(setup.strengths):
            v1, v2 = fine_tuned(w1, w2, teacher, task, budget, xi, decay, anchor, replay)
            for name, target, scale in (("after", teacher, xi), ("downstream_after", task, 1.0)):
                loss = scale * ((v2 @ v1 - target) ** 2).sum((1, 2)) / 2
                noise = loss.std() / STARTS**0.5
                assert abs(loss.mean() - answer[name].values[i, j]) < 4.5 * noise + scale * missed


BASE = Protocol(Spectrum((1.0, 0.5)), (0.0, 3.0), (0.1,), Network(3, 2, 4), SmallGaussian(1e-3))


def test_modes_beyond_the_hidden_layer_and_the_decay_are_not_learned():
    setup = replace(BASE, teacher=Spectrum((1.0, 0.5, 0.2)), network=Network(3, 1, 3), start=SmallGaussian(1e-5))
    assert respond(setup).attrs["never_learned"] == [0.5, 0.2]
    setup = replace(setup, network=Network(3, 3, 3), pretraining=GradientFlow(weight_decay=0.3))
    assert respond(setup).attrs["never_learned"] == [0.2]


def test_an_exact_answer_is_not_called_an_approximation():
    assert "approximation" not in respond(replace(BASE, start=Aligned(1e-3))).attrs


@pytest.mark.parametrize(
    ("change", "says", "instead"),
    [
        ({"start": SmallGaussian(0.3)}, "not small enough", "smaller start"),
        ({"start": FanIn()}, "not small enough", "smaller start"),
        ({"teacher": Spectrum((1.0, 0.95)), "network": Network(3, 1, 4)}, "gaps of the teacher", "smaller start"),
        ({"teacher": Spectrum((1.0, 1.0))}, "equal singular values", "distinct"),
        ({"network": Network(3, 2, 4, depth=3)}, "only two layers", "depth=2"),
        ({"network": Network(3, 2, 4, depth=1)}, "only two layers", "depth=2"),
        ({"inputs": Inputs((2.0, 1.0, 1.0))}, "white inputs", "spectrum="),
        ({"pretraining": GradientFlow(weight_decay=1.0)}, "no mode grows", "Aligned"),
        ({"perturbation": FineTuning(RotatedTeacher(0.5))}, "only modes have means", "SharedVectors"),
        ({"perturbation": FineTuning(SharedVectors((0.1, 2.0))), "strengths": (9.0,)}, "not yet learned", "smaller"),
    ],
)
def test_refusals(change, says, instead):
    with pytest.raises(NoFormula, match=f"(?s){says}.*Instead: use .*{instead}.*simulations.respond"):
        respond(replace(BASE, **change))


def test_the_third_equal_mode_does_not_matter_if_only_one_is_learned():
    setup = replace(BASE, teacher=Spectrum((1.0, 0.3, 0.3)), network=Network(3, 1, 3))
    assert respond(setup).attrs["never_learned"] == [0.3, 0.3]
