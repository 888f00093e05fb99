# The setting: what is said and measured
# The packages
from . import (
    experiments as experiments,
    figures as figures,
    setting as setting,
    simulations as simulations,
    theory as theory,
)

# Drawing a Response or a Trajectory
from .figures import plot as plot
from .setting import (
    Aligned as Aligned,
    Balanced as Balanced,
    FanIn as FanIn,
    FineTuning as FineTuning,
    Geometric as Geometric,
    GradientDescent as GradientDescent,
    GradientFlow as GradientFlow,
    Inputs as Inputs,
    Matrix as Matrix,
    Network as Network,
    Noise as Noise,
    PowerLaw as PowerLaw,
    Protocol as Protocol,
    Pruning as Pruning,
    Quantization as Quantization,
    Refusal as Refusal,
    RotatedTeacher as RotatedTeacher,
    Sampling as Sampling,
    SharedVectors as SharedVectors,
    SmallGaussian as SmallGaussian,
    Spectrum as Spectrum,
    inflection_point as inflection_point,
    read as read,
    sensitivity as sensitivity,
    teacher as teacher,
    validate as validate,
    write as write,
)

__version__: str
