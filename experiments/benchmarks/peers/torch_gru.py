"""A gated recurrent unit of PyTorch (Cho et al. 2014), which the trainer of :mod:`cnn` trains like any other network.

PyTorch computes on one thread, for so small a network would wait for the others. Its parameters are one vector of
NumPy, of which those of PyTorch are views. So optimizer, schedule, clipping and batches are those of our networks, and
PyTorch computes the outputs and the gradient.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnn.arrays import FloatArray, aligned_empty
from cnn.readings import weights_of_readings

Readings = NDArray[np.integer[Any]]


def parameter_count(n_inputs: int, n_hidden: int, n_outputs: int) -> int:
    """Return the number of parameters: three gates with two biases each, and a linear layer.

    Examples
    --------
    >>> parameter_count(2, 8, 1)
    297
    """
    return 3 * n_hidden * (n_inputs + n_hidden + 2) + n_outputs * (n_hidden + 1)


def hidden_for(n_parameters: int, n_inputs: int, n_outputs: int) -> int:
    """Return the number of hidden units with which the number of parameters is nearest to a given one."""
    sizes = np.arange(1, 2 + int(np.sqrt(n_parameters)))
    counts = [parameter_count(n_inputs, int(size), n_outputs) for size in sizes]
    return int(sizes[np.abs(np.array(counts) - n_parameters).argmin()])


def _tensor(array: NDArray[Any], dtype: type) -> Tensor:
    """Return a copy of an array as a tensor; read-only arrays have no tensors of their own."""
    return torch.from_numpy(np.array(array, dtype))


class Gru:
    """A layer of gated recurrent units and a linear layer.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs : int
    ticks : int
        Number of steps.
    loss : {"cross_entropy", "squared_error"}
    rng : numpy.random.Generator
        Draws the parameters, uniform within ± 1/√n_hidden, as PyTorch does.

    Attributes
    ----------
    parameters : ndarray of float32
        All trainable numbers.
    """

    def __init__(
        self,
        n_inputs: int,
        n_hidden: int,
        n_outputs: int,
        *,
        ticks: int,
        loss: str,
        rng: np.random.Generator,
    ) -> None:
        self._ticks, self._n_inputs, self._loss = ticks, n_inputs, loss
        self._gru = torch.nn.GRU(n_inputs, n_hidden, batch_first=True)
        self._linear = torch.nn.Linear(n_hidden, n_outputs)
        torch.set_num_threads(1)
        bound = 1 / np.sqrt(n_hidden)
        n_parameters = parameter_count(n_inputs, n_hidden, n_outputs)
        self.parameters = aligned_empty(n_parameters, np.float32)
        self.parameters[...] = rng.uniform(-bound, bound, n_parameters)
        self._gradient = np.empty_like(self.parameters)
        whole = torch.from_numpy(self.parameters)
        for part, place in self._parts():
            part.data = whole[place].view(part.shape)

    def _parts(self) -> Iterator[tuple[torch.nn.Parameter, slice]]:
        """Yield the parameters of PyTorch, and where each lies in the vector."""
        begin = 0
        for module in (self._gru, self._linear):
            for part in module.parameters():
                yield part, slice(begin, begin + part.numel())
                begin += part.numel()

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers."""
        return len(self.parameters)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sequence."""
        hidden, n_outputs = int(self._gru.hidden_size), int(self._linear.out_features)
        return self._ticks * 3 * hidden * (self._n_inputs + hidden) + hidden * n_outputs

    def _scores(self, inputs: NDArray[Any], readings: Readings | None) -> Tensor:
        """Return the scores, shape (n_targets, n_outputs)."""
        steps = _tensor(inputs, np.float32).reshape(len(inputs), self._ticks, -1)
        states, _ = self._gru(steps)  # (samples, ticks, hidden)
        if readings is None:
            at = states[:, -1]
        else:
            samples, ticks = _tensor(readings, np.int64)
            at = states[samples, ticks]
        scores: Tensor = self._linear(at)
        return scores

    def _value(
        self,
        scores: Tensor,
        targets: NDArray[Any],
        weights: NDArray[Any] | None,
        readings: Readings | None,
    ) -> Tensor:
        """Return the loss."""
        if self._loss == "cross_entropy":
            errors = torch.nn.functional.cross_entropy(
                scores, _tensor(targets, np.int64), reduction="none"
            )
        else:
            differences = scores - _tensor(targets, np.float32)
            errors = 0.5 * (differences**2).sum(dim=1)
        if readings is not None:
            weights = weights_of_readings(readings, weights, int(readings[0, -1]) + 1)
        if weights is not None:
            errors = errors * _tensor(weights, np.float32)
        return errors.mean()

    def loss_and_gradients(
        self,
        inputs: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
        readings: Readings | None = None,
    ) -> tuple[float, FloatArray]:
        """Return the loss and its gradient; see :class:`cnn.training.descent.Trainable`."""
        parts = [part for part, _ in self._parts()]
        value = self._value(self._scores(inputs, readings), targets, weights, readings)
        for (_, place), one in zip(self._parts(), torch.autograd.grad(value, parts), strict=True):
            self._gradient[place] = one.numpy().ravel()
        return float(value.detach()), self._gradient

    def loss(
        self,
        inputs: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
        readings: Readings | None = None,
    ) -> float:
        """Return the loss."""
        with torch.no_grad():
            return float(self._value(self._scores(inputs, readings), targets, weights, readings))

    def output(self, inputs: NDArray[Any], readings: Readings | None = None) -> FloatArray:
        """Return the predictions: probabilities or values."""
        with torch.no_grad():
            scores = self._scores(inputs, readings)
            found = scores.softmax(dim=1) if self._loss == "cross_entropy" else scores
            output: FloatArray = found.numpy().copy()
            return output
