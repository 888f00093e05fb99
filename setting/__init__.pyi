# The Protocol: what is done to a network
# Refusals: what cannot be answered, why, and what to do instead
from .errors import (
    DomainError as DomainError,
    NoFormula as NoFormula,
    NotSolved as NotSolved,
    Refusal as Refusal,
    SchemaError as SchemaError,
    ShapeError as ShapeError,
)

# Responses and Trajectories: what is measured or computed
from .grid_inflection import inflection_point as inflection_point

# Inputs, starts and training
from .inputs import Inputs as Inputs, input_axes as input_axes, input_covariance as input_covariance

# Perturbations after pretraining, and the tasks of fine-tuning
from .perturbations import (
    FineTuning as FineTuning,
    Noise as Noise,
    Pruning as Pruning,
    Quantization as Quantization,
    bits as bits,
)
from .protocol import Network as Network, Protocol as Protocol, Sampling as Sampling
from .responses import (
    curve as curve,
    response as response,
    sensitivity as sensitivity,
    trajectory as trajectory,
    validate as validate,
)
from .serialization import read as read, write as write
from .starts import (
    Aligned as Aligned,
    Balanced as Balanced,
    FanIn as FanIn,
    SmallGaussian as SmallGaussian,
    start_frames as start_frames,
)
from .tasks import RotatedTeacher as RotatedTeacher, SharedVectors as SharedVectors, task_matrix as task_matrix

# Teachers: the function that pretraining learns
from .teachers import (
    Geometric as Geometric,
    Matrix as Matrix,
    PowerLaw as PowerLaw,
    Spectrum as Spectrum,
    singular_frames as singular_frames,
    singular_values as singular_values,
    teacher as teacher,
    teacher_matrix as teacher_matrix,
)
from .training import GradientDescent as GradientDescent, GradientFlow as GradientFlow
