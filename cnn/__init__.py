"""Numerics of trainable layers: layers with an exact way back, losses, optimisers, one trainer.

A network is layers in a row whose parameters lie in one flat vector, so any optimiser trains any
network - and the trainer asks for no more than that vector, a loss and its gradient, so it trains
networks made elsewhere just the same. Arrays inside are batch innermost, and the inner loops are
compiled.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
