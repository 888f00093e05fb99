"""How many random protocols the theory answers, and why it refuses the others.

Every field of a Protocol is drawn. Most kinds of a field are equally likely. Rarer than their share are those for which
there can be no formula, or none yet: steps of an optimizer, samples, activations, biases, rounding and pruning; with
them as likely as the rest, hardly a protocol would be about anything else. Shapes are small, and numbers of the size
that experiments use, so that a refusal is about what there is a formula for and not about float64.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

import numpy as np

from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport
from overtraining.setting.errors import Refusal
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import (
    Convention,
    FineTuning,
    Granularity,
    Law,
    Noise,
    Perturbation,
    Pruning,
    Quantization,
    Rounding,
)
from overtraining.setting.protocol import Activation, Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, Start
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, Task
from overtraining.setting.teachers import Geometric, Matrix, PowerLaw, Spectrum, Teacher
from overtraining.setting.training import GradientDescent, GradientFlow, Horizon, Optimizer, Pretraining, Schedule
from overtraining.setting.weights import Weights
from overtraining.theory.solvers.exact import respond

COUNT = {"full": 1000, "tiny": 40}
SEED = 17
RARE = 0.1  # probability of what has no formula; of fine-tuning's options, each of them has OPTION
OPTION = 0.2
Chance = np.random.Generator


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One table: answered protocols by kind of perturbation, and refusals by reason."""
    chance = np.random.default_rng(SEED)
    drawn, answered, refused = Counter[str](), Counter[str](), Counter[str]()
    for _ in range(COUNT[preset]):
        protocol = random_protocol(chance)
        kind = _kind(protocol.perturbation)
        drawn[kind] += 1
        try:
            respond(protocol)
        except Refusal as refusal:
            refused[f"{type(refusal).__name__}: {refusal.why}"] += 1
        else:
            answered[kind] += 1
    rows: list[dict[str, str | int]] = [
        {"protocols": answered[kind], "answer": f"answered, of {n:,} with {kind}"} for kind, n in drawn.most_common()
    ]
    rows += [{"protocols": n, "answer": reason} for reason, n in refused.most_common()]
    title = f"theory.respond answers {answered.total():,} of {drawn.total():,} random protocols"
    return [BenchmarkReport("answered", title, rows, ["Of several reasons that apply, the first that is told."])]


def _kind(perturbation: Perturbation) -> str:
    dithered = isinstance(perturbation, Quantization) and perturbation.dithered
    return f"dithered {type(perturbation).__name__}" if dithered else type(perturbation).__name__


def random_protocol(chance: Chance) -> Protocol:
    """A protocol with every field drawn; combinations that are no protocol are drawn again."""
    while True:
        try:
            return _drawn(chance)
        except Refusal:
            continue


def _drawn(chance: Chance) -> Protocol:
    d_in, h, d_out = (int(chance.integers(1, 5)) for _ in range(3))
    network = Network(
        d_in, h, d_out, int(chance.choice([1, 2, 2, 2, 3, 4])), _text(chance, Activation, RARE), _happens(chance, RARE)
    )
    modes = int(chance.integers(1, min(d_in, d_out) + 1))
    return Protocol(
        _teacher(chance, modes, d_in, d_out),
        lengths=_grid(chance, 30),
        strengths=_grid(chance, 1),
        network=network,
        start=_start(chance, network),
        pretraining=_training(chance),
        perturbation=_perturbation(chance, network, modes),
        sampling=Sampling(int(chance.integers(2, 100)), int(chance.integers(1, 9)), _happens(chance, 0.5)),
        inputs=_inputs(chance, d_in),
    )


def _teacher(chance: Chance, modes: int, d_in: int, d_out: int) -> Teacher:
    return _one(
        chance,
        lambda: PowerLaw(modes, chance.uniform(0, 2), _size(chance), _seed(chance)),
        lambda: Geometric(modes, chance.uniform(0.2, 1), _size(chance), _seed(chance)),
        lambda: Spectrum(np.sort(chance.uniform(0, 2, modes))[::-1], _seed(chance)),
        lambda: Matrix(chance.normal(size=(d_out, d_in))),
    )


def _start(chance: Chance, network: Network) -> Start:
    epsilon = 10.0 ** chance.uniform(-6, 0)
    imbalance = chance.choice([-1, 1]) * 10.0 ** chance.uniform(-12, 0)
    return _one(
        chance,
        lambda: Aligned(epsilon),
        lambda: Aligned(epsilon, imbalance),
        lambda: Balanced(epsilon, chance.uniform(0, np.pi), 0.0, _seed(chance)),
        lambda: Weights(*(epsilon * chance.normal(size=shape) for shape in network.shapes)),
        lambda: Balanced(epsilon, chance.uniform(0, np.pi), imbalance, _seed(chance)),
        lambda: SmallGaussian(epsilon),
        lambda: FanIn(_size(chance)),
    )


def _training(chance: Chance) -> Pretraining:
    flow = GradientFlow(10.0 ** chance.uniform(-10, -6), _small(chance) if _happens(chance, OPTION) else 0.0)
    if not _happens(chance, RARE):
        return flow
    return GradientDescent(
        10.0 ** chance.uniform(-3, -1),
        int(chance.integers(1, 65)) if _happens(chance, 0.5) else None,
        _text(chance, Optimizer),
        chance.uniform(0, 0.95),
        flow.weight_decay,
        _text(chance, Schedule),
        chance.uniform(0, 0.3),
        chance.uniform(0, 0.5),
        _text(chance, Horizon),
    )


def _inputs(chance: Chance, d_in: int) -> Inputs:
    spectrum = _one(chance, lambda: (), lambda: (_size(chance),) * d_in, lambda: tuple(chance.uniform(0.2, 2, d_in)))
    samples = int(chance.integers(1, 200)) if _happens(chance, RARE) else None
    return Inputs(
        spectrum, _happens(chance, 0.5), samples, _small(chance) if _happens(chance, OPTION) else 0.0, _seed(chance)
    )


def _perturbation(chance: Chance, network: Network, modes: int) -> Perturbation:
    if _happens(chance, RARE):
        # drawn apart, so that the protocols are otherwise those that were drawn before there was dither
        rounding = _text(chance.spawn(1)[0], Rounding)
        return Quantization(_text(chance, Granularity) if _happens(chance, 0.5) else None, rounding)
    if _happens(chance, RARE):
        return Pruning(_text(chance, Granularity))
    scales = tuple(chance.uniform(0, 2, network.depth)) if _happens(chance, OPTION) else ()
    return _one(
        chance,
        lambda: Noise(scales, _text(chance, Law), _text(chance, Convention)),
        lambda: FineTuning(
            _task(chance, network, modes),
            _training(chance),
            anchor=_small(chance) if _happens(chance, OPTION) else 0.0,
            replay_share=chance.uniform(0, 1) if _happens(chance, OPTION) else 0.0,
            rank=int(chance.integers(1, 3)) if _happens(chance, RARE) else None,
            label_noise=_small(chance) if _happens(chance, OPTION) else 0.0,
        ),
    )


def _task(chance: Chance, network: Network, modes: int) -> Task:
    return _one(
        chance,
        lambda: SharedVectors(chance.uniform(-1, 2, modes)),
        lambda: RotatedTeacher(chance.uniform(0, np.pi), _size(chance), _seed(chance)),
        lambda: _teacher(chance, modes, network.d_in, network.d_out),
    )


def _one(chance: Chance, *makers: Callable[[], Any]) -> Any:
    return makers[chance.integers(len(makers))]()


def _text(chance: Chance, kinds: object, other: float | None = None) -> str:
    """One of a Literal's texts; with `other`, the first of them but for this probability."""
    texts = get_args(kinds)
    if other is not None and chance.random() >= other:
        return str(texts[0])
    return str(chance.choice(texts))


def _happens(chance: Chance, probability: float) -> bool:
    return bool(chance.random() < probability)


def _grid(chance: Chance, end: float) -> np.ndarray:
    return np.unique(chance.uniform(0, end, chance.integers(1, 4)))


def _size(chance: Chance) -> float:
    return float(chance.uniform(0.2, 2))


def _small(chance: Chance) -> float:
    return float(10.0 ** chance.uniform(-3, 0))


def _seed(chance: Chance) -> int:
    return int(chance.integers(1000))
