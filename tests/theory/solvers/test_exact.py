"""`respond` and `follow` against networks that are integrated, perturbed and differentiated here, without a formula."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache, reduce

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.spatial.transform import Rotation

from benchmarks.measure import peak_memory
from overtraining.setting import limits
from overtraining.setting.errors import DomainError
from overtraining.setting.inputs import Inputs, input_covariance
from overtraining.setting.perturbations import FineTuning, Noise, Quantization
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, Balanced, start_frames
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Geometric, Matrix, PowerLaw, Spectrum, full_frames, teacher_matrix
from overtraining.setting.training import GradientFlow
from overtraining.theory.solvers import exact, paths
from overtraining.theory.solvers.exact import follow, respond

TEACHER = Matrix(np.random.default_rng(4).normal(size=(2, 3)))
BASE = Protocol(TEACHER, (0.0, 0.6, 1.7, 5.0), (0.2, 0.9), Network(3, 2, 2), Aligned(0.05))
ALONG = {
    "shared": Inputs((0.5, 2.0, 1.2)),
    "mixed": Inputs((0.5, 2.0, 1.2), shared=False),
    "scaled": Inputs((1.7,) * 3),
}
_V = full_frames(TEACHER, 2, 3)[1]
OWN = {
    "aligned": Inputs(input_covariance=(_V * [0.5, 2.0, 1.2]) @ _V.T),
    "singular": Inputs(input_covariance=(_V * [0.0, 2.0, 0.0]) @ _V.T),
    "scaled": Inputs(input_covariance=1.7 * np.eye(3)),
    "mixed": Inputs(input_covariance=[[2.0, 0.4, 0.1], [0.4, 1.0, -0.3], [0.1, -0.3, 0.8]]),
    "rank one": Inputs(input_covariance=np.ones((3, 3)) - np.diag([0.0, 0.0, 8e-9])),
}
ROTATED = Balanced(0.05, angle=0.8, frame_seed=2)

# One field after the other, then what they do together.
CASES = {
    "base": BASE,
    "spectrum of fewer modes": replace(BASE, teacher=Spectrum((0.3,), frame_seed=3)),
    "a teacher without strength": replace(BASE, teacher=Spectrum((0.9, 0.0))),
    "power law": replace(BASE, teacher=PowerLaw(2, alpha=0.7, scale=1.3)),
    "geometric": replace(BASE, teacher=Geometric(2, ratio=0.4)),
    "bottleneck": replace(BASE, network=Network(3, 1, 2)),
    "wide": replace(BASE, teacher=Spectrum((1.1, 0.4)), network=Network(2, 3, 2)),
    "tall": replace(BASE, teacher=Spectrum((1.1, 0.4)), network=Network(2, 2, 3)),
    "from above": replace(BASE, start=Aligned(3.0)),
    "imbalance": replace(BASE, start=Aligned(0.05, 0.4)),
    "negative imbalance": replace(BASE, start=Aligned(0.05, -0.4)),
    "weight decay": replace(BASE, pretraining=GradientFlow(weight_decay=0.3)),
    "weight decay beyond a feature": replace(BASE, pretraining=GradientFlow(weight_decay=1.5)),
    "shared inputs": replace(BASE, inputs=ALONG["shared"]),
    "scaled inputs": replace(BASE, inputs=ALONG["scaled"]),
    "scaled inputs of any axes": replace(BASE, inputs=replace(ALONG["scaled"], shared=False)),
    "own inputs": replace(BASE, inputs=OWN["aligned"]),
    "own inputs that do not vary": replace(BASE, inputs=OWN["singular"]),
    "own white inputs, rotated": replace(BASE, inputs=OWN["scaled"], start=ROTATED),
    "one layer, own inputs": replace(BASE, network=Network(3, 1, 2, depth=1), inputs=OWN["mixed"], start=ROTATED),
    "one layer, own inputs that do not vary": replace(
        BASE, network=Network(3, 1, 2, depth=1), inputs=OWN["rank one"], start=ROTATED
    ),
    "one layer, own inputs that do not vary, weight decay": replace(
        BASE, network=Network(3, 1, 2, depth=1), inputs=OWN["singular"], pretraining=GradientFlow(weight_decay=0.3)
    ),
    "shared inputs and weight decay": replace(
        BASE, inputs=ALONG["shared"], pretraining=GradientFlow(weight_decay=0.3)
    ),
    "shared inputs and imbalance": replace(BASE, inputs=ALONG["shared"], start=Aligned(0.05, -0.4)),
    "shared inputs at a bottleneck": replace(BASE, inputs=ALONG["shared"], network=Network(3, 1, 2)),
    "one layer": replace(BASE, network=Network(3, 7, 2, depth=1)),
    "one layer, weight decay": replace(
        BASE, network=Network(3, 1, 2, depth=1), pretraining=GradientFlow(weight_decay=0.3)
    ),
    "one layer, shared inputs": replace(BASE, network=Network(3, 1, 2, depth=1), inputs=ALONG["shared"]),
    "one layer, mixed inputs": replace(
        BASE, network=Network(3, 1, 2, depth=1), inputs=ALONG["mixed"], pretraining=GradientFlow(weight_decay=0.3)
    ),
    "one layer, rotated": replace(BASE, network=Network(3, 1, 2, depth=1), inputs=ALONG["shared"], start=ROTATED),
    "three layers": replace(BASE, network=Network(3, 2, 1, depth=3), teacher=Spectrum((1.2,)), start=Aligned(0.3)),
    "three layers, shared inputs": replace(
        BASE, network=Network(2, 2, 2, depth=3), teacher=Spectrum((1.2, 0.7)), inputs=Inputs((2.0, 0.7))
    ),
    "four layers": replace(BASE, network=Network(2, 1, 2, depth=4), teacher=Spectrum((1.2, 0.7))),
    "balanced at angle 0": replace(BASE, teacher=Spectrum((0.9,)), start=Balanced(0.05, 0.0)),
    "balanced at angle 0, all": replace(
        BASE, start=Balanced(0.05, 0.0), inputs=ALONG["shared"], pretraining=GradientFlow(weight_decay=0.3)
    ),
    "balanced at angle 0, three layers": replace(
        BASE, network=Network(2, 2, 2, depth=3), teacher=Spectrum((1.2,)), start=Balanced(0.2, 0.0)
    ),
    "rotated": replace(BASE, start=ROTATED),
    "rotated further": replace(BASE, start=replace(ROTATED, angle=2.5)),
    "rotated, at a bottleneck": replace(BASE, start=ROTATED, network=Network(3, 1, 2)),
    "rotated, wide": replace(BASE, start=ROTATED, teacher=Spectrum((1.1, 0.4)), network=Network(2, 3, 2)),
    "rotated, scaled inputs": replace(BASE, start=ROTATED, inputs=ALONG["scaled"]),
    "rotated, a vector to learn": replace(BASE, start=ROTATED, teacher=Spectrum((1.5,)), network=Network(3, 2, 1)),
    "rotated, imbalance": replace(BASE, start=replace(ROTATED, imbalance=0.4)),
    "rotated, negative imbalance": replace(BASE, start=replace(ROTATED, imbalance=-0.4), inputs=ALONG["scaled"]),
    "rotated, imbalance, bottleneck": replace(BASE, start=replace(ROTATED, imbalance=-0.4), network=Network(3, 1, 2)),
    "rotated, units without inputs": replace(
        BASE, start=replace(ROTATED, imbalance=0.4), teacher=Spectrum((1.1, 0.4)), network=Network(2, 3, 3)
    ),
    "at angle 0, units without outputs": replace(
        BASE, start=Balanced(0.05, 0.0, imbalance=-0.4), teacher=Spectrum((1.1,)), network=Network(3, 3, 1)
    ),
    "no room to rotate": replace(BASE, start=ROTATED, teacher=Spectrum((1.5,)), network=Network(1, 2, 1),
                               pretraining=GradientFlow(weight_decay=0.3)),
}  # fmt: skip


def started(protocol: Protocol) -> list[np.ndarray]:
    """Weights at the start, written from the start's definition, in random hidden frames."""
    n, start, draw = protocol.network, protocol.start, np.random.default_rng(1)
    if isinstance(start, Balanced):
        left, right = start_frames(start, protocol.teacher, n.d_out, n.d_in)
        modes = n.width
    else:
        left, right = full_frames(protocol.teacher, n.d_out, n.d_in)
        modes = min(np.linalg.matrix_rank(teacher_matrix(protocol.teacher, n.d_out, n.d_in)), n.width)
        modes = min(len(protocol.teacher.values), n.width) if isinstance(protocol.teacher, Spectrum) else modes
    hidden = [np.linalg.qr(draw.normal(size=(n.h, n.h)))[0] for _ in range(n.depth - 1)]
    weights = [start.epsilon ** (1 / n.depth)] * n.depth
    if start.imbalance:
        square = max(np.roots([1, -start.imbalance, -(start.epsilon**2)]))  # w₂² − w₁² = λ, w₁w₂ = ε
        weights = [start.epsilon / square**0.5, square**0.5]
    frames = [right, *hidden, left]
    layers = [w * b[:, :modes] @ a[:, :modes].T for w, (a, b) in zip(weights, itertools.pairwise(frames), strict=True)]
    if isinstance(start, Balanced) and start.imbalance:  # units without a mode have a weight on one side
        side, alone = (1, left @ np.eye(n.d_out, n.h)) if start.imbalance > 0 else (0, right @ np.eye(n.d_in, n.h))
        rest = abs(start.imbalance) ** 0.5 * hidden[0][:, modes:] @ alone[:, modes:].T
        layers[side] += rest if side == 0 else rest.T
    return layers


def gradient(layers: list[np.ndarray], target: np.ndarray, sx: np.ndarray) -> list[np.ndarray]:
    """Of the loss `½ tr((f − A) Σx (f − A)ᵀ)`, layer by layer; analytic, so that complex steps differentiate it."""
    chain = lambda ws, d: reduce(lambda f, w: w @ f, ws, np.eye(d))
    error = (chain(layers, len(sx)) - target) @ sx
    return [chain(layers[l + 1 :], len(layers[l])).T @ error @ chain(layers[:l], len(sx)).T for l in range(len(layers))]


def split(flat: np.ndarray, shapes) -> list[np.ndarray]:
    ends = np.cumsum([a * b for a, b in shapes])[:-1]
    return [x.reshape(s) for x, s in zip(np.split(flat, ends), shapes, strict=True)]


@cache
def integrated(name: str) -> tuple[np.ndarray, list[list[np.ndarray]], np.ndarray, np.ndarray]:
    """Weights at all lengths by DOP853 on the whole matrices, teacher, Σx."""
    protocol = CASES[name]
    n, mu = protocol.network, protocol.pretraining.weight_decay
    target = teacher_matrix(protocol.teacher, n.d_out, n.d_in)
    sx = input_covariance(protocol.inputs, protocol.teacher, n.d_out, n.d_in)

    def rate(_: float, flat: np.ndarray) -> np.ndarray:
        descent = gradient(split(flat, n.shapes), target, sx)
        return -np.concatenate([g.ravel() for g in descent]) - mu * flat

    first = np.concatenate([w.ravel() for w in started(protocol)])
    path = solve_ivp(rate, (0, protocol.lengths[-1]), first, "DOP853", t_eval=protocol.lengths, rtol=1e-11, atol=1e-13)
    return first, [split(flat, n.shapes) for flat in path.y.T], target, sx


@cache
def turns(h: int) -> np.ndarray:
    """Rotations of a hidden layer over which polynomials of degree 4 have the mean that they have over all frames.

    Those that differ by order and signs of the units, which change no cost, are one here, and equally many there.
    """
    if h == 2:
        angle = np.arange(8) * np.pi / 4
        group = np.moveaxis(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), -1, 0)
    else:
        group = np.eye(1)[None] if h == 1 else Rotation.create_group("I").as_matrix()
    alike: dict[object, list[np.ndarray]] = {}
    for turn in group:
        axes = frozenset(tuple(np.outer(unit, unit).round(9).ravel() + 0.0) for unit in turn)
        alike.setdefault(axes, []).append(turn)
    assert len({len(same) for same in alike.values()}) == 1
    return np.array([same[0] for same in alike.values()])


@cache
def signs(size: int) -> np.ndarray:
    """All of so many."""
    return np.array(list(itertools.product((-1.0, 1.0), repeat=size)))


def shaken(layers: list[np.ndarray], scales: list[np.ndarray], target: np.ndarray, sx: np.ndarray) -> float:
    """Mean rise of the loss over all signs of all weights' noise: exact for every symmetric law, as none is squared."""
    sizes = [w.size for w in layers]
    every = signs(sum(sizes))
    parts = np.split(every, np.cumsum(sizes)[:-1], axis=1)
    noisy = [w + s * p.reshape(-1, *w.shape) for w, s, p in zip(layers, scales, parts, strict=True)]
    error = reduce(lambda f, w: w @ f, noisy) - target
    before = reduce(lambda f, w: w @ f, layers) - target
    return float((error @ sx * error).sum() / (2 * len(every)) - np.trace(before @ sx @ before.T) / 2)


def rises(layers, first, target, sx, how: Noise, strength: float) -> float:  # type: ignore[no-untyped-def]
    """What the protocol's noise costs on average, over its signs and, where that counts, over hidden frames."""
    scales = [strength * s for s in how.scales or [1.0] * len(layers)]
    rms = lambda w: np.sqrt((w**2).mean())
    match how.convention:
        case "absolute":
            return shaken(layers, [s * np.ones_like(w) for s, w in zip(scales, layers, strict=True)], target, sx)
        case "initialization":
            start = split(first, [w.shape for w in layers])
            return shaken(layers, [s * rms(w) for s, w in zip(scales, start, strict=True)], target, sx)
        case "relative":
            return shaken(layers, [s * rms(w) for s, w in zip(scales, layers, strict=True)], target, sx)
    if len(layers) == 1:
        return shaken(layers, [scales[0] * layers[0]], target, sx)
    each = [[turn @ layers[0], layers[1] @ turn.T] for turn in turns(len(layers[0]))]
    costs = [shaken(ws, [s * w for s, w in zip(scales, ws, strict=True)], target, sx) for ws in each]
    return float(np.mean(costs))


def hessian(layers: list[np.ndarray], target: np.ndarray, sx: np.ndarray) -> np.ndarray:
    """By complex steps through the gradient, to rounding."""
    shapes, flat = [w.shape for w in layers], np.concatenate([w.ravel() for w in layers]).astype(complex)
    step = lambda j: gradient(split(flat + 1e-30j * (np.arange(flat.size) == j), shapes), target, sx)
    return np.array([np.concatenate([g.ravel() for g in step(j)]).imag / 1e-30 for j in range(flat.size)])


@pytest.mark.parametrize("name", CASES)
def test_follows_the_integrated_network(name: str) -> None:
    protocol = CASES[name]
    (_, path, target, sx), seen, depth = integrated(name), follow(protocol), protocol.network.depth
    close = lambda variable, want: np.testing.assert_allclose(
        seen[variable], want, rtol=1e-8, atol=1e-10, err_msg=variable
    )
    f = np.array([reduce(lambda f, w: w @ f, layers) for layers in path])
    found = np.linalg.svd(f, compute_uv=False)
    modes = seen.sizes["mode"]
    close("singular_value", found[:, :modes])
    assert np.abs(found[:, modes:]).max(initial=0.0) < 1e-9  # nothing is left out
    close("loss", np.einsum("tij,jk,tik->t", f - target, sx, f - target) / 2)
    norms = np.array([[(w**2).sum() for w in layers] for layers in path])
    close("layer_norm", norms)
    close("weight_norm", norms.sum(axis=1))
    if depth > 1:
        gaps = [[b.T @ b - a @ a.T for a, b in itertools.pairwise(layers)] for layers in path]
        close("imbalance", [np.sqrt(sum((gap**2).sum() for gap in between)) for between in gaps])
    curvature = np.array([hessian(layers, target, sx) for layers in path])
    close("hessian_trace", np.trace(curvature, axis1=1, axis2=2))
    no_room = protocol.network.d_in == protocol.network.d_out == 1
    aligned = isinstance(protocol.start, Aligned) or protocol.start.angle == 0 or no_room
    balanced_and_white = protocol.inputs.isotropic and not protocol.start.imbalance
    sharp = depth == 1 or (depth == 2 and balanced_and_white and aligned)
    assert set(seen.data_vars) == {"singular_value", "loss", "layer_norm", "weight_norm", "hessian_trace"} | (
        {"imbalance"} if depth > 1 else set()
    ) | ({"sharpness"} if sharp else set())
    if sharp:
        close("sharpness", np.linalg.eigvalsh(curvature)[:, -1])


NOISES = [
    Noise(),
    Noise(scales=(0.5, 2.0)),
    Noise(convention="initialization", scales=(2.0, 0.7)),
    Noise(convention="relative", scales=(0.5, 2.0)),
    Noise(convention="multiplicative", scales=(0.5, 2.0)),
]


COVERED = [
    pytest.param(name, how, id=f"{name}-{how.convention}{'-scaled' * bool(how.scales)}")
    for name, how in itertools.product(CASES, NOISES)
    if how.convention != "multiplicative" or CASES[name].network.depth <= 2
]


@pytest.mark.parametrize(("name", "how"), COVERED)
def test_responds_as_the_shaken_network(name: str, how: Noise) -> None:
    protocol, (first, path, target, sx) = CASES[name], integrated(name)
    depth = protocol.network.depth
    if how.scales:
        how = replace(how, scales=(*how.scales, 1.3, 0.4)[:depth])
    seen = respond(replace(protocol, perturbation=how))
    want = [[rises(layers, first, target, sx, how, s) for s in protocol.strengths] for layers in path]
    np.testing.assert_allclose(seen.sensitivity, want, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(seen.before, follow(protocol).loss, rtol=1e-15)
    np.testing.assert_allclose(seen.after, seen.before + seen.sensitivity, rtol=1e-15)


@pytest.mark.parametrize("law", ["gaussian", "uniform", "sign"])
def test_the_law_of_the_noise_does_not_matter(law: str) -> None:
    """1 → 1 → 2 by Gauss quadrature for each law, exact for polynomials of degree 5 in every weight."""
    protocol = replace(
        BASE, teacher=Spectrum((0.8,)), network=Network(1, 1, 2), perturbation=Noise((0.5, 1.5), law=law)
    )
    nodes, shares = {
        "gaussian": np.polynomial.hermite_e.hermegauss(3),
        "uniform": np.polynomial.legendre.leggauss(3),
        "sign": (np.array([-1.0, 1.0]), np.array([1.0, 1.0])),
    }[law]
    shares = shares / shares.sum()
    nodes = nodes / np.sqrt(shares @ nodes**2)  # unit deviation
    w1, w2 = started(protocol)
    target = teacher_matrix(protocol.teacher, 2, 1)
    for strength, want in zip(protocol.strengths, respond(protocol).after.values[0], strict=True):
        mean = 0.0
        for i, j, k in itertools.product(range(len(nodes)), repeat=3):
            noisy = w2 + 1.5 * strength * nodes[[[j], [k]]], w1 + 0.5 * strength * nodes[[[i]]]
            mean += shares[i] * shares[j] * shares[k] * ((noisy[0] @ noisy[1] - target) ** 2).sum() / 2
        assert want == pytest.approx(mean, rel=1e-13)


@pytest.mark.parametrize(
    "other",
    [
        {"inputs": Inputs(label_noise=2.0)},
        {"sampling": Sampling(7, 3, True)},
        {"network": replace(BASE.network, depth=2)},
        {"pretraining": GradientFlow(rtol=1e-2)},
        {"perturbation": Noise(law="sign")},
        {"perturbation": Noise((1.0, 1.0))},
        {"inputs": Inputs((1.0, 1.0, 1.0), shared=False, frame_seed=4)},
    ],
)
def test_what_does_not_matter(other: dict[str, object]) -> None:
    for ask in (respond, follow):
        xr_same = ask(replace(BASE, **other))
        assert all((xr_same[name] == ask(BASE)[name]).all() for name in xr_same.data_vars)


def test_the_perturbation_does_not_matter_to_the_path() -> None:
    for how in (Quantization(), Noise(convention="multiplicative")):
        assert follow(replace(BASE, perturbation=how)).loss.equals(follow(BASE).loss)


@pytest.mark.parametrize(
    "name",
    ["base", "shared inputs and imbalance", "one layer, mixed inputs", "rotated, wide", "three layers, shared inputs"],
)
@pytest.mark.parametrize("convention", ["absolute", "relative", "multiplicative"])
def test_pieces_fit_together(name: str, convention: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is computed two lengths at a time, or one, is the same to rounding."""
    protocol = replace(CASES[name], lengths=np.linspace(0, 5, 11), perturbation=Noise(convention=convention))
    asked = (follow,) if protocol.network.depth > 2 and convention == "multiplicative" else (follow, respond)
    whole = [ask(protocol) for ask in asked]
    monkeypatch.setattr(paths, "IN_CACHE", 2)
    monkeypatch.setattr(paths, "IN_MEMORY", 1)
    for ask, once in zip(asked, whole, strict=True):
        pieced = ask(protocol)
        for variable in once.data_vars:
            np.testing.assert_allclose(pieced[variable], once[variable], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("protocol", "lost"),
    [
        (BASE, None),
        (replace(BASE, teacher=Spectrum((1.0, 0.5)), network=Network(2, 1, 2)), [0.5]),
        (replace(BASE, teacher=Spectrum((1.0, 0.0)), network=Network(2, 1, 2)), None),
        # frames rotated by π/2 the same way, and against each other: f(0) = ±ε UVᵀ
        (
            Protocol(Matrix(((2.0, 0.0), (0.0, 1.0))), (0, 50), (0.1,), start=Balanced(0.01, np.pi / 2, frame_seed=2)),
            None,
        ),
        (
            Protocol(Matrix(((2.0, 0.0), (0.0, 1.0))), (0, 50), (0.1,), start=Balanced(0.01, np.pi / 2, frame_seed=0)),
            [2.0, 1.0],
        ),
    ],
)
def test_what_a_start_never_reaches_is_told(protocol: Protocol, lost: list[float] | None) -> None:
    """As an attribute, and there it stays in the loss."""
    assert respond(protocol).before.values[-1] >= sum(s**2 for s in lost or ()) / 2
    for ask in (respond, follow):
        assert ask(protocol).attrs.get("never_learned") == lost


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_biases_stay_0_and_only_sharpen_the_loss(depth: int) -> None:
    """The whole Hessian of `½ tr((f − A) Σx (f − A)ᵀ) + ½‖f(0)‖²` in weights and biases, by second differences."""
    inputs = Inputs((0.5, 2.0, 1.2)) if depth != 2 else Inputs()
    plain = replace(BASE, network=Network(3, 2, 2, depth), inputs=inputs, start=Aligned(0.2))
    biased = replace(plain, network=replace(plain.network, bias=True))
    for variable, values in respond(plain).data_vars.items():
        assert (respond(biased)[variable] == values).all()
    target, sx = teacher_matrix(TEACHER, 2, 3), input_covariance(inputs, TEACHER, 2, 3)
    layers, n = started(plain), plain.network
    ends = np.cumsum([rows * columns for rows, columns in n.shapes] + [rows for rows, _ in n.shapes])[:-1]

    def loss(flat: np.ndarray) -> float:
        parts = np.split(flat, ends)
        f, at_zero = np.eye(3), np.zeros(3)
        for w, b, shape in zip(parts[:depth], parts[depth:], n.shapes, strict=True):
            f, at_zero = w.reshape(shape) @ f, w.reshape(shape) @ at_zero + b
        return float(np.trace((f - target) @ sx @ (f - target).T) + at_zero @ at_zero) / 2

    point = np.concatenate([*(w.ravel() for w in layers), np.zeros(sum(rows for rows, _ in n.shapes))])
    steps = 1e-3 * np.eye(point.size)
    hessian = [
        [(loss(point + a + b) - loss(point + a - b) - loss(point - a + b) + loss(point - a - b)) / 4e-6 for b in steps]
        for a in steps
    ]
    seen = follow(biased)
    assert seen.hessian_trace.values[0] == pytest.approx(np.trace(hessian), rel=1e-5)
    if "sharpness" in seen:
        assert seen.sharpness.values[0] == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-5)


def test_what_weight_decay_ends_at_0_is_never_learned() -> None:
    """A mode with σξ <= μ of two layers; one layer learns a part of it."""
    decaying = replace(BASE, teacher=Spectrum((1.0, 0.5)), pretraining=GradientFlow(weight_decay=0.6))
    for ask in (respond, follow):
        assert ask(decaying).attrs["never_learned"] == [0.5]
        assert "never_learned" not in ask(replace(decaying, inputs=Inputs((1.0, 1.5, 1.0)))).attrs
        assert ask(replace(decaying, inputs=Inputs((0.5, 1.5, 1.0)))).attrs["never_learned"] == [1.0]
        assert "never_learned" not in ask(replace(decaying, network=Network(3, 1, 2, depth=1))).attrs
    later = follow(replace(decaying, lengths=(0.0, 40.0))).singular_value.values[-1]
    np.testing.assert_allclose(later, [0.4, 0.0], atol=1e-4)


def test_names_and_sources() -> None:
    response, path = respond(CASES["four layers"]), follow(CASES["rotated"])
    assert response.attrs["model"] == "4-layer linear 2→1→1→1→2, teacher Spectrum"
    assert response.attrs["source"] == "closed form (claims A6, B2)"
    assert path.attrs["source"] == "closed form (claim A5)"
    assert path.layer.values.tolist() == path.mode.values.tolist() == [1, 2]
    relative = respond(replace(BASE, perturbation=Noise(convention="relative", law="uniform")))
    assert relative.attrs["perturbation"] == "uniform noise on every weight"
    assert relative.strength.attrs["long_name"] == "noise scale γ in units of the layer's"
    assert follow(replace(BASE, network=Network(3, 1, 2, depth=1))).attrs["model"].startswith("one-layer linear 3→2,")


GRID = replace(BASE, lengths=np.linspace(0, 5, 2_000), strengths=np.linspace(0, 1, 300))


@pytest.mark.parametrize(
    "protocol", [GRID, replace(GRID, perturbation=FineTuning(SharedVectors((0.3, 0.9))))], ids=["noise", "fine-tuning"]
)
def test_memory_grows_as_the_answer(protocol: Protocol) -> None:
    """What is computed on the way is computed in pieces."""
    answers = []
    peak = peak_memory(lambda: answers.append(respond(protocol)))
    assert peak < 1.3 * answers[0].nbytes / 2**20 + 18


@pytest.mark.parametrize("ask", [respond, follow])
def test_an_answer_that_does_not_fit_is_refused(ask: Callable[[Protocol], object], monkeypatch) -> None:
    """Before anything is computed, with the number of bytes and the limit."""
    monkeypatch.setattr(exact, "_along", lambda *_: pytest.fail("computed"))
    monkeypatch.setattr(limits, "MEMORY", 2**20)
    named = r"2,000 lengths × 300 strengths: it needs about 0\.013 GiB|30,000 lengths × 2 modes"
    with pytest.raises(DomainError, match=named):
        ask(GRID if ask is respond else replace(GRID, lengths=np.linspace(0, 5, 30_000)))
