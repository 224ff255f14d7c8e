"""Convolutional and fully connected networks with exact gradients: layers, losses, optimizers and a trainer.

All parameters of a network lie in one flat vector. The trainer needs only this vector, a loss and its gradient, so
it also trains the evolved networks of :mod:`evo`, which this package does not know. Arrays are batch innermost, and
the inner loops are compiled.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
