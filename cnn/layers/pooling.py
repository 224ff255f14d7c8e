"""Pooling: forward one number for each 2×2 block of a map (S9), backward its gradient to the block (S10)."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Shape
from cnn.compile.product_kernels import write_products
from cnn.compile.vector_kernels import sum_row_products, sum_rows
from cnn.functional import BINOMIAL, Border, pooled_size
from cnn.layers.kernels import pooling_kernels
from cnn.layers.layer import Layer, check_image

PoolingMethod: TypeAlias = Literal["max", "mean", "gaussian", "trainable"]
MaxGradient: TypeAlias = Literal["arg_max", "copy"]


@dataclass(eq=False)
class PoolingLayer(Layer):
    """Downsample each map by two.

    Parameters
    ----------
    method
        ``"max"``: maximum of each 2×2 block. ``"mean"``: mean of each block. ``"gaussian"``: blur with the five-tap
        binomial kernel along both axes, then take every second pixel. ``"trainable"``: gain · mean + bias, with one
        gain and one bias per map, initially 1 and 0.
    border
        ``"drop"`` the last row or column of an odd size, or ``"pad"`` it with 0 to a full block.
    max_gradient
        ``"arg_max"``: the pixel with the maximum gets the gradient, which is exact. ``"copy"``: all pixels of the
        block get it, as in the seed document. Other methods ignore this setting.
    """

    method: PoolingMethod = "max"
    border: Border = "pad"
    max_gradient: MaxGradient = "arg_max"

    def configure(self, input_shape: Shape) -> None:
        """See `Layer.configure`."""
        check_image("PoolingLayer", input_shape)
        if self.method not in get_args(PoolingMethod):
            raise ValueError(
                f"method must be one of {get_args(PoolingMethod)}; got {self.method!r}"
            )
        if self.max_gradient not in get_args(MaxGradient):
            raise ValueError(
                f"max_gradient must be one of {get_args(MaxGradient)}; got {self.max_gradient!r}"
            )
        maps, rows, columns = input_shape
        pooled = pooled_size(rows, self.border), pooled_size(columns, self.border)
        if min(pooled) < 1:
            raise ValueError(f"maps must leave a pixel after pooling; got {rows}×{columns} pixels")
        self.input_shape, self.output_shape = input_shape, (maps, *pooled)

    @property
    def parameter_count(self) -> int:
        """Two per map (gain and bias) for the method ``"trainable"``, else 0."""
        return 2 * self.input_shape[0] if self.method == "trainable" else 0

    @property
    def macs(self) -> int:
        """Multiplications by gains and binomial taps, without sums and comparisons."""
        maps, rows_out, columns_out = self.output_shape
        if self.method == "trainable":
            return maps * rows_out * columns_out
        if self.method == "gaussian":
            return len(BINOMIAL) * maps * rows_out * (self.input_shape[2] + columns_out)
        return 0

    @property
    def settings(self) -> str:
        """The method, and the border for maps of odd size."""
        border = any(size % 2 for size in self.input_shape[1:])
        return f"2×2 {self.method}" + (f", {self.border} border" if border else "")

    def attach(self, parameters: FloatVector, gradient: FloatVector) -> None:
        """See `Layer.attach`: gains (maps,), then biases (maps,)."""
        super().attach(parameters, gradient)
        self._no_bias = np.zeros(self.input_shape[0], parameters.dtype)
        if self.method != "max":
            _, rows, columns = self.input_shape
            method: Literal["mean", "gaussian"] = (
                "gaussian" if self.method == "gaussian" else "mean"
            )
            self._along_rows = pooling_matrix(rows, method, self.border).astype(parameters.dtype)
            self._along_columns = pooling_matrix(columns, method, self.border).astype(
                parameters.dtype
            )

    def initialize(self, *, rng: np.random.Generator) -> None:
        """Set gains to 1 and biases to 0, without random draws."""
        maps = self.input_shape[0]
        self.parameters[:maps] = 1.0
        self.parameters[maps:] = 0.0

    def output(self, x: FloatArray) -> FloatArray:
        """Downsample maps of shape (maps, rows, columns, batch)."""
        self._check_input(x)
        shape = (*self.output_shape, x.shape[3])
        if self.method == "max":
            out, winner = self._buffer("out", shape), self._buffer("winner", shape, np.int8)
            pooling_kernels.max_pool(x, out, winner)
            return out
        pooled = self._linear(x, "pooled", transposed=False)
        if self.method != "trainable":
            return pooled
        self._pooled = pooled
        out = self._buffer("out", shape)
        self._scale(pooled, self.parameters[self.input_shape[0] :], out)
        return out

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return the gradient by the pooled maps, and compute the gradient of gains and biases."""
        self._check_gradient(gradient)
        if self.method != "trainable":
            return gradient
        maps = self.input_shape[0]
        of_maps = gradient.reshape(maps, -1)
        sum_row_products(of_maps, self._pooled.reshape(maps, -1), self.gradient[:maps])
        sum_rows(of_maps, self.gradient[maps:])
        delta = self._buffer("delta", gradient.shape)
        self._scale(gradient, self._no_bias, delta)
        return delta

    def input_gradient(self, delta: FloatArray) -> FloatArray:
        """Return the gradient by the input maps."""
        if self.method != "max":
            return self._linear(delta, "input_gradient", transposed=True)
        # The buffer starts at zero, and dropped rows and columns are never written.
        out = self._buffer("input_gradient", (*self.input_shape, delta.shape[3]))
        if self.max_gradient == "copy":
            pooling_kernels.max_pool_copy(delta, out)
        else:
            pooling_kernels.max_pool_route(delta, self._buffers["winner"], out)
        return out

    def _scale(self, x: FloatArray, bias: FloatVector, out: FloatArray) -> None:
        """Write gain · x + bias for each map."""
        maps = len(x)
        gain = self.parameters[:maps]
        pooling_kernels.scale_maps(x.reshape(maps, -1), gain, bias, out.reshape(maps, -1))

    def _linear(self, x: FloatArray, name: str, *, transposed: bool) -> FloatArray:
        """Compute R X Cᵀ for each map and sample. With R and C transposed this is the backward pass."""
        maps, rows, columns, batch = x.shape
        shape = self.input_shape[1:] if transposed else self.output_shape[1:]
        half = self._buffer(f"{name}_rows", (maps, shape[0], columns, batch))
        out = self._buffer(name, (maps, *shape, batch))
        along_rows, along_columns = self._along_rows.reshape(-1), self._along_columns.reshape(-1)
        write_products(
            along_rows, transposed, x.reshape(-1), half.reshape(-1), maps, shape[0], rows,
            columns * batch,
        )  # fmt: skip
        write_products(
            along_columns, transposed, half.reshape(-1), out.reshape(-1), maps * shape[0],
            shape[1], columns, batch,
        )  # fmt: skip
        return out


def pooling_matrix(
    size: int, method: Literal["mean", "gaussian"], border: Border
) -> npt.NDArray[np.float64]:
    """Return the matrix of a linear pooling along one axis.

    Parameters
    ----------
    size
        Pixels along the axis.
    method
        ``"mean"`` of two pixels, or ``"gaussian"``: five binomial taps centred on every second pixel.
    border
        As in `PoolingLayer`. Pixels outside the map are 0.

    Returns
    -------
    ndarray of float64, shape (pooled size, size)
        The matrix M of pooled = M · pixels.

    Examples
    --------
    >>> pooling_matrix(3, "mean", "pad")
    array([[0.5, 0.5, 0. ],
           [0. , 0. , 0.5]])
    """
    taps, first = (BINOMIAL, -2) if method == "gaussian" else (np.array([0.5, 0.5]), 0)
    matrix = np.zeros((pooled_size(size, border), size))
    for i, row in enumerate(matrix):
        for j, tap in enumerate(taps, start=2 * i + first):
            if 0 <= j < size:
                row[j] = tap
    return matrix
