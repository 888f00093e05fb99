"""What is true: definitions, closed forms and their domains, in NumPy and SciPy, float64. Knows nothing of JAX."""

from theory.balanced_mode import singular_value as singular_value, unlearned as unlearned
from theory.errors import (
    DomainError as DomainError,
    NoFormula as NoFormula,
    NotSolved as NotSolved,
    Refusal as Refusal,
    SchemaError as SchemaError,
    ShapeError as ShapeError,
)
from theory.exact import follow as follow, respond as respond
from theory.inflection import inflection_point as inflection_point
from theory.noise import (
    expected_increase as expected_increase,
    expected_increase_at as expected_increase_at,
    mode_cost as mode_cost,
)
from theory.noisy_mode import inflection_time as inflection_time
from theory.protocol import (
    Aligned as Aligned,
    GaussianNoise as GaussianNoise,
    GradientDescent as GradientDescent,
    GradientFlow as GradientFlow,
    Network as Network,
    Protocol as Protocol,
    Sampling as Sampling,
    SmallGaussian as SmallGaussian,
    read as read,
    write as write,
)
from theory.responses import (
    curve as curve,
    response as response,
    sensitivity as sensitivity,
    trajectory as trajectory,
    validate as validate,
)
from theory.teachers import (
    Matrix as Matrix,
    PowerLaw as PowerLaw,
    Spectrum as Spectrum,
    singular_frames as singular_frames,
    singular_values as singular_values,
    teacher as teacher,
    teacher_matrix as teacher_matrix,
)
