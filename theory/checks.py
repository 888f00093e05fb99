"""Named checks of the arguments of formulas: each returns checked float64 arrays, or refuses and says what to pass.

Checks that know nothing of the theory, such as `finite` and `whole`, are in `setting.domain`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers
from overtraining.setting.covariances import positive_covariance
from overtraining.setting.domain import check_broadcast, finite, listed, nonnegative, normal_inverse, positive
from overtraining.setting.errors import DomainError, ShapeError

WeightMatrix = Float[np.ndarray, "_ _"]
LARGEST = 1e75  # four factors of it stay below 1.8e308
SMALLEST = 1e-75


def check_range(sigma: np.ndarray, **others: np.ndarray) -> None:
    """Refuse numbers beyond 1e75 in size, and a sigma other than 0 below 1e-75: products of them could overflow.

    >>> check_range(np.array(1e-80))
    Traceback (most recent call last):
    overtraining.setting.errors.DomainError: sigma: it is not 0 but below 1e-75. Instead: rescale units.
    """
    for name, x in {"sigma": sigma, **others}.items():
        if (np.abs(x) > LARGEST).any():
            raise DomainError(name, "it is beyond 1e75, where products overflow", "rescale units")
    if ((sigma > 0) & (sigma < SMALLEST)).any():
        raise DomainError("sigma", "it is not 0 but below 1e-75", "rescale units")


def check_time(name: str, time: Any) -> np.ndarray:
    """Gradient-flow times >= 0, since the start of pretraining or of fine-tuning.

    >>> check_time("length", -1.0)
    Traceback (most recent call last):
    overtraining.setting.errors.DomainError: length = -1.0: it must not be negative. Instead: measure time from the \
start of training, so that it is >= 0.
    """
    return nonnegative(name, time, "measure time from the start of training, so that it is >= 0")


def check_singular_value(name: str, values: Any) -> np.ndarray:
    """Singular values >= 0."""
    return nonnegative(name, values, "a singular value is not negative; put the sign into the singular vectors")


def check_epsilon(epsilon: Any) -> np.ndarray:
    """Starts > 0 whose reciprocals are finite."""
    return normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle")


def check_sigma(sigma: Any) -> np.ndarray:
    """The teacher's singular values > 0."""
    return positive("sigma", sigma, "leave out modes that the teacher does not have")


def check_noise_cost(noise_cost: Any) -> np.ndarray:
    """Costs of noise per singular value >= 0."""
    return nonnegative("noise_cost", noise_cost, "compute it with sensitivity.mode_cost")


def check_start_below(epsilon: np.ndarray, sigma: np.ndarray) -> None:
    """Refuse starts that are not below the teacher's singular values."""
    if np.any(epsilon >= sigma):
        raise DomainError("epsilon >= sigma", "from above the teacher a mode only falls", "start every mode below")


def check_last_axis(sigma: np.ndarray, *others: np.ndarray) -> None:
    """Refuse arrays that stretch sigma's last axis, the modes, over which a sum runs.

    >>> check_last_axis(np.ones(1), np.ones(3))
    Traceback (most recent call last):
    overtraining.setting.errors.ShapeError: sigma (1,) against [(3,)]: the last axis is not sigma's modes. Instead: \
give the others a last axis of length 1, for example lengths[:, None].
    """
    last = np.broadcast_shapes(sigma.shape, *(array.shape for array in others))[-1:]
    if sigma.shape[-1:] != last or not last:
        raise ShapeError(
            f"sigma {sigma.shape} against {[array.shape for array in others]}",
            "the last axis is not sigma's modes",
            "give the others a last axis of length 1, for example lengths[:, None]",
        )


def check_mode(
    time: Numbers, sigma: Numbers, epsilon: Numbers, weight_decay: Numbers = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The arguments of one balanced mode: time, sigma and weight_decay >= 0, epsilon > 0, within the range."""
    time, sigma, epsilon, weight_decay = check_broadcast(
        time=check_time("time", time),
        sigma=check_singular_value("sigma", sigma),
        epsilon=check_epsilon(epsilon),
        weight_decay=nonnegative("weight_decay", weight_decay),
    )
    check_range(sigma, time=time, epsilon=epsilon, weight_decay=weight_decay)
    return time, sigma, epsilon, weight_decay


def check_deep_mode(
    time: Numbers, sigma: Numbers, epsilon: Numbers, weight_decay: Numbers = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The arguments of one balanced mode of any depth: as for two layers, and σ/ε must not overflow."""
    time, sigma, epsilon, weight_decay = check_mode(time, sigma, epsilon, weight_decay)
    normal_inverse("epsilon/sigma", epsilon / np.where(sigma > 0, sigma, 1), "start from a larger epsilon")
    return time, sigma, epsilon, weight_decay


def check_unbalanced_mode(
    time: Numbers, sigma: Numbers, initial_product: Numbers, imbalance: Numbers
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The arguments of one unbalanced mode: time and sigma >= 0, the product and λ of either sign, within the range."""
    time, sigma, initial_product, imbalance = check_broadcast(
        time=check_time("time", time),
        sigma=check_singular_value("sigma", sigma),
        initial_product=finite("initial_product", initial_product),
        imbalance=finite("imbalance", imbalance),
    )
    check_range(sigma, time=time, initial_product=initial_product, imbalance=imbalance)
    if ((imbalance != 0) & (np.abs(imbalance) < np.finfo(float).tiny)).any():  # its reciprocal may overflow
        raise DomainError("imbalance", "it is not 0 but below 2.3e-308", "pass 0.0")
    return time, sigma, initial_product, imbalance


def check_rescaled_mode(tau: Numbers, sigma: Numbers, epsilon: Numbers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arguments of one mode in rescaled time: tau >= 0, sigma > 0, and 0 < epsilon < 1, so that ln(1/ε) > 0."""
    tau, sigma, epsilon = check_broadcast(
        tau=nonnegative("tau", tau), sigma=check_sigma(sigma), epsilon=check_epsilon(epsilon)
    )
    check_range(sigma, tau=tau)
    if (epsilon >= 1).any():
        raise DomainError("epsilon", "ln(1/ε) is not positive", "measure σ and ε in a larger unit")
    return tau, sigma, epsilon


def check_alpha(alpha: Numbers) -> np.ndarray:
    """Exponents of power-law spectra with a finite loss, `α > ½`."""
    alpha = positive("alpha", alpha)
    if np.any(alpha <= 0.5):
        raise DomainError("alpha", "Σσ² is infinite for α <= ½", "use alpha > ½")
    return alpha


def check_falling(sigma: Any) -> np.ndarray:
    """The teacher's singular values as a list, > 0, strongest first; ShapeError, DomainError otherwise."""
    sigma = check_sigma(sigma)
    if sigma.ndim != 1 or not sigma.size:
        raise ShapeError(f"sigma {sigma.shape}", "it is not a list of features", "pass a 1-d array")
    if (np.diff(sigma) > 0).any():
        raise DomainError("sigma", "plateaus come in the order of strength", "sort it, strongest first")
    return sigma


def check_share(name: str, share: Any) -> np.ndarray:
    """Shares of data, or weights of a loss, from 0 to 1."""
    share = nonnegative(name, share, "pass 0 to 1")
    if (share > 1).any():
        raise DomainError(name, "it is above 1", "pass 0 to 1")
    return share


def check_tuned_mode(
    budget: Numbers, s: Numbers, sigma_task: Numbers, imbalance: Numbers
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The arguments of fine-tuning one mode: budget and s >= 0, the task's value and λ of either sign."""
    budget, s, sigma_task, imbalance = check_broadcast(
        budget=check_time("budget", budget),
        s=check_singular_value("s", s),
        sigma_task=finite("sigma_task", sigma_task),
        imbalance=finite("imbalance", imbalance),
    )
    return budget, s, sigma_task, imbalance


def check_layer_costs(
    sigma: Numbers, cost_1: Numbers, cost_2: Numbers, **others: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mode and the costs of noise on both layers, sigma >= 0 and costs > 0, with others that broadcast."""
    remedy = "compute it with remedies.layer_costs, for noise on both layers"
    sigma, cost_1, cost_2, *_ = check_broadcast(
        sigma=check_singular_value("sigma", sigma),
        cost_1=positive("cost_1", cost_1, remedy),
        cost_2=positive("cost_2", cost_2, remedy),
        **others,
    )
    check_range(sigma, cost_1=cost_1, cost_2=cost_2, **others)
    return sigma, cost_1, cost_2


def check_noisy_steps(
    learning_rate: Numbers, label_noise: Numbers, batch: Numbers
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arguments of SGD on noisy labels: learning_rate > 0, label_noise >= 0, batch >= 1, within the range."""
    learning_rate, label_noise, batch = check_broadcast(
        learning_rate=positive("learning_rate", learning_rate),
        label_noise=nonnegative("label_noise", label_noise, "pass the standard deviation"),
        batch=positive("batch", batch),
    )
    if (batch < 1).any():
        raise DomainError("batch", "a batch has at least one example", "pass batch >= 1")
    check_range(np.zeros(()), learning_rate=learning_rate, label_noise=label_noise, batch=batch)
    return learning_rate, label_noise, batch


def check_task_modes(name: str, values: np.ndarray, d_in: int, d_out: int, least: int = 0) -> None:
    """Refuse fewer modes, on the last axis, than `least`, or more than the widths have room for; ShapeError."""
    if values.ndim == 0 or values.shape[-1] < least:
        raise ShapeError(f"{name} {values.shape}", f"the last axis lists at least {least} mode", "pass [σ'] for one")
    if values.shape[-1] > min(d_in, d_out):
        raise ShapeError(f"{values.shape[-1]} modes", f"these widths have room for {min(d_in, d_out)}", "pass no more")


def check_loss_curve(lengths: Numbers, values: np.ndarray) -> np.ndarray:
    """Pretraining lengths > 0 that rise along their last axis, which is also the last axis of the values."""
    lengths = positive("lengths", lengths, "leave out the length 0, whose logarithm is not finite")
    if lengths.ndim == 0 or values.ndim == 0 or lengths.shape[-1] != values.shape[-1]:
        shapes = f"lengths {lengths.shape}, values {values.shape}"
        raise ShapeError(shapes, "the last axes are not the same lengths", "pass one value per length")
    check_broadcast(lengths=lengths, values=values)
    if np.any(np.diff(lengths, axis=-1) <= 0):
        raise DomainError("lengths", "they do not rise", "sort them, the losses with them, and average repeated ones")
    return lengths


def check_weights(weights: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """The list W1, …, WL as float64 matrices for which `W_L … W_1` is defined; ShapeError otherwise.

    >>> [w.shape for w in check_weights([[[1, 2]], [[1], [2], [3]]])]
    [(1, 2), (3, 1)]
    """
    layers = tuple(finite(f"w{i}", w) for i, w in enumerate(listed("weights", weights), 1))
    if not layers:
        raise ShapeError("no layers", "a network has at least one", "pass W1 … WL")
    for i, layer in enumerate(layers, 1):
        if layer.ndim != 2 or layer.size == 0:
            raise ShapeError(f"w{i} of shape {layer.shape}", "a layer is a non-empty matrix", "pass outputs × inputs")
        if i > 1 and layer.shape[1] != (before := layers[i - 2].shape)[0]:
            raise ShapeError(
                f"w{i - 1} {before}, w{i} {layer.shape}", f"w{i} @ w{i - 1} is not defined", "pass W1 … WL in order"
            )
    return layers


def check_teacher(teacher: Any, layers: Sequence[np.ndarray], name: str = "teacher") -> np.ndarray:
    """The teacher, or the task, as a float64 matrix of the network's shape `d_out × d_in`; ShapeError otherwise."""
    matrix = finite(name, teacher)
    shape = (layers[-1].shape[0], layers[0].shape[1])
    if matrix.shape != shape:
        raise ShapeError(f"a {name} of shape {matrix.shape}", f"the network is {shape}", f"pass a {name} of its shape")
    return matrix


def check_input_covariance(input_covariance: Any, d_in: int) -> np.ndarray:
    """Σx, `d_in × d_in`, symmetric and positive semidefinite; the identity for None. ShapeError, DomainError otherwise.

    Negative eigenvalues and asymmetry up to 1e-6 of the largest are rounding errors in float32, and are set to 0.

    >>> check_input_covariance(None, 2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if input_covariance is None:
        return np.eye(d_in)
    covariance = finite("input_covariance", input_covariance)
    if covariance.shape != (d_in, d_in):
        raise ShapeError(f"input_covariance {covariance.shape}", f"w1 takes {d_in} inputs", "pass d_in × d_in")
    return positive_covariance("input_covariance", covariance)


def check_imbalance(imbalance: float, h: int, d_out: int, d_in: int) -> None:
    """Refuse, with a ShapeError, an imbalance λ that no weights of these shapes have: `h <= rank(λI + W1W1ᵀ)`."""
    side, d = ("d_out", d_out) if imbalance > 0 else ("d_in", d_in)
    if imbalance and h > d:
        raise ShapeError(
            f"imbalance {imbalance:g} with h = {h}, {side} = {d}",
            f"W2ᵀW2 − W1W1ᵀ = λI needs h <= {side}",
            "narrow the hidden layer, or pass imbalance=0.0",
        )


def check_orthonormal(name: str, frame: np.ndarray, tolerance: float) -> None:
    """Refuse, with a DomainError, a matrix whose columns are not orthonormal to the tolerance."""
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = np.abs(frame.T @ frame - np.eye(frame.shape[1])).max()
    if not deviation <= tolerance:  # also where it overflows
        raise DomainError(name, "its columns are not orthonormal", "orthonormalize them (numpy.linalg.qr)")
