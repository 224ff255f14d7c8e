"""The trainer: samples, recipes, budgets, losses, optimizers and learning curves.

It trains any object with parameters, a loss and a gradient. Layers are in :mod:`cnn.layers`, networks in
:mod:`cnn.models`.
"""

from cnn.training.budget import TrainingBudget
from cnn.training.curve import LearningCurve
from cnn.training.descent import Trainable
from cnn.training.fitting import EpochRecord, FitReport, FitState, fit
from cnn.training.losses import LOSSES, Loss
from cnn.training.optimizers import OPTIMIZERS, Optimizer
from cnn.training.recipe import Recipe, batch_indices, learning_rates
from cnn.training.recipe_genes import GENES, RecipeGenes
from cnn.training.samples import Samples
from cnn.training.trainer import Evaluation, OptimizerState, TrainingReport, evaluate, train

__all__ = [
    "GENES",
    "LOSSES",
    "OPTIMIZERS",
    "EpochRecord",
    "Evaluation",
    "FitReport",
    "FitState",
    "LearningCurve",
    "Loss",
    "Optimizer",
    "OptimizerState",
    "Recipe",
    "RecipeGenes",
    "Samples",
    "Trainable",
    "TrainingBudget",
    "TrainingReport",
    "batch_indices",
    "evaluate",
    "fit",
    "learning_rates",
    "train",
]
