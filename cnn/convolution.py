"""Convolution: O_k = φ(Σ_c X_c *_v Θ_kc + b_k), the same weights at every place (S8, S12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from cnn import convolution_kernels
from cnn.activations import find_activation
from cnn.arrays import FloatArray, FloatVector, Shape
from cnn.initial import initial_weights
from cnn.layer import Layer, check_image

Kernels: TypeAlias = Literal["per_map", "shared"]


@dataclass(eq=False)
class ConvolutionLayer(Layer):
    """Valid convolution with each kernel, sums over input maps, a bias per output map, activation.

    Parameters
    ----------
    n_maps
        Output maps.
    kernel_size
        Rows and columns of a kernel; one number for a square.
    activation
        A key of `cnn.activations.ACTIVATIONS`.
    kernels
        ``"per_map"``: a kernel for each connection of an input map to an output map, as usual.
        ``"shared"``: one kernel per output map, used on all its input maps, as in the document.
    connections
        For each output map the input maps it sees; None connects all to all.
    """

    n_maps: int
    kernel_size: int | tuple[int, int]
    activation: str = "tanh"
    kernels: Kernels = "per_map"
    connections: Sequence[Sequence[int]] | None = None

    def configure(self, input_shape: Shape) -> None:
        """See `Layer.configure`."""
        check_image("ConvolutionLayer", input_shape)
        size = self.kernel_size
        self._kernel_shape = (size, size) if isinstance(size, int) else size
        self._activation = find_activation(self.activation)
        maps, rows, columns = input_shape
        p, q = self._kernel_shape
        if self.n_maps < 1:
            raise ValueError(f"n_maps must be at least 1, not {self.n_maps}")
        if p not in range(1, rows + 1) or q not in range(1, columns + 1):
            raise ValueError(f"a {p}×{q} kernel does not fit into maps of {rows}×{columns} pixels")
        if self.kernels not in get_args(Kernels):
            raise ValueError(f"kernels must be one of {get_args(Kernels)}, not {self.kernels!r}")
        self._pairs = self._connected_pairs(maps)
        self.input_shape = input_shape
        self.output_shape = (self.n_maps, rows - p + 1, columns - q + 1)

    def _connected_pairs(self, maps: int) -> npt.NDArray[np.intp]:
        """List the connections as (output map, input map), by output map; shape (n, 2)."""
        if self.connections is None:
            return np.argwhere(np.ones((self.n_maps, maps), bool))
        table = [sorted(set(seen)) for seen in self.connections]
        if len(table) != self.n_maps or not all(
            seen and seen[0] >= 0 and seen[-1] < maps for seen in table
        ):
            raise ValueError(
                f"connections must name, for each of {self.n_maps} output maps, at least one of "
                f"the input maps 0 … {maps - 1}"
            )
        return np.array([(k, c) for k, seen in enumerate(table) for c in seen], np.intp)

    @property
    def n_kernels(self) -> int:
        """Kernels with weights of their own."""
        return self.n_maps if self.kernels == "shared" else len(self._pairs)

    @property
    def parameter_count(self) -> int:
        """Taps of all kernels, and a bias per output map."""
        p, q = self._kernel_shape
        return self.n_kernels * p * q + self.n_maps

    @property
    def macs(self) -> int:
        """One per tap and connection at each output pixel."""
        p, q = self._kernel_shape
        _, rows_out, columns_out = self.output_shape
        return len(self._pairs) * p * q * rows_out * columns_out

    def attach(self, parameters: FloatVector, gradient: FloatVector) -> None:
        """See `Layer.attach`: kernels in order of output map, then input map; then biases."""
        super().attach(parameters, gradient)
        p, q = self._kernel_shape
        n_taps = self.n_kernels * p * q
        shape = (self.n_kernels, p, q)
        self.weights, self.bias = parameters[:n_taps].reshape(shape), parameters[n_taps:]
        self._weights_gradient = gradient[:n_taps].reshape(shape)
        self._bias_gradient = gradient[n_taps:]
        self._plan()

    def _plan(self) -> None:
        """Lay out where each tap reads, forward and backward: see `convolution_kernels.correlate`.

        A convolution turns its kernel by 180°: tap (i, j) of a p×q kernel reads (p − 1 − i, q − 1 −
        j) pixels right and down. The way back is the full convolution with the turned kernel: over
        the residuals with a margin of (p − 1, q − 1) zeros, tap (i, j) reads (i, j) pixels right
        and down.
        """
        maps, rows, columns = self.input_shape
        p, q = self._kernel_shape
        i, j = np.mgrid[:p, :q]
        targets, sources = self._pairs.T
        forward = sources[:, None, None] * (rows * columns) + (p - 1 - i) * columns + (q - 1 - j)
        self._offsets = forward.reshape(-1)
        self._starts = np.searchsorted(targets, np.arange(self.n_maps + 1)) * (p * q)

        by_source = np.argsort(sources, kind="stable")
        wide_rows, wide_columns = rows + p - 1, columns + q - 1
        back = targets[:, None, None] * (wide_rows * wide_columns) + i * wide_columns + j
        self._back_offsets = back[by_source].reshape(-1)
        self._back_starts = np.searchsorted(sources[by_source], np.arange(maps + 1)) * (p * q)
        self._by_source = by_source
        self._no_bias = np.zeros(maps, self.parameters.dtype)

    def initialize(self, *, rng: np.random.Generator) -> None:
        """Draw the kernels by the scheme that suits the activation; biases start at 0."""
        p, q = self._kernel_shape
        connections = len(self._pairs) * p * q
        self.weights[...] = initial_weights(
            self.weights.shape,
            connections / self.n_maps,
            connections / self.input_shape[0],
            self._activation.initialization,
            rng=rng,
        )
        self.bias[...] = 0.0

    def _pair_kernels(self) -> FloatArray:
        """Return the kernel of each connection, shape (connections, p, q)."""
        if self.kernels == "shared":
            return self.weights[self._pairs[:, 0]]
        return self.weights

    def output(self, x: FloatArray) -> FloatArray:
        """Compute O_k = φ(Σ_c X_c *_v Θ_kc + b_k).

        (maps, rows, columns, batch) to (n_maps, rows − p + 1, columns − q + 1, batch).
        """
        self._check_input(x)
        out = self._buffer("out", (*self.output_shape, x.shape[3]))
        convolution_kernels.correlate(
            x.reshape(-1),
            x.shape[2],
            self._starts,
            self._offsets,
            self._pair_kernels().reshape(-1),
            self.bias,
            out,
        )
        self._activation.apply(out)
        self._x, self._output = x, out
        return out

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return Δ = ∂E/∂O ∘ φ'(n), and fill in ∂E/∂Θ and ∂E/∂b."""
        self._check_gradient(gradient, self._output.shape[3])
        p, q = self._kernel_shape
        delta = self._buffer("delta", gradient.shape)
        self._activation.chain(gradient.reshape(-1), self._output.reshape(-1), delta.reshape(-1))
        shared = self.kernels == "shared"
        taps = (
            self._buffer("taps_gradient", (len(self._pairs), p, q))
            if shared
            else self._weights_gradient
        )
        # ∂E/∂Θ_kc = rot180(X_c *_v rot180(Δ_k)), summed over the batch (S12)
        convolution_kernels.correlate_taps(
            self._x.reshape(-1),
            self._x.shape[2],
            self._starts,
            self._offsets,
            delta,
            taps.reshape(-1),
        )
        if shared:  # ∂E/∂Θ_k = rot180((Σ_c X_c) *_v rot180(Δ_k))
            np.add.reduceat(taps, self._starts[:-1] // (p * q), out=self._weights_gradient)
        delta.reshape(self.n_maps, -1).sum(axis=1, out=self._bias_gradient)  # ∂E/∂b_k = Σ Δ_k
        return delta

    def input_gradient(self, delta: FloatArray) -> FloatArray:
        """Return ∂E/∂X_c = Σ_k Δ_k *_f rot180(Θ_kc) (S12)."""
        maps, rows, columns = self.input_shape
        n_maps, rows_out, columns_out, batch = delta.shape
        p, q = self._kernel_shape
        wide = self._buffer("wide_delta", (n_maps, rows + p - 1, columns + q - 1, batch))
        wide[:, p - 1 : p - 1 + rows_out, q - 1 : q - 1 + columns_out] = delta  # margins stay 0
        out = self._buffer("input_gradient", (maps, rows, columns, batch))
        convolution_kernels.correlate(
            wide.reshape(-1),
            wide.shape[2],
            self._back_starts,
            self._back_offsets,
            self._pair_kernels()[self._by_source].reshape(-1),
            self._no_bias,
            out,
        )
        return out
