"""A resolved protocol: the matrices, frames and spectra that a Protocol stands for, each computed once.

Solvers and simulations resolve a protocol and pass the result on. It holds what defines the protocol, and nothing that
is derived from a claim, so that theory and simulations can share it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from overtraining.setting.covariances import SAME, common_frames, off_diagonal, without_rounding
from overtraining.setting.domain import instance
from overtraining.setting.errors import DomainError
from overtraining.setting.inputs import covariance_in_axes, own_axes, own_covariance
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol
from overtraining.setting.starts import Balanced, rotated_frames
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, rotated_matrix, shared_matrix
from overtraining.setting.teachers import (
    Matrix,
    completed_frames,
    full_frames,
    matrix_in_frames,
    singular_frames,
    singular_values,
    teacher_matrix,
)


@dataclass(frozen=True)
class ResolvedProtocol:
    """A protocol and what it stands for. Everything is computed when it is first asked for, and then kept.

    Frames hold singular vectors or eigenvectors as columns. `DomainError` refuses frames that would fill the memory.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> resolved = resolve(Protocol(PowerLaw(2), lengths=(0, 9), strengths=(0.1,)))
    >>> u, v = resolved.frames
    >>> np.allclose((u * resolved.sigma) @ v.T, resolved.teacher), resolved.variances.tolist()
    (True, [1.0, 1.0])
    """

    protocol: Protocol

    def __post_init__(self) -> None:
        instance("protocol", self.protocol, Protocol)

    @cached_property
    def sigma(self) -> Float[np.ndarray, " modes"]:
        """The teacher's singular values in decreasing order."""
        return singular_values(self.protocol.teacher)

    @cached_property
    def singular_frames(
        self,
    ) -> tuple[Float[np.ndarray, "d_out modes"], Float[np.ndarray, " modes"], Float[np.ndarray, "modes d_in"]]:
        """`U, σ, Vᵀ` with `A = U diag(σ) Vᵀ`."""
        if isinstance(self.protocol.teacher, Matrix) and not self._own_axes:
            return self._decomposition
        (u, v), modes = self.frames, self.sigma.size
        return u[:, :modes], self.sigma, v[:, :modes].T

    @cached_property
    def _decomposition(
        self,
    ) -> tuple[Float[np.ndarray, "d_out modes"], Float[np.ndarray, " modes"], Float[np.ndarray, "modes d_in"]]:
        """That of a matrix; its modes alone, since the complete frames of one with unequal sides may be large."""
        n = self.protocol.network
        return singular_frames(self.protocol.teacher, n.d_out, n.d_in)

    @property
    def _own_axes(self) -> bool:
        return bool(self.protocol.inputs.input_covariance) and not self.isotropic

    @cached_property
    def frames(self) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
        """U and V, completed to square orthonormal frames; along the axes of a given Σx where A leaves them open."""
        if isinstance(self.protocol.teacher, Matrix):
            left, _, right = self._decomposition
            both = completed_frames(left, right)
        else:
            both = full_frames(self.protocol.teacher, self.protocol.network.d_out, self.protocol.network.d_in)
        return common_frames(*both, self.sigma, self.input_covariance) if self._own_axes else both

    @cached_property
    def teacher(self) -> Float[np.ndarray, "d_out d_in"]:
        """The pretraining teacher's matrix A."""
        return matrix_in_frames(self.protocol.teacher, *self.singular_frames)

    @cached_property
    def task(self) -> Float[np.ndarray, "d_out d_in"]:
        """The downstream task's matrix B; DomainError if the protocol has no fine-tuning."""
        perturbation = self.protocol.perturbation
        if not isinstance(perturbation, FineTuning):
            raise DomainError(f"the task of {perturbation!r}", "only fine-tuning has a task", "pass FineTuning(…)")
        task, n = perturbation.task, self.protocol.network
        if isinstance(task, SharedVectors):
            return shared_matrix(task, *self.frames)
        if isinstance(task, RotatedTeacher):
            return rotated_matrix(task, self.teacher)
        return teacher_matrix(task, n.d_out, n.d_in, "task")

    @cached_property
    def start_frames(self) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
        """The frames U₀ and V₀ of the product at the start: rotated for a `Balanced` start, else the teacher's."""
        start = self.protocol.start
        return rotated_frames(start, *self.frames) if isinstance(start, Balanced) else self.frames

    @cached_property
    def isotropic(self) -> bool:
        """Whether the covariance of the inputs is a multiple of the identity."""
        return self.protocol.inputs.isotropic

    @cached_property
    def misalignment(self) -> float:
        """The largest entry of a given Σx beside the diagonal, in the axes V, relative to the largest on it."""
        return off_diagonal(self.frames[1], self.input_covariance)

    @cached_property
    def shares_axes(self) -> bool:
        """Whether Σx is diagonal in the axes V of the teacher, to about 1e-10 where it is given as a matrix."""
        inputs = self.protocol.inputs
        if not inputs.input_covariance:
            return inputs.shared or self.isotropic
        return self.isotropic or self.misalignment <= SAME

    @cached_property
    def variances(self) -> Float[np.ndarray, " d_in"]:
        """The eigenvalues of Σx, in the order of its `input_axes`: of the teacher's modes if it shares their axes."""
        covariance, d_in = self.protocol.inputs.input_covariance, self.protocol.network.d_in
        if covariance and self.isotropic:
            return np.full(d_in, np.trace(covariance) / d_in)
        if covariance and self.shares_axes:
            v = self.frames[1]
            return without_rounding((v * (self.input_covariance @ v)).sum(axis=0))
        return self.protocol.inputs.variances(self.protocol.network.d_in)

    @cached_property
    def input_axes(self) -> Float[np.ndarray, "d_in d_in"]:
        """The eigenvectors of Σx, in the order of `variances`; the coordinate axes for whitened inputs."""
        inputs = self.protocol.inputs
        d_in = self.protocol.network.d_in
        if not (inputs.spectrum or self._own_axes):
            return np.eye(d_in)
        return self.frames[1] if inputs.shared and self.shares_axes else own_axes(inputs, d_in)

    @cached_property
    def input_covariance(self) -> Float[np.ndarray, "d_in d_in"]:
        """The covariance Σx of the inputs."""
        inputs = self.protocol.inputs
        if inputs.input_covariance:
            return own_covariance(inputs)
        return covariance_in_axes(inputs, self.input_axes) if inputs.spectrum else self.input_axes


def resolve(protocol: Protocol) -> ResolvedProtocol:
    """The matrices, frames and spectra of a protocol, to be passed on to everything that needs them."""
    return ResolvedProtocol(protocol)
