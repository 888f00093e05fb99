"""What runs take in memory, stated before they begin; what does not fit is refused."""

from collections.abc import Callable

from overtraining.setting.domain import check_memory
from overtraining.setting.perturbations import FineTuning, Noise, Quantization
from overtraining.setting.protocol import Protocol
from overtraining.setting.resolved import resolve
from overtraining.simulations import runs
from overtraining.simulations.curvature import BLOCK, PROBES, ROWS, WRITTEN_OUT
from overtraining.simulations.data import HELD_OUT
from overtraining.simulations.finetuning import is_random
from overtraining.simulations.random_arrays import extra_numbers

SCALARS = 256
"""How many numbers even the smallest run holds: counters, keys, step sizes."""

STAGES = 7
"""Copies of the weights that training holds: the stages of a step of the integrator, or the optimizer's memory."""

CELL = 8
"""Numbers of a Response for each start, length and strength: losses, rises and errors, as measured and as reported."""


def response_memory(protocol: Protocol) -> int:
    """Twice what checkpoints, examples and the largest batch of perturbed networks of one start take, in bytes."""
    n, budgets = protocol.network, len(protocol.strengths)
    reported = 1 if n.activation == "linear" else HELD_OUT
    per_draw = runs.network_numbers(n) + extra_numbers(n.shapes)
    draws, most = _draws(protocol), runs.MOST_NOISY
    results = draws * (1 + reported)  # the key of every draw, and its loss on every example
    if isinstance(fine_tuning := protocol.perturbation, FineTuning):
        most = runs.MOST_TUNED
        # checkpoints at every budget, a batch; losses of every draw, budget and example
        batch = getattr(fine_tuning.training, "batch", None) or 0
        per_draw = per_draw * (budgets + 1) + batch * (n.d_in + n.h + n.d_out)
        per_draw += extra_numbers([(batch, n.d_in), (batch, n.d_out)])
        results = draws * budgets * (2 * reported + 1)
    at_once = min(draws, max(1, most // per_draw))
    return 16 * (per_draw * at_once + _pretraining(protocol) + results)


def trajectory_memory(protocol: Protocol) -> int:
    """Twice what checkpoints, examples and the curvature's vectors of one start take, in bytes."""
    weights = runs.network_weights(protocol.network)
    if weights <= WRITTEN_OUT:
        vectors, hessian = min(weights, ROWS), weights**2 * 5 // 2
    else:
        vectors, hessian = BLOCK, weights * PROBES * 2
    return 16 * (_pretraining(protocol) + hessian + _examples(protocol) * (1 + vectors // runs.GROUPS))


def pretraining_memory(protocol: Protocol) -> int:
    """Twice what checkpoints and examples of one start take, in bytes."""
    return 16 * _pretraining(protocol)


def draws_at_once(numbers: int, most: int = 1024) -> int:
    """How many draws of so many numbers each are computed together: at most 32 MiB of them.

    >>> draws_at_once(100), draws_at_once(10**6), draws_at_once(10**9)
    (1024, 4, 1)
    """
    return max(1, min(most, runs.MOST_TUNED // numbers))


def check_response(protocol: Protocol) -> None:
    """Refuse, with a DomainError, a Response that does not fit into `setting.limits.MEMORY`."""
    check_simulation(protocol, lambda protocol: response_memory(protocol) + _response(protocol))


def check_trajectory(protocol: Protocol) -> None:
    """Refuse, with a DomainError, a Trajectory that does not fit into `setting.limits.MEMORY`."""
    check_simulation(protocol, lambda protocol: trajectory_memory(protocol) + _trajectory(protocol))


def check_simulation(protocol: Protocol, memory: Callable[[Protocol], int]) -> None:
    """Refuse, with a DomainError that names the sizes, a simulation that takes more bytes than fit.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> check_simulation(Protocol(PowerLaw(2), (0.0, 1.0), (0.1,)), memory=lambda protocol: 2**36)
    Traceback (most recent call last):
    overtraining.setting.errors.DomainError: a simulation of 8 weights at 2 lengths × 1 strengths, 1 starts and 1,024
    draws: it needs about 64 GiB of memory, and the limit is 4 GiB. Instead: lower the largest of these numbers, or
    simulate parts of the grid one after another.
    """
    protocol = resolve(protocol).protocol  # which refuses what is none
    sampling, weights = protocol.sampling, runs.network_weights(protocol.network)
    what = (
        f"a simulation of {weights:,} weights at {len(protocol.lengths):,} lengths × {len(protocol.strengths):,} "
        f"strengths, {sampling.seeds:,} starts and {sampling.draws:,} draws"
    )
    instead = "lower the largest of these numbers, or simulate parts of the grid one after another"
    check_memory(what, memory(protocol), instead)


def _response(protocol: Protocol) -> int:
    """Bytes of the answer itself, and of what it is made from, over all starts."""
    objectives = 2 if isinstance(protocol.perturbation, FineTuning) else 1
    return 8 * CELL * objectives * protocol.sampling.seeds * len(protocol.lengths) * len(protocol.strengths)


def _trajectory(protocol: Protocol) -> int:
    n = protocol.network
    observed = min(n.d_in, n.d_out) + 2 * n.depth + CELL
    return 16 * protocol.sampling.seeds * len(protocol.lengths) * observed


def _draws(protocol: Protocol) -> int:
    """How often a checkpoint is perturbed: once where nothing is random."""
    perturbation = protocol.perturbation
    random = isinstance(perturbation, Noise) or (
        perturbation.dithered
        if isinstance(perturbation, Quantization)
        else isinstance(perturbation, FineTuning) and is_random(perturbation)
    )
    return protocol.sampling.draws if random else 1


def _pretraining(protocol: Protocol) -> int:
    """Numbers of the checkpoints, of training itself, and of the examples."""
    weights = runs.network_weights(protocol.network)
    return weights * (len(protocol.lengths) + STAGES) + _examples(protocol) + SCALARS


def _examples(protocol: Protocol) -> int:
    """Numbers in the examples that a run holds, hidden units included."""
    n = protocol.network
    examples = (protocol.inputs.samples or 0) + (0 if n.activation == "linear" else HELD_OUT)
    return examples * (n.d_in + n.h + n.d_out)
