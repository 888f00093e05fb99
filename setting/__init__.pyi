# isort: skip_file
# The Protocol: what is done to a network
from .protocol import (
    Network as Network,  # the student: widths, depth, activation
    Protocol as Protocol,  # pretraining on a teacher, then a perturbation, over lengths and strengths
    Sampling as Sampling,  # how often a simulation repeats
)

# Teachers: the linear map that pretraining learns
from .teachers import (
    PowerLaw as PowerLaw,  # singular values i^(−alpha)
    Geometric as Geometric,  # singular values ratio^(i−1)
    Spectrum as Spectrum,  # any singular values
    Matrix as Matrix,  # the matrix itself
    teacher as teacher,  # a teacher from a spectrum, a matrix or a file
    singular_values as singular_values,
    singular_frames as singular_frames,  # U, σ, Vᵀ
    teacher_matrix as teacher_matrix,  # A = U diag(σ) Vᵀ
)

# Inputs, starts and training
from .inputs import (
    Inputs as Inputs,  # covariance of x, size of the training set, noise of the labels
    input_axes as input_axes,  # eigenvectors of the covariance
    input_covariance as input_covariance,
)
from .own_data import (
    OwnData as OwnData,  # a teacher, inputs and a rank
    from_data as from_data,  # the same from examples (X, Y)
)
from .starts import (
    Aligned as Aligned,  # every mode of the teacher starts at epsilon
    Balanced as Balanced,  # balanced, in frames rotated from the teacher's
    SmallGaussian as SmallGaussian,  # small random weights
    FanIn as FanIn,  # the standard random weights
    start_frames as start_frames,  # the frames of a balanced start
)
from .weights import Weights as Weights  # your own weights
from .training import (
    GradientFlow as GradientFlow,  # continuous time
    GradientDescent as GradientDescent,  # steps of an optimizer, with a schedule
)

# Perturbations after pretraining, and the tasks of fine-tuning
from .perturbations import (
    Noise as Noise,  # independent noise on every weight
    Quantization as Quantization,  # rounding
    Pruning as Pruning,  # the smallest weights become 0
    FineTuning as FineTuning,  # training on a downstream task
    bits as bits,  # the strength of rounding to so many bits
)
from .tasks import (
    SharedVectors as SharedVectors,  # the teacher's singular vectors, other singular values
    RotatedTeacher as RotatedTeacher,  # the teacher, rotated
    task_matrix as task_matrix,  # the task's matrix B
)

# A protocol as text, and resolved
from .serialization import (
    read as read,  # the Protocol of a JSON text
    write as write,  # the canonical JSON text of a Protocol
)
from .resolved import (
    ResolvedProtocol as ResolvedProtocol,  # the matrices, frames and spectra of a protocol, each computed once
    resolve as resolve,  # the ResolvedProtocol of a Protocol
)

# Responses and Trajectories: what is computed, or measured
from .responses import (
    response as response,  # a valid Response from arrays: losses before and after a perturbation
    trajectory as trajectory,  # a valid Trajectory from arrays: quantities along pretraining
    validate as validate,  # refuses what is not a Response or Trajectory
    curve as curve,  # one quantity of a Response, averaged over seeds
    sensitivity as sensitivity,  # how much worse the perturbation makes it
)
from .inflection import (
    inflection_point as inflection_point,  # the length beyond which the result only gets worse, on the grid
)

# Refusals: what was given, why it cannot be, what to do instead
from .errors import (
    Refusal as Refusal,  # the base class
    DomainError as DomainError,  # a number outside the domain
    ShapeError as ShapeError,  # arrays that do not fit each other
    NoFormula as NoFormula,  # a protocol without an exact solution
    NotSolved as NotSolved,  # a solver that did not reach its tolerance
    SchemaError as SchemaError,  # not a Response or Trajectory
)
