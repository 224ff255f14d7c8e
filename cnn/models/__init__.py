"""Networks: sequences of layers, ready-made architectures, model files, and training on several threads.

The layers themselves are in :mod:`cnn.layers`, the trainer is in :mod:`cnn.training`.
"""

from cnn.models.mlp import mlp
from cnn.models.network import Network
from cnn.models.parallel import DataParallel
from cnn.models.presets import LECUN_C3, LECUN_H3, lenet1, lenet5, small_cnn
from cnn.models.storage import load_model, load_weights, save_model, save_weights

__all__ = [
    "LECUN_C3",
    "LECUN_H3",
    "DataParallel",
    "Network",
    "lenet1",
    "lenet5",
    "load_model",
    "load_weights",
    "mlp",
    "save_model",
    "save_weights",
    "small_cnn",
]
