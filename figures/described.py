"""Numbers of a caption, read from the protocol of the data that are drawn."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import read
from overtraining.setting.starts import Aligned, Balanced
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, Task
from overtraining.setting.teachers import PowerLaw, mode_count, singular_values
from overtraining.setting.training import GradientDescent

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
FRACTIONS = {0.25: "¼", 0.5: "½", 0.75: "¾"}
MANY = 8  # singular values that a caption lists


def protocol_of(data: xr.Dataset) -> Protocol:
    """The protocol that a figure's data were made from."""
    return read(data.attrs["protocol"])


def network(protocol: Protocol) -> str:
    """The widths of the layers, such as 6→4→5."""
    n = protocol.network
    return "→".join(str(width) for width in (n.d_in, *(n.h,) * (n.depth - 1), n.d_out))


def spectrum(protocol: Protocol) -> str:
    """The teacher's singular values: a law or a list.

    >>> from overtraining.setting.teachers import Spectrum
    >>> spectrum(Protocol(PowerLaw(4), (0, 1))), spectrum(Protocol(PowerLaw(4, 2.0, 1.5), (0, 1)))
    ('1/i', '1.5/i^2')
    >>> spectrum(Protocol(Spectrum((1.0, 0.6)), (0, 1)))
    '1, 0.6'
    """
    teacher = protocol.teacher
    if isinstance(teacher, PowerLaw):
        return f"{teacher.scale:g}/i" + (f"^{teacher.alpha:g}" if teacher.alpha != 1 else "")
    return listed(singular_values(teacher))


def listed(values: Iterable[float], fractions: bool = False) -> str:
    """Numbers with commas, simple fractions as one sign if so asked; of many, the first and the last ones.

    >>> listed((1.0, 0.5, 0.25), fractions=True)
    '1, ½, ¼'
    """
    texts = [FRACTIONS.get(float(value), f"{value:g}") if fractions else f"{value:g}" for value in values]
    return ", ".join(texts if len(texts) <= MANY else [*texts[:2], "…", texts[-1]])


def features(protocol: Protocol) -> int:
    """How many features the teacher has."""
    return mode_count(protocol.teacher)


def word(number: int) -> str:
    """A small number as a word.

    >>> word(4), word(24)
    ('four', '24')
    """
    return WORDS[number] if number < len(WORDS) else str(number)


def epsilon(protocol: Protocol) -> float:
    """The singular value from which an aligned or balanced network starts; of other starts, not a number."""
    return protocol.start.epsilon if isinstance(protocol.start, Aligned | Balanced) else float("nan")


def imbalance(protocol: Protocol) -> float:
    """How far the layers of an aligned network differ at the start; of other starts, not a number."""
    return protocol.start.imbalance if isinstance(protocol.start, Aligned) else float("nan")


def task(protocol: Protocol) -> Task | None:
    """The task of fine-tuning; None for other perturbations."""
    return protocol.perturbation.task if isinstance(protocol.perturbation, FineTuning) else None


def angle(protocol: Protocol) -> float:
    """The angle by which the task is rotated; of other tasks, not a number."""
    found = task(protocol)
    return found.angle if isinstance(found, RotatedTeacher) else float("nan")


def sigma_task(protocol: Protocol) -> tuple[float, ...]:
    """The singular values of a task that shares the teacher's singular vectors; of other tasks, none."""
    found = task(protocol)
    return tuple(found.values) if isinstance(found, SharedVectors) else ()


def noisy_batches(protocol: Protocol) -> str:
    """The batch and the noise on labels of fine-tuning by steps: Batch 4, ν = 0.5."""
    tuning = protocol.perturbation
    if not isinstance(tuning, FineTuning) or not isinstance(tuning.training, GradientDescent):
        return "Gradient flow"
    return f"Batch {tuning.training.batch}, ν = {tuning.label_noise:g}"


def power(number: float) -> str:
    """A small number as a power of ten: 1e-6, not 1e-06.

    >>> power(1e-6), power(0.00025), power(0.05)
    ('1e-6', '2.5e-4', '5e-2')
    """
    digits, _, exponent = f"{number:.3e}".partition("e")
    return f"{float(digits):g}e{int(exponent)}"


def millions(number: float | int) -> str:
    """A number of parameters in millions or billions.

    >>> millions(5_727_840), millions(6_682_841_088)
    ('6M', '6.7B')
    """
    return f"{number / 1e9:.1f}B" if number >= 1e9 else f"{number / 1e6:.0f}M"


def turning(length: float) -> str:
    """Where a loss turns, or that it does not turn at the lengths that are shown.

    >>> turning(16.54), turning(float("inf"))
    ('16.5', 'none here')
    """
    return f"{length:.1f}" if np.isfinite(length) else "none here"
