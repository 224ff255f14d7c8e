"""SciPy's side of the graph benchmark: layers as CSR matrices, written as fast as is reasonable.

Activations are float32 of shape (nodes, batch). SciPy has no product at given places for the weight gradient. There are
three forms: a dense product from which the edges are picked, products at the edges in chunks, and a Numba loop as in
SET's published code.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from cnn.compile.compilation import single_threaded_blas

Floats = npt.NDArray[np.float32]
Gradient = Literal["product and gather", "chunks", "Numba"]

CHUNK = 4096
"""Number of edges whose rows are gathered at once: 2 MiB at batch 64, the size of a core's cache."""


@numba.njit(fastmath=True, nogil=True)
def edge_products(rows: Any, columns: Any, delta: Any, x: Any, out: Any) -> None:
    """Write δ[row]·x[column] for each edge, in a plain loop."""
    for e in range(len(rows)):
        total = np.float32(0)
        for b in range(delta.shape[1]):
            total += delta[rows[e], b] * x[columns[e], b]
        out[e] = total


class ScipyLayers:
    """ReLU layers, cross-entropy and momentum; all parameters are one vector that is updated in place.

    Parameters
    ----------
    blocks
        Weights between neighbouring layers, shape (n_out, n_in); biases start at 0.
    gradient
        Form of the weight gradient.
    samples
        Inputs (n, features) and classes (n,).
    learning_rate, momentum
        Parameters of the updates.
    """

    def __init__(
        self,
        blocks: Sequence[sparse.csr_array],
        gradient: Gradient,
        samples: tuple[Floats, npt.NDArray[np.int64]],
        *,
        learning_rate: float,
        momentum: float,
    ) -> None:
        self.form = gradient
        self.inputs, self.classes = samples
        self.learning_rate, self.momentum = np.float32(learning_rate), np.float32(momentum)
        n_biases = sum(block.shape[0] for block in blocks)
        values = [block.data for block in blocks]
        self.parameters = np.concatenate([*values, np.zeros(n_biases, np.float32)])
        self._start = self.parameters.copy()
        self._gradient, self._velocity = (np.zeros_like(self.parameters) for _ in range(2))
        ends = np.cumsum([0, *map(len, values), *(block.shape[0] for block in blocks)]).tolist()
        parts = [slice(a, b) for a, b in pairwise(ends)]
        self._weights, self._biases = parts[: len(blocks)], parts[len(blocks) :]
        self._matrices, self._rows, self._places = [], [], []
        for block, part in zip(blocks, self._weights, strict=True):
            matrix = block.copy()
            matrix.data = self.parameters[part]  # a view, so that updates change the matrix
            self._matrices.append(matrix)
            rows = np.repeat(np.arange(block.shape[0], dtype=np.int32), np.diff(block.indptr))
            self._rows.append(rows)
            wide = rows.astype(np.int64) * block.shape[1] + block.indices
            self._places.append(wide if gradient == "product and gather" else rows)

    def restore(self) -> None:
        """Go back to the starting weights, without momentum."""
        self.parameters[:] = self._start
        self._velocity[:] = 0

    def train(self, order: npt.NDArray[np.intp]) -> None:
        """Make a step with each batch of indices; BLAS has one thread."""
        with single_threaded_blas():
            for chosen in order:
                self._step(self.inputs.take(chosen, axis=0), self.classes.take(chosen))

    def loss(self, batch: npt.NDArray[np.intp]) -> float:
        """Return the mean loss over some samples."""
        scores = self._forward(self.inputs[batch])[-1]
        scores = scores - scores.max(0)
        likelihood = scores[self.classes[batch], np.arange(len(batch))]
        return float(np.mean(np.log(np.exp(scores).sum(0)) - likelihood))

    def _forward(self, inputs: Floats) -> list[Floats]:
        states = [np.ascontiguousarray(inputs.T)]
        last = len(self._matrices) - 1
        for i, (matrix, bias) in enumerate(zip(self._matrices, self._biases, strict=True)):
            x = matrix @ states[-1]
            x += self.parameters[bias, None]
            states.append(np.maximum(x, 0, out=x) if i < last else x)
        return states

    def _step(self, inputs: Floats, classes: npt.NDArray[np.int64]) -> None:
        states, n = self._forward(inputs), len(inputs)
        delta = states[-1]
        delta -= delta.max(0)
        np.exp(delta, out=delta)
        delta /= delta.sum(0)
        delta[classes, np.arange(n)] -= 1
        delta /= n
        for i in range(len(self._matrices) - 1, -1, -1):
            x = states[i]
            self._weight_gradient(i, delta, x, self._gradient[self._weights[i]])
            delta.sum(1, out=self._gradient[self._biases[i]])
            if i > 0:
                delta = self._matrices[i].T @ delta
                delta *= x > 0
        self._velocity *= self.momentum
        self._velocity += self._gradient
        self._gradient[:] = self._velocity
        self._gradient *= self.learning_rate
        self.parameters -= self._gradient

    def _weight_gradient(self, i: int, delta: Floats, x: Floats, out: Floats) -> None:
        rows, columns = self._rows[i], self._matrices[i].indices
        if self.form == "product and gather":
            np.take((delta @ x.T).ravel(), self._places[i], out=out, mode="clip")
        elif self.form == "Numba":
            edge_products(rows, columns, delta, x, out)
        else:
            for k in range(0, len(rows), CHUNK):
                part = slice(k, k + CHUNK)
                np.einsum("eb,eb->e", delta[rows[part]], x[columns[part]], out=out[part])
