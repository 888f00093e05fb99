"""Inputs: the distribution of x, the size of the training set, and the noise of the labels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import (
    check_fields,
    instance,
    one_nonnegative,
    positive_list,
    truth,
    whole,
    whole_nonnegative,
)
from overtraining.setting.errors import ShapeError
from overtraining.setting.near_names import NamedFields
from overtraining.setting.teachers import Teacher, full_frames, random_frame


@dataclass(frozen=True)
class Inputs(NamedFields):
    """`x ~ N(0, Σx)`, `y = A x + label_noise · N(0, I)`.

    spectrum: the d_in eigenvalues of Σx, in the order of the teacher's modes; empty for whitened inputs, Σx = I.
    shared: True if the eigenvectors are the teacher's right singular vectors; else they are Haar-random, drawn from
    `frame_seed`.
    samples: size of the training set; None for the whole population. Losses are reported without the labels' noise.
    """

    spectrum: Sequenced = ()
    shared: bool = True
    samples: int | None = None
    label_noise: float = 0.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        check_fields(
            self, spectrum=positive_list, shared=truth, label_noise=one_nonnegative, frame_seed=whole_nonnegative
        )
        if self.samples is not None:
            check_fields(self, samples=whole)

    @property
    def isotropic(self) -> bool:
        """Whether Σx is a multiple of the identity, so that its axes do not matter.

        >>> Inputs().isotropic, Inputs((2.0, 2.0)).isotropic, Inputs((2.0, 1.0)).isotropic
        (True, True, False)
        """
        return len(set(self.spectrum)) <= 1

    def variances(self, d_in: int) -> Float[np.ndarray, " d_in"]:
        """All eigenvalues of Σx, in the order of `spectrum`."""
        return np.array(self.spectrum) if self.spectrum else np.ones(d_in)


def input_covariance(inputs: Inputs, teacher: Teacher, d_out: int, d_in: int) -> Float[np.ndarray, "d_in d_in"]:
    """The covariance Σx of these inputs.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> np.linalg.eigvalsh(input_covariance(Inputs(spectrum=(1.0, 4.0)), PowerLaw(2), 2, 2)).round(12).tolist()
    [1.0, 4.0]
    """
    return covariance_in_axes(inputs, input_axes(inputs, teacher, d_out, d_in))


def covariance_in_axes(inputs: Inputs, axes: Float[np.ndarray, "d_in d_in"]) -> Float[np.ndarray, "d_in d_in"]:
    """The same, where the `input_axes` are known."""
    return (axes * np.array(inputs.spectrum)) @ axes.T if inputs.spectrum else axes


def input_axes(inputs: Inputs, teacher: Teacher, d_out: int, d_in: int) -> Float[np.ndarray, "d_in d_in"]:
    """The eigenvectors of Σx (columns) in the order of its spectrum; for whitened inputs the coordinate axes.

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
    return random_frame(d_in, np.random.default_rng(inputs.frame_seed)) if inputs.spectrum else np.eye(d_in)


def check_inputs_fit(inputs: Inputs, d_in: int) -> None:
    """Refuse, with a ShapeError, a spectrum of another length than x."""
    if inputs.spectrum and len(inputs.spectrum) != d_in:
        eigenvalues = f"{len(inputs.spectrum)} eigenvalues of the inputs"
        raise ShapeError(eigenvalues, f"x has {d_in} entries", "pass one eigenvalue for each entry")
