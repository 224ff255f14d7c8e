"""Numerics of trainable layers: layers with an exact way back, losses, optimisers, one trainer.

A network is layers in a row whose parameters lie in one flat vector, so any optimiser trains any
network - and the trainer asks for no more than that vector, a loss and its gradient, so it trains
networks made elsewhere just the same. Arrays inside are batch innermost, and the inner loops are
compiled.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cnn.activations import ACTIVATIONS, Activation
from cnn.budget import Budget
from cnn.compilation import (
    kernel,
    kernel_cache_directory,
    kernels_are_cached,
    single_threaded_blas,
)
from cnn.convolution import ConvolutionLayer
from cnn.curve import LearningCurve
from cnn.fitting import EpochRecord, FitReport, FitState, fit
from cnn.functional import (
    conv2d,
    downsample,
    drelu,
    dsigmoid,
    dtanh,
    relu,
    rot180,
    sigmoid,
    softmax,
    tanh,
    upsample,
)
from cnn.hidden import HiddenLayer
from cnn.layer import Layer
from cnn.layers import LAYERS
from cnn.losses import LOSSES, Loss
from cnn.mlp import mlp
from cnn.network import Network
from cnn.optimizers import OPTIMIZERS, Optimizer
from cnn.output import SoftmaxLayer
from cnn.parallel import DataParallel
from cnn.pooling import PoolingLayer
from cnn.presets import LECUN_C3, LECUN_H3, lenet1, lenet5, small_cnn
from cnn.rasterization import RasterizationLayer
from cnn.storage import load_model, load_weights, save_model, save_weights
from cnn.training import (
    Evaluation,
    OptimizerState,
    Recipe,
    Samples,
    Trainable,
    TrainingReport,
    batch_indices,
    evaluate,
    learning_rates,
    train,
)

if TYPE_CHECKING:
    from cnn.logistic import LogisticRegression, SoftmaxRegression
    from cnn.perceptron import Perceptron
    from cnn.svm import LinearSVM

__all__ = [
    "ACTIVATIONS",
    "LAYERS",
    "LECUN_C3",
    "LECUN_H3",
    "LOSSES",
    "OPTIMIZERS",
    "Activation",
    "Budget",
    "ConvolutionLayer",
    "DataParallel",
    "EpochRecord",
    "Evaluation",
    "FitReport",
    "FitState",
    "HiddenLayer",
    "Layer",
    "LearningCurve",
    "LinearSVM",
    "LogisticRegression",
    "Loss",
    "Network",
    "Optimizer",
    "OptimizerState",
    "Perceptron",
    "PoolingLayer",
    "RasterizationLayer",
    "Recipe",
    "Samples",
    "SoftmaxLayer",
    "SoftmaxRegression",
    "Trainable",
    "TrainingReport",
    "batch_indices",
    "conv2d",
    "downsample",
    "drelu",
    "dsigmoid",
    "dtanh",
    "evaluate",
    "fit",
    "kernel",
    "kernel_cache_directory",
    "kernels_are_cached",
    "learning_rates",
    "lenet1",
    "lenet5",
    "load_model",
    "load_weights",
    "mlp",
    "relu",
    "rot180",
    "save_model",
    "save_weights",
    "sigmoid",
    "single_threaded_blas",
    "small_cnn",
    "softmax",
    "tanh",
    "train",
    "upsample",
]

_ESTIMATORS = {
    "LinearSVM": "cnn.svm",
    "LogisticRegression": "cnn.logistic",
    "Perceptron": "cnn.perceptron",
    "SoftmaxRegression": "cnn.logistic",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import an estimator when it is first asked for: scikit-learn takes a second to import."""
        if name not in _ESTIMATORS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_ESTIMATORS[name]), name)
