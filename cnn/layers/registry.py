"""All layers, by name: a new one is one class and one entry here (S15).

What a layer of one's own needs:

* to be used in a `cnn.Network`: a subclass of `cnn.Layer` with `configure`, which sets `input_shape`
  and `output_shape`; `output`; and `input_gradient`, the way back. With parameters also
  `parameter_count`, and `residual`, which fills their gradient in; `initialize` where zeros are no
  start.
* to be saved by `cnn.save_model`: to be a dataclass whose fields are its settings - numbers, texts,
  or sequences of such, none named ``layer`` - with type hints that say so.
* to be loaded by `cnn.load_model`: an entry in `LAYERS`, the same as when it was saved.

Examples
--------
>>> import tempfile
>>> from dataclasses import dataclass
>>> import numpy as np
>>> from cnn import HiddenLayer, Network, SoftmaxLayer, load_model, save_model
>>> @dataclass(eq=False)
... class ScalingLayer(Layer):
...     '''o = g · factor · x, with one gain g to learn.'''
...
...     factor: float = 2.0
...
...     def configure(self, input_shape):
...         self.input_shape = self.output_shape = input_shape
...
...     @property
...     def parameter_count(self):
...         return 1
...
...     def initialize(self, *, rng):
...         self.parameters[...] = 1.0
...
...     def output(self, x):
...         self._x = x
...         return self.parameters[0] * self.factor * x
...
...     def residual(self, gradient):
...         self.gradient[0] = self.factor * np.vdot(gradient, self._x)  # ∂E/∂g
...         return gradient
...
...     def input_gradient(self, delta):
...         return self.parameters[0] * self.factor * delta
>>> LAYERS["scaling"] = ScalingLayer
>>> layers = [HiddenLayer(3), ScalingLayer(0.5), SoftmaxLayer(2)]
>>> network = Network(layers, (4,), rng=np.random.default_rng(0))
>>> with tempfile.TemporaryDirectory() as folder:
...     save_model(network, f"{folder}/network.npz")
...     again = load_model(f"{folder}/network.npz")
>>> again.layers[1]
ScalingLayer(factor=0.5)
>>> del LAYERS["scaling"]
"""

from cnn.layers.convolution import ConvolutionLayer
from cnn.layers.hidden import HiddenLayer
from cnn.layers.layer import Layer
from cnn.layers.output import SoftmaxLayer
from cnn.layers.pooling import PoolingLayer
from cnn.layers.rasterization import RasterizationLayer

LAYERS: dict[str, type[Layer]] = {
    "convolution": ConvolutionLayer,
    "pooling": PoolingLayer,
    "rasterization": RasterizationLayer,
    "hidden": HiddenLayer,
    "softmax": SoftmaxLayer,
}
"""Every layer class, by name. Add a class of your own, and networks that have it can be saved and loaded."""
