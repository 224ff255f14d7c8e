"""PyTorch's side of the graph benchmark: dense layers with a mask, sparse matrices, levels of a graph.

Samples are rows for dense layers, as PyTorch has them, and columns for sparse matrices, which multiply from the left.
Weights are given as sparse matrices (n_out, n_in) between neighbouring layers; biases start at 0.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import nn

from experiments.benchmarks.peers.torch_layers import OPTIMIZER_FORMS, OptimizerForm

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Blocks = Sequence[sparse.csr_array]

Gradient = Literal["sampled", "product and gather"]
"""Form of a sparse weight gradient: computed only at the edges, or everywhere and then picked."""


with warnings.catch_warnings():  # PyTorch warns once that its CSR is in beta
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], size=(1, 1), check_invariants=True)


def one_thread() -> None:
    """Let PyTorch compute on one thread; on a busy machine two threads are many times slower."""
    torch.set_num_threads(1)


class TorchPeer:
    """Base of all forms: data, optimizer, starting weights.

    Parameters
    ----------
    parameters
        Tensors to train.
    samples
        Inputs (n, features) and classes (n,).
    learning_rate, momentum
        Parameters of SGD.
    optimizer
        A key of `OPTIMIZER_FORMS`.
    """

    def __init__(
        self,
        parameters: Sequence[Any],
        samples: tuple[Floats, npt.NDArray[np.int64]],
        *,
        learning_rate: float,
        momentum: float,
        optimizer: OptimizerForm = "fused",
    ) -> None:
        self.parameters = list(parameters)
        self.inputs, self.classes = torch.tensor(samples[0]), torch.tensor(samples[1])
        self._start = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.SGD(
            self.parameters, lr=learning_rate, momentum=momentum, **OPTIMIZER_FORMS[optimizer]
        )

    def restore(self) -> None:
        """Go back to the starting weights, without momentum."""
        with torch.no_grad():
            for parameter, start in zip(self.parameters, self._start, strict=True):
                parameter.copy_(start)
        self.optimizer.state.clear()

    def train(self, order: Indices) -> None:
        """Make a step with each batch of indices."""
        for chosen in torch.tensor(order).unbind(0):
            self.step(self.inputs.index_select(0, chosen), self.classes.index_select(0, chosen))

    def step(self, inputs: Any, classes: Any) -> None:
        """Make one step: forward pass, loss, backward pass by autograd, update."""
        self.optimizer.zero_grad(set_to_none=True)
        self.batch_loss(inputs, classes).backward()
        self.optimizer.step()

    def loss(self, batch: Indices) -> float:
        """Return the mean loss over some samples."""
        chosen = torch.tensor(batch)
        with torch.no_grad():
            scores = self.scores(self.inputs[chosen])
            return float(nn.functional.cross_entropy(scores, self.classes[chosen]))

    def batch_loss(self, inputs: Any, classes: Any) -> Any:
        """Return the mean loss as a tensor that autograd can differentiate."""
        return nn.functional.cross_entropy(self.scores(inputs), classes)

    def scores(self, inputs: Any) -> Any:
        """Return the scores, shape (batch, n_out)."""
        raise NotImplementedError


class MaskedLayers(TorchPeer):
    """Dense ReLU layers; the mask multiplies the weights in the forward pass."""

    def __init__(self, blocks: Blocks, *args: Any, compiled: bool = False, **settings: Any) -> None:
        self.weights = [torch.tensor(b.toarray(), requires_grad=True) for b in blocks]
        self.biases = [torch.zeros(b.shape[0], requires_grad=True) for b in blocks]
        self.masks = [torch.tensor(b.astype(bool).toarray(), dtype=torch.float32) for b in blocks]
        super().__init__([*self.weights, *self.biases], *args, **settings)
        if compiled:
            self.batch_loss = torch.compile(self.batch_loss, dynamic=False)  # type: ignore[method-assign]

    def effective(self, weight: Any, mask: Any) -> Any:
        """Return the weights that the forward pass uses."""
        return weight * mask

    def scores(self, inputs: Any) -> Any:
        """See `TorchPeer`."""
        x = inputs
        last = len(self.weights) - 1
        for i, (w, m, b) in enumerate(zip(self.weights, self.masks, self.biases, strict=True)):
            x = nn.functional.linear(x, self.effective(w, m), b)
            x = torch.relu(x) if i < last else x
        return x


class RemaskedLayers(MaskedLayers):
    """The same numbers with less work: weights are masked after each update instead."""

    def effective(self, weight: Any, mask: Any) -> Any:
        """Return the weights, which are already masked."""
        return weight

    def step(self, inputs: Any, classes: Any) -> None:
        """Make one step, then set weights without an edge to zero."""
        super().step(inputs, classes)
        with torch.no_grad():
            for weight, mask in zip(self.weights, self.masks, strict=True):
                weight.mul_(mask)


class SparseLinear(torch.autograd.Function):  # type: ignore[misc]
    """``W @ x + b`` with sparse W and trainable values; autograd lacks this for CSR on the CPU."""

    @staticmethod
    def forward(ctx: Any, values: Any, bias: Any, x: Any, pattern: "Pattern") -> Any:
        """Multiply; x has shape (n_in, batch)."""
        ctx.save_for_backward(values, x)
        ctx.pattern = pattern
        return torch.addmm(bias[:, None], pattern.matrix(values), x)

    @staticmethod
    def backward(ctx: Any, *deltas: Any) -> Any:
        """Return the gradients of values, bias and x."""
        values, x = ctx.saved_tensors
        pattern, delta = ctx.pattern, deltas[0].contiguous()
        back = pattern.transposed(values) @ delta if ctx.needs_input_grad[2] else None
        return pattern.gradient(delta, x), delta.sum(1), back, None


class Pattern:
    """Places of the entries of a sparse layer."""

    def __init__(self, block: sparse.csr_array, gradient: Gradient) -> None:
        self.shape, self.form = block.shape, gradient
        numbered = block.copy()
        numbered.data = np.arange(block.nnz)
        turned = numbered.tocsc()
        self.rows, self.columns = self._pointers(block), self._pointers(turned)
        self.to_turned = torch.tensor(turned.data.astype(np.int64))
        coordinates = block.tocoo()
        places = coordinates.row.astype(np.int64) * block.shape[1] + coordinates.col
        self.places = torch.tensor(places)
        self.zeros = self.matrix(torch.zeros(block.nnz))

    @staticmethod
    def _pointers(matrix: Any) -> tuple[Any, Any]:
        return (
            torch.tensor(matrix.indptr.astype(np.int32)),
            torch.tensor(matrix.indices.astype(np.int32)),
        )

    def matrix(self, values: Any) -> Any:
        """Return W."""
        return torch.sparse_csr_tensor(*self.rows, values, size=self.shape, check_invariants=False)

    def transposed(self, values: Any) -> Any:
        """Return Wᵀ as a CSR matrix of its own; the product with a transposed CSR matrix is far slower."""
        turned = values.index_select(0, self.to_turned)
        size = self.shape[::-1]
        return torch.sparse_csr_tensor(*self.columns, turned, size=size, check_invariants=False)

    def gradient(self, delta: Any, x: Any) -> Any:
        """Return δ·xᵀ at the entries."""
        if self.form == "sampled":
            return torch.sparse.sampled_addmm(self.zeros, delta, x.t(), beta=0.0).values()
        return (delta @ x.t()).view(-1).index_select(0, self.places)


class SparseLayers(TorchPeer):
    """ReLU layers as CSR matrices; their values are trained."""

    def __init__(self, blocks: Blocks, gradient: Gradient, *args: Any, **settings: Any) -> None:
        self.patterns = [Pattern(block, gradient) for block in blocks]
        self.values = [torch.tensor(block.data, requires_grad=True) for block in blocks]
        self.biases = [torch.zeros(block.shape[0], requires_grad=True) for block in blocks]
        super().__init__([*self.values, *self.biases], *args, **settings)

    def scores(self, inputs: Any) -> Any:
        """See `TorchPeer`."""
        x = inputs.t().contiguous()
        last = len(self.values) - 1
        for i, layer in enumerate(zip(self.values, self.biases, self.patterns, strict=True)):
            values, bias, pattern = layer
            x = SparseLinear.apply(values, bias, x, pattern)
            x = torch.relu(x) if i < last else x
        return x.t()


class Chain(TorchPeer):
    """Dense tanh layers in an `nn.Sequential`."""

    def __init__(self, blocks: Blocks, *args: Any, **settings: Any) -> None:
        modules: list[nn.Module] = []
        for block in blocks:
            linear = nn.Linear(block.shape[1], block.shape[0])
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(block.toarray()))
                linear.bias.zero_()
            modules += [linear, nn.Tanh()]
        self.module = nn.Sequential(*modules[:-1])
        super().__init__(list(self.module.parameters()), *args, **settings)

    def scores(self, inputs: Any) -> Any:
        """See `TorchPeer`."""
        return self.module(inputs)
