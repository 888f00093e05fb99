"""The families of solutions: for every protocol an answer or a refusal by name, one for each reason."""

import re
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from overtraining.setting.errors import DomainError, NoFormula, Refusal
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import validate
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian
from overtraining.setting.tasks import RotatedTeacher, SharedVectors
from overtraining.setting.teachers import Geometric, Matrix, PowerLaw, Spectrum, full_frames
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.theory.solvers.exact import follow, respond

BASE = Protocol(Spectrum((1.0, 0.5)), (0.0, 3.0), (0.1,), Network(3, 2, 4))
DEEP = Network(3, 2, 4, depth=3)
DECAY = GradientFlow(weight_decay=0.1)
ALONG, ACROSS = Inputs((3.0, 2.0, 1.0)), Inputs((3.0, 2.0, 1.0), shared=False)
OWN = Inputs(input_covariance=[[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
V = full_frames(BASE.teacher, 4, 3)[1]
STILL = Inputs(input_covariance=(V * [1.0, 0.0, 1.0]) @ V.T)

PATHS = [
    (
        {"network": Network(3, 2, 4, activation="tanh"), "start": FanIn(), "inputs": Inputs(samples=9)},
        "linear",
        "linear",
    ),
    ({"start": SmallGaussian(0.5)}, "SmallGaussian.*not small enough", "Aligned"),
    ({"start": SmallGaussian(), "inputs": ALONG}, "small random weights.*white inputs", "Aligned"),
    ({"start": FanIn(), "network": Network(3, 2, 4, depth=1)}, "FanIn.*random weights", "Aligned"),
    ({"pretraining": GradientDescent(0.1)}, "GradientDescent.*continuous time", "GradientFlow"),
    ({"pretraining": GradientDescent(0.1, batch=8)}, "continuous time", "GradientFlow"),
    ({"inputs": Inputs(samples=100)}, "population", "samples=None"),
    ({"inputs": ACROSS}, "axes are not the teacher's", "shared=True"),
    ({"inputs": OWN}, r"axes are not the teacher's.* VᵀΣxV has entries beside the diagonal of 0\.\d+", "depth=1"),
    ({"inputs": STILL, "pretraining": DECAY}, "must vary in every direction", "weight_decay=0 or depth=1"),
    ({"inputs": ACROSS, "network": DEEP}, "axes are not the teacher's", "shared=True"),
    ({"pretraining": DECAY, "network": DEEP}, "formula for weight decay", "weight_decay=0"),
    ({"start": Balanced(), "network": DEEP}, "two layers", "angle=0"),
    ({"start": Aligned(imbalance=0.1), "pretraining": DECAY}, "lets the imbalance decay", "imbalance=0"),
    ({"start": Balanced(imbalance=0.1), "pretraining": DECAY}, "lets the imbalance decay", "imbalance=0"),
    ({"start": Balanced(), "inputs": ALONG}, "whitened", "Aligned"),
    ({"start": Balanced(), "pretraining": DECAY}, "no weight decay", "weight_decay=0"),
    ({"start": Balanced(angle=0.0, imbalance=0.1), "inputs": ALONG}, "whitened", "Aligned"),
]
PERTURBATIONS = [
    ({"perturbation": Quantization()}, "largest weight, which sets the step.*not give the mean", "per=None.*dithered"),
    ({"perturbation": Quantization("row", "dithered")}, "largest weight, which sets the step", "per=None"),
    ({"perturbation": Quantization(None), "network": DEEP}, "several hidden frames", "depth=2.*dithered"),
    ({"perturbation": Quantization(None), "inputs": ALONG}, "for whitened inputs", r"spectrum=\(\)"),
    ({"perturbation": Quantization(None), "start": SmallGaussian(1e-6)}, "only mean norms", "Aligned"),
    ({"perturbation": Pruning()}, "Pruning.*which weights are the smallest", "depth=1 or h=1"),
    ({"perturbation": FineTuning(RotatedTeacher(0.5), anchor=0.1)}, "anchor = 0.1", "anchor=0"),
    ({"perturbation": FineTuning(RotatedTeacher(0.5)), "network": DEEP}, "fine-tuning of Network", "depth=2"),
    ({"perturbation": Noise(convention="multiplicative"), "network": DEEP}, "every hidden frame", "relative"),
]


@pytest.mark.parametrize(("change", "says", "instead"), [*PATHS, *PERTURBATIONS])
def test_refuses_by_name(change: dict[str, object], says: str, instead: str) -> None:
    """Each of them, and with a remedy that names what to write."""
    protocol = replace(BASE, **change)
    with pytest.raises(NoFormula, match=f"(?s){says}.*Instead: use .*{instead}.*simulations.respond"):
        respond(protocol)
    if (change, says, instead) in PATHS:
        with pytest.raises(NoFormula, match=says):
            follow(protocol)
    else:
        validate(follow(protocol))


ROTATED = {"start": Balanced()}
SHARED = SharedVectors((0.5, 0.3))
ALREADY = [
    {"start": SmallGaussian(1e-6), "inputs": OWN},
    {"start": Balanced(), "inputs": Inputs(input_covariance=(V * [3.0, 2.0, 1.0]) @ V.T)},
    {"perturbation": Quantization(None), "inputs": Inputs(input_covariance=(V * [3.0, 2.0, 1.0]) @ V.T)},
    ROTATED | {"perturbation": FineTuning(SHARED, anchor=0.1)},
    ROTATED | {"perturbation": FineTuning(SHARED, DECAY)},
]


@pytest.mark.parametrize("change", [*ALREADY, *(row[0] for row in [*PATHS, *PERTURBATIONS])])
def test_no_remedy_is_what_already_is(change: dict[str, object]) -> None:
    """Neither a field's value, nor the class of a part."""
    protocol = replace(BASE, **change)
    with pytest.raises(NoFormula) as refused:
        respond(protocol)
    parts = [protocol, *(getattr(protocol, field.name) for field in fields(protocol))]
    parts.append(getattr(protocol.perturbation, "training", None))
    for name, proposed in re.findall(r"(\w+)=([^\s,]+)", re.sub(r"\([^)]*\)", "()", refused.value.instead)):
        values = [getattr(part, name) for part in parts if hasattr(part, name)]
        assert not values or not all(
            proposed in (repr(value), f"{value:g}" if isinstance(value, float) else f"{type(value).__name__}()")
            for value in values
        ), (name, proposed)


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"pretraining": GradientDescent(0.1)}, {"pretraining": GradientFlow()}),
        ({"inputs": ACROSS}, {"inputs": ALONG}),
        ({"start": Balanced(), "network": DEEP}, {"start": Balanced(angle=0.0)}),
        ({"start": Balanced(), "pretraining": DECAY}, {"pretraining": GradientFlow()}),
        ({"perturbation": Noise(convention="multiplicative"), "network": DEEP},
         {"perturbation": Noise(convention="relative")}),
    ],
)  # fmt: skip
def test_remedies_help(change: dict[str, object], remedy: dict[str, object]) -> None:
    with pytest.raises(NoFormula):
        respond(replace(BASE, **change))
    validate(respond(replace(BASE, **(change | remedy))))


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": Inputs((1e308,) * 3)},
        {"inputs": Inputs((1e200,) * 3), "lengths": (0.0,), "start": Aligned(1e70)},
        {"inputs": Inputs((1e-200,) * 3), "pretraining": GradientFlow(weight_decay=1e200)},
        {"perturbation": Noise((1e308, 1.0)), "strengths": (10.0,)},
        {"perturbation": Noise(convention="relative"), "strengths": (1e308,), "start": Aligned(1e70)},
        {"teacher": Spectrum((1e80, 1.0))},
        {"teacher": Matrix(np.full((4, 3), 1e308)), "start": Balanced()},
        {"network": Network(3, 2, 4, depth=1), "inputs": replace(ACROSS, spectrum=(1e308,) * 2 + (1.0,)),
         "pretraining": GradientFlow(weight_decay=1e308)},
        {"lengths": (0.0, 1e308)},
    ],
)  # fmt: skip
def test_what_float64_cannot_hold_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DomainError, match="rescale units"):
        respond(replace(BASE, **change))


size = st.integers(1, 4)
plain = st.sampled_from([0.02, 0.3, 1.0, 2.5])
above_0 = st.one_of(*[plain] * 12, st.sampled_from([1e-320, 1e-300, 1e-80, 1e-30, 1e-9, 1e9, 1e70, 1e80, 1e200, 1e308]))
from_0 = st.one_of(st.just(0.0), above_0)
any_sign = st.one_of(from_0, from_0.map(lambda x: -x))
grid = lambda values: st.lists(values, min_size=1, max_size=3, unique=True).map(sorted)


def several(values, n: int):  # type: ignore[no-untyped-def]
    return st.lists(values, min_size=n, max_size=n)


@st.composite
def protocols(draw) -> Protocol | None:  # type: ignore[no-untyped-def]
    """Any combination of parts that have valid fields; None where they do not go together."""
    n = Network(
        draw(size), draw(size), draw(size), draw(st.sampled_from([2, 2, 2, 1, 3, 5])), bias=draw(st.integers(0, 9)) > 8
    )
    modes = draw(st.integers(1, min(n.d_in, n.d_out)))
    one_of = lambda *makers: draw(st.sampled_from(makers))()
    try:
        return Protocol(
            one_of(
                lambda: PowerLaw(modes, draw(from_0), draw(above_0)),
                lambda: Geometric(modes, min(draw(above_0), 1.0), draw(above_0)),
                lambda: Spectrum(sorted(draw(several(from_0, modes)), reverse=True)),
                lambda: Matrix(draw(several(several(any_sign, n.d_in), n.d_out))),
            ),
            draw(grid(from_0)),
            draw(grid(from_0)),
            n,
            one_of(
                lambda: Aligned(draw(above_0)),
                lambda: Aligned(draw(above_0), draw(any_sign)),
                lambda: Balanced(draw(above_0), draw(st.floats(0, np.pi)), draw(any_sign) * draw(st.booleans())),
                lambda: Balanced(draw(above_0), 0.0),
                lambda: SmallGaussian(draw(above_0)),
            ),
            one_of(GradientFlow, lambda: GradientFlow(weight_decay=draw(from_0)), GradientDescent),
            one_of(
                lambda: Noise(
                    convention=draw(st.sampled_from(["absolute", "initialization", "relative", "multiplicative"]))
                ),
                lambda: Noise(draw(several(from_0, n.depth)), draw(st.sampled_from(["gaussian", "uniform", "sign"]))),
                Quantization,
                lambda: Quantization(draw(st.sampled_from([None, "tensor", "row"])), "dithered"),
                lambda: Quantization(None),
                Pruning,
            ),
            inputs=one_of(
                Inputs,
                lambda: Inputs(draw(several(above_0, n.d_in)), draw(st.integers(0, 4)) > 0, label_noise=draw(from_0)),
                lambda: Inputs((draw(above_0),) * n.d_in, shared=False),
                lambda: Inputs(samples=draw(size)),
            ),
        )
    except Refusal:
        return None


@settings(max_examples=400)
@given(protocols())
def test_every_protocol_is_answered_or_refused_by_name(protocol: Protocol | None) -> None:
    """A valid Response and Trajectory, finite everywhere, or a Refusal: no other exception, no warning, no NaN."""
    for ask in (respond, follow) if protocol else ():
        try:
            answer = ask(protocol)
        except Refusal:
            continue
        assert validate(answer).sizes["pretraining"] == len(protocol.lengths)
        rounded = isinstance(protocol.perturbation, Quantization | Pruning)
        of_any_sign = {"sharpness"} | ({"sensitivity"} if rounded else set())
        assert all((answer[name] >= 0).all() for name in answer.data_vars if name not in of_any_sign)
