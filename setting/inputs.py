"""Inputs: the distribution of x, the size of the training set, and the noise of the labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from overtraining.setting import limits
from overtraining.setting.arrays import Sequenced
from overtraining.setting.covariances import SAME, eigenvalues_and_axes, positive_covariance, symmetric_covariance
from overtraining.setting.domain import (
    at_most,
    check_fields,
    instance,
    one_nonnegative,
    positive_list,
    truth,
    whole,
    whole_nonnegative,
)
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.near_names import NamedFields
from overtraining.setting.random_frames import generator_for, random_frame
from overtraining.setting.shown import shown
from overtraining.setting.teachers import Teacher, full_frames


def _covariance(name: str, matrix: Any) -> np.ndarray:
    if np.ndim(matrix) == 1 and not len(matrix):
        return np.zeros(0)
    covariance = symmetric_covariance(name, matrix)
    at_most(f"{name}: entries", covariance.size, limits.MATRIX, "a protocol holds them as Python's numbers")
    if not covariance.any():
        raise DomainError(name, "all of it is 0: nothing can be learned from one input", "pass E[x xᵀ]")
    return covariance


@dataclass(frozen=True)
class Inputs(NamedFields):
    """`x ~ N(0, Σx)`, `y = A x + label_noise · N(0, I)`.

    spectrum: the d_in eigenvalues of Σx, in the order of the teacher's modes; empty for whitened inputs, Σx = I.
    shared: True if the eigenvectors are the teacher's right singular vectors; else they are Haar-random, drawn from
    `frame_seed`.
    samples: size of the training set; None for the whole population.
    label_noise: standard deviation of the noise on the labels. Losses are reported without it.
    frame_seed: what the eigenvectors are drawn from if they are not shared.
    input_covariance: Σx itself, `d_in × d_in`, instead of a spectrum; `from_data` estimates it. Negative eigenvalues
    and asymmetry up to 1e-6 of the largest are rounding errors in float32: such eigenvalues count as 0.

    >>> Inputs(input_covariance=[[2, 1], [1, 2]]).variances(2).round(12).tolist()
    [1.0, 3.0]
    """

    spectrum: Sequenced = ()
    shared: bool = True
    samples: int | None = None
    label_noise: float = 0.0
    frame_seed: int = 0
    input_covariance: Sequenced = ()

    def __repr__(self) -> str:
        return shown(self)

    def __post_init__(self) -> None:
        check_fields(
            self, spectrum=positive_list, shared=truth, label_noise=one_nonnegative, frame_seed=whole_nonnegative
        )
        if self.samples is not None:
            check_fields(self, samples=whole)
        check_fields(self, input_covariance=_covariance)
        if self.input_covariance and (self.spectrum or not self.shared):
            given = "a spectrum" if self.spectrum else "shared=False"
            why = "the matrix has eigenvalues and axes of its own"
            raise DomainError(f"input_covariance and {given}", why, "pass one of them")

    @property
    def isotropic(self) -> bool:
        """Whether Σx is a multiple of the identity, so that its axes do not matter.

        >>> Inputs().isotropic, Inputs((2.0, 2.0)).isotropic, Inputs((2.0, 1.0)).isotropic
        (True, True, False)
        """
        if self.input_covariance:
            covariance = np.array(self.input_covariance)
            variance = np.diag(covariance).mean()
            return bool((np.abs(covariance - variance * np.eye(len(covariance))) <= SAME * variance).all())
        return len(set(self.spectrum)) <= 1

    @property
    def whitened(self) -> bool:
        """Whether Σx = I because nothing else is said."""
        return not (self.spectrum or self.input_covariance)

    def variances(self, d_in: int) -> Float[np.ndarray, " d_in"]:
        """All eigenvalues of Σx, in the order of `spectrum`; those of a given matrix in increasing order."""
        if self.input_covariance:
            return eigenvalues_and_axes(np.array(self.input_covariance))[0]
        return np.array(self.spectrum) if self.spectrum else np.ones(d_in)


def input_covariance(inputs: Inputs, teacher: Teacher, d_out: int, d_in: int) -> Float[np.ndarray, "d_in d_in"]:
    """The covariance Σx of these inputs.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> np.linalg.eigvalsh(input_covariance(Inputs(spectrum=(1.0, 4.0)), PowerLaw(2), 2, 2)).round(12).tolist()
    [1.0, 4.0]
    """
    axes = input_axes(inputs, teacher, d_out, d_in)
    if inputs.input_covariance:
        return own_covariance(inputs)
    return covariance_in_axes(inputs, axes) if inputs.spectrum else axes


def covariance_in_axes(inputs: Inputs, axes: Float[np.ndarray, "d_in d_in"]) -> Float[np.ndarray, "d_in d_in"]:
    """The Σx of a spectrum, where the `input_axes` are known."""
    return (axes * np.array(inputs.spectrum)) @ axes.T


def own_covariance(inputs: Inputs) -> Float[np.ndarray, "d_in d_in"]:
    """The Σx that is given as a matrix, without negative eigenvalues."""
    return positive_covariance("input_covariance", inputs.input_covariance)


def input_axes(inputs: Inputs, teacher: Teacher, d_out: int, d_in: int) -> Float[np.ndarray, "d_in d_in"]:
    """The eigenvectors of Σx (columns) in the order of `variances`; for whitened inputs the coordinate axes.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> axes = input_axes(Inputs(spectrum=(1.0, 4.0), shared=False), PowerLaw(2), 2, 2)
    >>> np.allclose(axes.T @ axes, np.eye(2))
    True
    """
    instance("inputs", inputs, Inputs)
    d_in = whole("d_in", d_in)
    check_inputs_fit(inputs, d_in)
    if inputs.spectrum and inputs.shared:
        return full_frames(teacher, d_out, d_in)[1]
    return own_axes(inputs, d_in)


def own_axes(inputs: Inputs, d_in: int) -> Float[np.ndarray, "d_in d_in"]:
    """The eigenvectors of Σx where they are not the teacher's."""
    if inputs.input_covariance:
        return eigenvalues_and_axes(np.array(inputs.input_covariance))[1]
    if not inputs.spectrum:
        return np.eye(d_in)
    return random_frame(d_in, generator_for("input axes", inputs.frame_seed))


def check_inputs_fit(inputs: Inputs, d_in: int) -> None:
    """Refuse, with a ShapeError, a spectrum or a covariance of another length than x."""
    if inputs.input_covariance and len(inputs.input_covariance) != d_in:
        shape = (len(inputs.input_covariance),) * 2
        raise ShapeError(f"input_covariance of shape {shape}", f"x has {d_in} entries", "pass d_in × d_in")
    if inputs.spectrum and len(inputs.spectrum) != d_in:
        eigenvalues = f"{len(inputs.spectrum)} eigenvalues of the inputs"
        raise ShapeError(eigenvalues, f"x has {d_in} entries", "pass one eigenvalue for each entry")
