from . import sweeps as sweeps
from .data import LearningProblem as LearningProblem, population_loss as population_loss
from .measurements import (
    distance_from_pretrained as distance_from_pretrained,
    follow as follow,
    initialize as initialize,
    pretrain as pretrain,
    pretrained as pretrained,
    respond as respond,
)
from .networks import Layer as Layer, Layers as Layers
from .training_plan import RunNumbers as RunNumbers, TrainingPlan as TrainingPlan, plan_training as plan_training
