"""Measurements on simulated networks: the Response and the Trajectory of a protocol, with standard errors."""

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, Key

from overtraining.setting.domain import one_nonnegative, whole
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.perturbations import FineTuning, Noise, Pruning, Quantization
from overtraining.setting.protocol import Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.responses import response, trajectory
from overtraining.setting.serialization import write
from overtraining.setting.training import GradientFlow
from overtraining.setting.weights import Weights
from overtraining.simulations import runs
from overtraining.simulations.data import HELD_OUT
from overtraining.simulations.double_precision import Arguments, Computed, in_double_precision
from overtraining.simulations.finetuning import is_random
from overtraining.simulations.memory import check_response, check_simulation, check_trajectory, pretraining_memory
from overtraining.simulations.networks import Layers
from overtraining.simulations.training_plan import RunNumbers, TrainingPlan, plan_training

RandomKey = int | Key[Array, ""]
"""The key of all randomness of a measurement: a whole number or a `jax.random.key`."""


def needs_key(function: Callable[Arguments, Computed]) -> Callable[Arguments, Computed]:
    """A decorator: a call without the argument `key` is refused with the reason, a DomainError.

    >>> needs_key(lambda protocol, key: key)("a protocol", key=3)
    3
    """
    place = list(signature(function).parameters).index("key")

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Computed:
        if len(args) <= place and "key" not in kwargs:
            why = "starts and noise are random, and a key repeats them to the bit"
            raise DomainError("no key", why, "pass key=0, and other whole numbers for independent repetitions")
        return function(*args, **kwargs)

    return call


@needs_key
@in_double_precision
def respond(protocol: Protocol, key: RandomKey) -> xr.Dataset:
    """The measured Response: pretrain from every seed, perturb every checkpoint `draws` times, average the losses.

    key: an integer or a `jax.random.key`. Every cell (seed, length, strength) has independent noise.
    Losses of linear networks are over the whole population; with an activation they are means over held-out examples,
    whose scatter enters the standard errors beside that of the noise. Rounding to nearest and pruning are not random:
    the standard error of their effect on one linear network is 0. Errors over seeds follow when `curve` pools that
    dimension.

    Fine-tuning adds the downstream losses. It is run `draws` times if it has batches or a low-rank update, else once.
    Budgets at a constant rate, or up to one horizon, are checkpoints along one run, so their errors are not
    independent: independent points of a z-test need a key each.
    Raises DomainError for what cannot be run or does not fit into `setting.limits.MEMORY`, NotSolved where training
    diverges.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.protocol import Sampling
    >>> r = respond(Protocol(PowerLaw(2), lengths=(0, 4), strengths=(0.1,), sampling=Sampling(draws=64)), key=0)
    >>> r.sensitivity.dims, bool((r.sensitivity_stderr > 0).all())
    (('seed', 'pretraining', 'strength'), True)
    """
    check_response(protocol)
    measured = _refuse_infinite(protocol, run_seeds(runs.measure, protocol, key))
    return as_response(protocol, key, response_variables(measured))


@needs_key
@in_double_precision
def follow(protocol: Protocol, key: RandomKey) -> xr.Dataset:
    """The measured Trajectory along pretraining, per seed: singular values, loss, norms, imbalance and curvature.

    singular_value: of `W_L … W_1`, as many as the width carries; with an activation, of the affine map nearest to f on
    the held-out inputs.  layer_norm, bias_norm, weight_norm: `‖W_l‖²_F`, `‖b_l‖²` and `Σ_l ‖W_l‖²_F`.  imbalance: of
    neighbouring layers, conserved by gradient flow (claim A1).  hessian_trace, sharpness: trace and largest eigenvalue
    of the Hessian of the reported loss, by differentiation; for "relu" without the kinks, its Gauss–Newton part alone.
    Variables that are estimated (beyond 256 parameters, or from held-out examples) have their `_stderr`.
    Errors as in `respond`.
    """
    check_trajectory(protocol)
    return as_trajectory(protocol, key, run_seeds(runs.observe, protocol, key))


@needs_key
@in_double_precision
def distance_from_pretrained(protocol: Protocol, key: RandomKey) -> xr.Dataset:
    """How far fine-tuning moves the weights: `distance`, `‖θ − θ_pre‖`, a Trajectory over lengths and budgets per seed.

    Repetitions, domain and errors as in `respond`.

    >>> from overtraining.setting.perturbations import FineTuning
    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.tasks import RotatedTeacher
    >>> protocol = Protocol(PowerLaw(2), (0.0, 8.0), (0.0, 1.0), perturbation=FineTuning(RotatedTeacher(1.0)))
    >>> distance_from_pretrained(protocol, key=0).distance.values[0].round(2).tolist()
    [[0.0, 0.08], [0.0, 0.41]]
    """
    protocol = resolve(protocol).protocol  # which refuses what is none
    if not isinstance(protocol.perturbation, FineTuning):
        raise DomainError(repr(protocol.perturbation), "only fine-tuning moves the weights", "pass FineTuning(…)")
    check_response(protocol)
    measured = _refuse_infinite(protocol, run_seeds(runs.measure, protocol, key))
    return as_trajectory(protocol, key, {name: measured[name] for name in ("distance", "distance_stderr")})


@needs_key
@in_double_precision
def initialize(protocol: Protocol, key: RandomKey, seed_index: int = 0) -> Layers:
    """The layers at the start of one seed's run, as NumPy arrays.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> [layer.weight.shape for layer in initialize(Protocol(PowerLaw(2), (0,), (0,)), key=0)]
    [(2, 2), (2, 2)]
    """
    return _as_numpy(runs.begin(*plan_training(protocol), seed_key(key, seed_index)))


@needs_key
@in_double_precision
def pretrain(protocol: Protocol, key: RandomKey, seed_index: int = 0) -> Layers:
    """The layers at every length of one seed's run, as NumPy arrays; their leading axis is that of lengths.

    Raises NotSolved where training fails, DomainError for checkpoints that do not fit into `setting.limits.MEMORY`.
    """
    check_simulation(protocol, pretraining_memory)
    run = runs.train(*plan_training(protocol), seed_key(key, seed_index))
    check_solved(protocol, run.solved)
    return _as_numpy(run.checkpoints)


@needs_key
@in_double_precision
def pretrained(protocol: Protocol, key: RandomKey, length: float | int | None = None, seed_index: int = 0) -> Weights:
    """One seed's checkpoint as a start, for theory or for another simulation: at the last length, or at one of them.

    Raises DomainError for a length that the protocol does not have and for biases that are not 0, which a start does
    not keep; NotSolved where training fails.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> checkpoint = pretrained(Protocol(PowerLaw(2), (0, 8)), key=0)
    >>> Protocol(PowerLaw(2), (0, 4), start=checkpoint).network.h
    2
    """
    lengths = np.array(resolve(protocol).protocol.lengths)  # which refuses what is none
    wanted = lengths[-1] if length is None else one_nonnegative("length", length)
    at = int(np.abs(lengths - wanted).argmin())
    if lengths[at] != wanted:
        why = "the protocol has no such length"
        raise DomainError(f"length = {wanted:g}", why, f"pass one of them, such as {lengths[at]:g}")
    layers = pretrain(protocol, key, seed_index)
    if any(layer.bias is not None and layer.bias[at].any() for layer in layers):
        raise DomainError(
            repr(protocol.network), "a start has biases of 0, and this checkpoint has others", "use bias=False"
        )
    return Weights(*(layer.weight[at] for layer in layers))


def _as_numpy(layers: Layers) -> Layers:
    """Outside of `double_precision`, JAX would cut its own arrays to float32 at the next operation."""
    return jax.tree.map(np.asarray, layers)


def response_variables(measured: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The variables of a Response from the results of `runs.measure`, whatever axes come before the lengths."""
    variables: dict[str, np.ndarray] = {}
    for prefix in ("", "downstream_") if "downstream_rise" in measured else ("",):
        before, before_stderr = measured[f"{prefix}before"], measured[f"{prefix}before_stderr"]
        rise, rise_stderr = measured[f"{prefix}rise"], measured[f"{prefix}rise_stderr"]
        variables |= {
            f"{prefix}before": before,
            f"{prefix}before_stderr": before_stderr,
            f"{prefix}after": before[..., None] + rise,
            f"{prefix}after_stderr": np.hypot(before_stderr[..., None], rise_stderr),
            f"{prefix}sensitivity": rise,
            f"{prefix}sensitivity_stderr": rise_stderr,
        }
    return variables


def as_response(protocol: Protocol, key: RandomKey, variables: Mapping[str, np.ndarray]) -> xr.Dataset:
    """The Response with these variables, seeds along the first axis, of this protocol and key."""
    perturbation, strength_name = _perturbation(protocol)
    axes = ("seed", "pretraining", "strength")
    return response(
        {name: (axes[:2] if "before" in name else axes, values) for name, values in variables.items()},
        _coordinates(protocol) | {"strength": list(protocol.strengths)},
        source=_source(protocol),
        perturbation=perturbation,
        strength_name=strength_name,
        strength_units="gradient-flow time" if isinstance(protocol.perturbation, FineTuning) else "1",
        **_origin(protocol, key),
    )


def as_trajectory(protocol: Protocol, key: RandomKey, variables: Mapping[str, np.ndarray]) -> xr.Dataset:
    """The Trajectory with these variables, seeds along the first axis, of this protocol and key."""
    further_axis = {
        "singular_value": "mode",
        "layer_norm": "layer",
        "bias_norm": "layer",
        "distance": "strength",
        "distance_stderr": "strength",
    }
    data, coordinates = {}, _coordinates(protocol)
    for name, values in variables.items():
        axis = further_axis.get(name)
        data[name] = (("seed", "pretraining", *([axis] if axis else [])), values)
        if axis == "strength":
            coordinates["strength"] = _budgets(protocol)
        elif axis:
            coordinates[axis] = np.arange(1, values.shape[2] + 1)
    source = f"{protocol.sampling.seeds} start(s)"
    return trajectory(data, coordinates, source=source, **_origin(protocol, key))


def run_seeds(
    run: Callable[[TrainingPlan, RunNumbers, Key[Array, ""]], dict[str, Array]], protocol: Protocol, key: RandomKey
) -> dict[str, np.ndarray]:
    """The results of a run for every seed of the protocol, stacked. Raises NotSolved where pretraining failed."""
    plan, numbers = plan_training(protocol)
    by_seed = []
    for seed_index in range(protocol.sampling.seeds):
        results = run(plan, numbers, seed_key(key, seed_index))
        check_solved(protocol, results.pop("solved"))
        by_seed.append({name: np.asarray(values) for name, values in results.items()})
    return {name: np.stack([results[name] for results in by_seed]) for name in by_seed[0]}


def check_solved(protocol: Protocol, solved: Array | np.ndarray | np.bool_) -> None:
    """Raise NotSolved if training under this protocol failed."""
    training = protocol.pretraining
    if bool(solved):
        return
    if isinstance(training, GradientFlow):
        raise NotSolved(
            f"gradient flow to t = {protocol.lengths[-1]:g} at rtol = {training.rtol:g}",
            "the integrator gave up (too many steps, or numbers that overflow)",
            "shorten the lengths; after convergence nothing happens",
        )
    raise NotSolved(
        f"{training.optimizer} at learning rate {training.learning_rate:g}",
        "it diverges",
        "use a smaller one; gradient descent needs less than 1 / (largest σ)",
    )


def _refuse_infinite(protocol: Protocol, measured: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What was measured; refused, with the reason, if some of it is not finite."""
    if all(np.isfinite(values).all() for values in measured.values()):
        return measured
    strongest, perturbation = f"strength {protocol.strengths[-1]:g}", protocol.perturbation
    if not isinstance(perturbation, FineTuning):
        raise DomainError(strongest, "the loss after it overflows", "use smaller strengths")
    training = perturbation.training
    if isinstance(training, GradientFlow):
        raise NotSolved(f"fine-tuning to {strongest}", "the integrator gave up", "use smaller strengths")
    raise NotSolved(
        f"fine-tuning by {training.optimizer} at learning rate {training.learning_rate:g}",
        "it diverges",
        "use a smaller one; see overtraining.simulations.learning_rates for tuning it",
    )


def seed_key(key: RandomKey, seed_index: int) -> Key[Array, ""]:
    """The key of the run of one seed, counted from 0."""
    return jax.random.fold_in(_jax_key(key), whole("seed_index", seed_index, least=0))


def _jax_key(key: RandomKey) -> Key[Array, ""]:
    if isinstance(key, jax.Array) and jax.numpy.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    if isinstance(key, bool) or not isinstance(key, int | np.integer) or not 0 <= key < 2**63:
        raise DomainError(f"key = {key!r}", "a seed is a whole number from 0 to 2⁶³ − 1", "pass an int, or a jax key")
    return jax.random.key(int(key))


def _coordinates(protocol: Protocol) -> dict[str, Any]:
    return {"seed": np.arange(protocol.sampling.seeds), "pretraining": list(protocol.lengths)}


def _budgets(protocol: Protocol) -> tuple[str, list[float], dict[str, str]]:
    return "strength", list(protocol.strengths), {"units": "gradient-flow time", "long_name": "fine-tuning budget T"}


def _origin(protocol: Protocol, key: RandomKey) -> dict[str, Any]:
    recorded = str(key) if isinstance(key, int | np.integer) else str(jax.random.key_data(key).tolist())
    extra: dict[str, Any] = {"protocol": write(protocol), "key": recorded}
    if protocol.network.activation != "linear":
        extra["held_out"] = HELD_OUT
    return {"method": "simulation", "model": _describe(protocol), "extra": extra}


def _source(protocol: Protocol) -> str:
    sampling, perturbation = protocol.sampling, protocol.perturbation
    if isinstance(perturbation, Noise):
        repeated = f"{sampling.draws:,}" + (" pairs of opposite draws" if sampling.antithetic else " draws")
    elif isinstance(perturbation, Quantization) and perturbation.dithered:
        repeated = f"{sampling.draws:,} draws"
    elif isinstance(perturbation, FineTuning) and is_random(perturbation):
        repeated = f"{sampling.draws:,} fine-tunings"
    else:
        repeated = "nothing random"
    return repeated + (f" at each of {sampling.seeds} starts" if sampling.seeds > 1 else "")


def _perturbation(protocol: Protocol) -> tuple[str, str]:
    """The name of the perturbation and of its strength, for a Response's attributes."""
    match protocol.perturbation:
        case Noise(_, law, convention):
            unit = {
                "absolute": "",
                "initialization": " in units of the start's",
                "relative": " in units of the layer's",
            }
            scale = "relative noise scale ρ" if convention == "multiplicative" else "noise scale γ"
            name = {"gaussian": "Gaussian", "uniform": "uniform", "sign": "random-sign"}[law]
            return f"{name} noise on every weight", scale + unit.get(convention, "")
        case Quantization(per, rounding):
            name = "dithered rounding" if rounding == "dithered" else "rounding to nearest"
            return name, "step" if per is None else f"step / largest weight of a {per}"
        case Pruning(per):
            return "magnitude pruning", f"share of every {per} set to 0"
        case FineTuning():
            return "fine-tuning", "fine-tuning budget T"


def _describe(protocol: Protocol) -> str:
    n = protocol.network
    layers = {1: "one-layer", 2: "two-layer"}.get(n.depth, f"{n.depth}-layer")
    widths = "→".join(map(str, [n.d_in, *(out for out, _ in n.shapes)]))
    return f"{layers} {n.activation} {widths}, {protocol.start}, {protocol.pretraining}"
