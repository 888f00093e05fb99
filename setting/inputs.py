"""Inputs: the distribution of x, whether the loss is over all of it or over a sample, and the noise of the labels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import freeze, instance, one_nonnegative, positive, truth, whole
from overtraining.setting.errors import ShapeError
from overtraining.setting.teachers import Teacher, full_frames, random_frame


@dataclass(frozen=True)
class Inputs:
    """`x ~ N(0, Σx)`, `y = A x + label_noise · N(0, I)`.

    spectrum: the d_in eigenvalues of Σx, in the order of the teacher's modes; empty for whitened inputs, Σx = I.
    shared: the eigenvectors are the teacher's right singular vectors; else Haar-random, drawn from `frame_seed`.
    samples: size of the training set; None for the population. A loss is always reported without the labels' noise.
    """

    spectrum: Sequenced = ()
    shared: bool = True
    samples: int | None = None
    label_noise: float = 0.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        spectrum = positive("spectrum", self.spectrum)
        if spectrum.ndim != 1:
            raise ShapeError(f"spectrum of shape {spectrum.shape}", "it is a list of eigenvalues", "pass a 1-d array")
        freeze(self, spectrum=spectrum, label_noise=one_nonnegative("label_noise", self.label_noise))
        freeze(self, frame_seed=whole("frame_seed", self.frame_seed, least=0))
        truth("shared", self.shared)
        if self.samples is not None:
            freeze(self, samples=whole("samples", self.samples))

    @property
    def isotropic(self) -> bool:
        """Is Σx a multiple of the identity? Then its axes do not matter.

        >>> Inputs().isotropic, Inputs((2.0, 2.0)).isotropic, Inputs((2.0, 1.0)).isotropic
        (True, True, False)
        """
        return len(set(self.spectrum)) <= 1

    def variances(self, d_in: int) -> Float[np.ndarray, " d_in"]:
        """The eigenvalues of Σx, written out."""
        return np.array(self.spectrum) if self.spectrum else np.ones(d_in)


def input_covariance(inputs: Inputs, teacher: Teacher, d_out: int, d_in: int) -> Float[np.ndarray, "d_in d_in"]:
    """The covariance Σx that a description of inputs means.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> np.linalg.eigvalsh(input_covariance(Inputs(spectrum=(1.0, 4.0)), PowerLaw(2), 2, 2)).round(12).tolist()
    [1.0, 4.0]
    """
    frame = input_axes(inputs, teacher, d_out, d_in)
    return (frame * np.array(inputs.spectrum)) @ frame.T if inputs.spectrum else frame


def input_axes(inputs: Inputs, teacher: Teacher, d_out: int, d_in: int) -> Float[np.ndarray, "d_in d_in"]:
    """The eigenvectors of Σx (columns) in the order of its spectrum; of whitened inputs the coordinate axes.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> axes = input_axes(Inputs(spectrum=(1.0, 4.0), shared=False), PowerLaw(2), 2, 2)
    >>> np.allclose(axes.T @ axes, np.eye(2))
    True
    """
    instance("inputs", inputs, Inputs)
    d_in = whole("d_in", d_in)
    if inputs.spectrum and len(inputs.spectrum) != d_in:
        raise ShapeError(f"{len(inputs.spectrum)} eigenvalues of the inputs", f"x has {d_in} entries", "pass one each")
    if not inputs.spectrum:
        return np.eye(d_in)
    if inputs.shared:
        return full_frames(teacher, d_out, d_in)[1]
    return random_frame(d_in, np.random.default_rng(inputs.frame_seed))
