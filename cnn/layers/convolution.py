"""Convolution: O_k = φ(Σ_c X_c *_v Θ_kc + b_k); backward ∂E/∂X_c = Σ_k Δ_k *_f rot180(Θ_kc) (S8, S12)."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from cnn.arrays import FloatArray, FloatVector, IntArray, Shape, aligned_empty
from cnn.checks import pair_of, whole_number
from cnn.compile.vector_kernels import sum_rows
from cnn.layers.activations import find_activation
from cnn.layers.connections import Connections, connected_pairs
from cnn.layers.initial import initial_weights
from cnn.layers.kernels import convolution_kernels
from cnn.layers.kernels.stencil import Stencil, backward_reads, forward_reads, plan_stencil
from cnn.layers.layer import Layer, check_image

Kernels: TypeAlias = Literal["per_map", "shared"]


@dataclass(eq=False)
class ConvolutionLayer(Layer):
    """Valid convolutions summed over the input maps, a bias per output map, and an activation.

    Parameters
    ----------
    n_maps
        Number of output maps.
    kernel_size
        Rows and columns of a kernel; one number for a square kernel.
    activation
        A key of `cnn.layers.activations.ACTIVATIONS`.
    kernels
        ``"per_map"``: one kernel for each pair of output map and input map, as usual. ``"shared"``: one kernel per
        output map, used on all its input maps, as in the seed document.
    connections
        For each output map the indices of its input maps, each once; or a matrix of bools of shape (n_maps, maps).
        None connects all maps. Missing connections have no parameters and no MACs, but take computing time.
    stride
        Vertical and horizontal step of the kernel in pixels; one number for both.
    padding
        Rows and columns of zeros added on each side of an input map; one number for both.
    """

    n_maps: int
    kernel_size: int | tuple[int, int]
    activation: str = "tanh"
    kernels: Kernels = "per_map"
    connections: Connections | None = None
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0

    def configure(self, input_shape: Shape) -> None:
        """See `Layer.configure`."""
        check_image("ConvolutionLayer", input_shape)
        self.n_maps = whole_number("n_maps", self.n_maps, 1)
        self._kernel_shape = pair_of("kernel_size", self.kernel_size, 1)
        self._stride = pair_of("stride", self.stride, 1)
        self._padding = pair_of("padding", self.padding, 0)
        self._activation = find_activation(self.activation)
        maps, rows, columns = input_shape
        if self.kernels not in get_args(Kernels):
            raise ValueError(f"kernels must be one of {get_args(Kernels)}; got {self.kernels!r}")
        (p, q), (down, right) = self._kernel_shape, self._padding
        if p > rows + 2 * down or q > columns + 2 * right:
            raise ValueError(
                f"kernel_size must fit into maps of {rows}×{columns} pixels"
                + (f" padded by {down}×{right}" if down or right else "")
                + f"; got {p}×{q}"
            )
        self._pairs = connected_pairs(self.connections, self.n_maps, maps)
        self._wide_shape = (maps, rows + 2 * down, columns + 2 * right)
        rows_out, columns_out = (
            (size - kernel) // stride + 1
            for size, kernel, stride in zip(
                self._wide_shape[1:], self._kernel_shape, self._stride, strict=True
            )
        )
        self.input_shape = input_shape
        self.output_shape = (self.n_maps, rows_out, columns_out)
        self._plan()

    @property
    def n_kernels(self) -> int:
        """Number of kernels with own weights."""
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

    @property
    def settings(self) -> str:
        """Kernel size, settings other than the default, and the activation."""
        words = ["{}×{}".format(*self._kernel_shape)]
        words += ["shared"] if self.kernels == "shared" else []
        words += [f"{len(self._pairs)} connections"] if self.connections is not None else []
        words += ["stride {}×{}".format(*self._stride)] if self._stride != (1, 1) else []
        words += ["padding {}×{}".format(*self._padding)] if self._padding != (0, 0) else []
        return ", ".join([*words, self.activation])

    def attach(self, parameters: FloatVector, gradient: FloatVector) -> None:
        """See `Layer.attach`: kernels in order of output map, then input map; then biases."""
        super().attach(parameters, gradient)
        p, q = self._kernel_shape
        n_taps = self.n_kernels * p * q
        shape = (self.n_kernels, p, q)
        self.weights, self.bias = parameters[:n_taps].reshape(shape), parameters[n_taps:]
        self._weights_gradient = gradient[:n_taps].reshape(shape)
        self._bias_gradient = gradient[n_taps:]
        self._packed = aligned_empty(self._index.size, parameters.dtype)
        self._taps = aligned_empty(self._index.shape, parameters.dtype)
        n_sums = convolution_kernels.n_sums(self._index.shape[1], parameters.itemsize)
        self._sums = aligned_empty(n_sums, parameters.dtype)
        self._no_bias = np.zeros(self.input_shape[0], parameters.dtype)

    def _plan(self) -> None:
        """Plan the forward pass: the pixels read by each tap, and the weight of each tap."""
        maps = self.input_shape[0]
        n_maps, rows_out, columns_out = self.output_shape
        (p, q), (down, right) = self._kernel_shape, self._stride
        self._forward = plan_stencil(
            forward_reads(rows_out, p, down),
            forward_reads(columns_out, q, right),
            self._wide_shape,
            (p, q),
        )
        self._back: Stencil | None = None
        self._source_pixels = np.ascontiguousarray(self._forward.runs[:, 2])

        # Which weight output map k has for tap (i, j) on input map c, or −1: index[k, c, i, j].
        index = np.full((n_maps, maps, p, q), -1, np.int64)
        targets, sources = self._pairs.T
        kernels = targets if self.kernels == "shared" else np.arange(len(self._pairs))
        index[targets, sources] = np.arange(self.n_kernels * p * q).reshape(-1, p, q)[kernels]
        self._index = index.reshape(n_maps, -1)
        self._back_index = np.ascontiguousarray(index.swapaxes(0, 1)).reshape(maps, -1)
        self._heights, self._back_heights = block_heights(n_maps), block_heights(maps)

    def _plan_back(self) -> Stencil:
        """Plan the backward pass on first use. The first layer of a network does not need it."""
        if self._back is None:
            _, rows, columns = self.input_shape
            _, rows_out, columns_out = self.output_shape
            (p, q), (down, right), padding = self._kernel_shape, self._stride, self._padding
            self._back = plan_stencil(
                backward_reads(rows, rows_out, p, down, padding[0]),
                backward_reads(columns, columns_out, q, right, padding[1]),
                self.output_shape,
                (p, q),
            )
        return self._back

    def initialize(self, *, rng: np.random.Generator) -> None:
        """Draw the kernels by the scheme of the activation. Biases start at 0."""
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

    def output(self, x: FloatArray) -> FloatArray:
        """Compute O_k = φ(Σ_c X_c *_v Θ_kc + b_k).

        x has the shape (maps, rows, columns, batch), the output (n_maps, rows_out, columns_out, batch). rows_out is
        (rows + 2 · padding − p) / stride + 1, rounded down; the same holds for columns.
        """
        self._check_input(x)
        batch = x.shape[3]
        down, right = self._padding
        if down or right:
            wide = self._buffer("wide", (*self._wide_shape, batch))  # margins stay 0
            rows, columns = self.input_shape[1:]
            wide[:, down : down + rows, right : right + columns] = x
        else:
            wide = np.ascontiguousarray(x)
        out = self._buffer("out", (*self.output_shape, batch))
        convolution_kernels.pack(self.weights.reshape(-1), self._index, self._heights, self._packed)
        self._gather(wide, self._forward, self._heights, self.bias, out)
        self._activation.apply(out.reshape(-1))
        self._x, self._output = wide, out
        return out

    def residual(self, gradient: FloatArray) -> FloatArray:
        """Return Δ = ∂E/∂O ∘ φ'(n), and compute ∂E/∂Θ and ∂E/∂b."""
        self._check_gradient(gradient)
        delta = self._buffer("delta", gradient.shape)
        self._activation.chain(gradient.reshape(-1), self._output.reshape(-1), delta.reshape(-1))
        # ∂E/∂Θ_kc = rot180(X_c *_v rot180(Δ_k)), summed over the batch, and for shared kernels over
        # the input maps: ∂E/∂Θ_k = rot180((Σ_c X_c) *_v rot180(Δ_k)) (S12)
        forward = self._forward
        convolution_kernels.correlate(
            delta.reshape(-1),
            self._x.reshape(-1),
            delta.shape[3],
            forward.runs,
            self._source_pixels,
            forward.rows,
            forward.offsets,
            self._heights,
            self._taps,
            self._sums,
        )
        convolution_kernels.unpack(self._taps, self._index, self._weights_gradient.reshape(-1))
        # ∂E/∂b_k = Σ Δ_k
        sum_rows(delta.reshape(self.n_maps, -1), self._bias_gradient)
        return delta

    def input_gradient(self, delta: FloatArray) -> FloatArray:
        """Return ∂E/∂X_c = Σ_k Δ_k *_f rot180(Θ_kc) (S12)."""
        out = self._buffer("input_gradient", (*self.input_shape, delta.shape[3]))
        convolution_kernels.pack(
            self.weights.reshape(-1), self._back_index, self._back_heights, self._packed
        )
        self._gather(delta, self._plan_back(), self._back_heights, self._no_bias, out)
        return out

    def _gather(
        self,
        source: FloatArray,
        stencil: Stencil,
        heights: IntArray,
        bias: FloatVector,
        out: FloatArray,
    ) -> None:
        """Run a stencil with the packed weights."""
        convolution_kernels.gather(
            source.reshape(-1),
            source.shape[3],
            stencil.runs,
            stencil.rows,
            stencil.offsets,
            self._packed,
            heights,
            bias,
            out.reshape(-1),
            out.shape[1] * out.shape[2],
        )


def block_heights(n_maps: int) -> IntArray:
    """Divide maps into blocks for the tiles of the kernels: blocks of six, and smaller ones for the rest.

    Examples
    --------
    >>> block_heights(16), block_heights(8), block_heights(3)
    (array([6, 6, 4]), array([4, 4]), array([2, 1]))
    """
    sixes, rest = divmod(n_maps, 6)
    if rest == 2 and sixes:
        sixes, rest = sixes - 1, 8
    small = {0: [], 1: [1], 2: [2], 3: [2, 1], 4: [4], 5: [4, 1], 8: [4, 4]}[rest]
    return np.array([6] * sixes + small, np.int64)
