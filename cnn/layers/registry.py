"""The registry of layers: a new layer is one class and one entry here (S15).

A layer class of your own needs

* for use in a `cnn.Network`: a subclass of `cnn.Layer` with `configure` (sets `input_shape` and `output_shape`),
  `output` and `input_gradient`. With parameters also `parameter_count`, `residual` (computes their gradient) and, if
  they do not start at zero, `initialize`.
* for `cnn.save_model`: a dataclass whose fields are the settings, with type hints. A setting is a number, a text or a
  sequence of these, and is not named ``layer``.
* for `cnn.load_model`: an entry in `LAYERS`, with the same name as when the model was saved.

Examples
--------
>>> import tempfile
>>> from dataclasses import dataclass
>>> import numpy as np
>>> from cnn import HiddenLayer, Network, SoftmaxLayer, load_model, save_model
>>> @dataclass(eq=False)
... class ScalingLayer(Layer):
...     '''o = g · factor · x, with one trained gain g.'''
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
"""All layer classes by name. Networks with a layer of your own can be saved and loaded once its class is here."""
