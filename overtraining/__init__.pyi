# isort: skip_file
# The setting: a Protocol and its parts, what is read off a Response, text, refusals
from .setting import (
    Protocol as Protocol,  # pretraining on a teacher, then a perturbation, over lengths and strengths
    Network as Network,
    Sampling as Sampling,
    PowerLaw as PowerLaw,  # teachers
    Geometric as Geometric,
    Spectrum as Spectrum,
    Matrix as Matrix,
    teacher as teacher,
    from_data as from_data,  # a teacher and inputs from examples (X, Y)
    Inputs as Inputs,
    Aligned as Aligned,  # starts
    Balanced as Balanced,
    SmallGaussian as SmallGaussian,
    FanIn as FanIn,
    Weights as Weights,  # your own weights
    GradientFlow as GradientFlow,  # training
    GradientDescent as GradientDescent,
    Noise as Noise,  # perturbations
    Quantization as Quantization,
    Pruning as Pruning,
    FineTuning as FineTuning,
    SharedVectors as SharedVectors,  # tasks of fine-tuning
    RotatedTeacher as RotatedTeacher,
    sensitivity as sensitivity,  # read off a Response
    inflection_point as inflection_point,
    validate as validate,
    read as read,  # a Protocol as text
    write as write,
    Refusal as Refusal,
)

# Drawing a Response or a Trajectory
from .figures import plot as plot, show as show

# The packages
from . import (
    setting as setting,  # what is said and measured
    theory as theory,  # what is true: respond, follow, and formulas by topic
    simulations as simulations,  # what happens: respond, follow
    experiments as experiments,  # where theory and simulations meet
    figures as figures,  # what people see
    demos as demos,  # lessons and the page
)

__version__: str
