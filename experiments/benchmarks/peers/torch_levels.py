"""PyTorch's side of the graph benchmark for any acyclic graph: level by level, with a backward pass written by hand.

A level holds the nodes whose longest paths from an input have the same length. It is computed at once, from the rows of
all its predecessors. Autograd would copy the state at every level, because it forbids writing into it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from evo.genome.genome import Genome, Role
from experiments.benchmarks.peers.torch_graph import Pattern, TorchPeer


@dataclass(frozen=True, eq=False)
class Level:
    """One level; rows are numbered level by level.

    Attributes
    ----------
    first, hidden_end, end
        Range of its rows: hidden nodes up to `hidden_end`, then outputs.
    sources
        Rows of its predecessors, ascending.
    edges
        Range of its weights.
    pattern
        Places of the weights in its matrix, shape (its nodes, its sources).
    """

    first: int
    hidden_end: int
    end: int
    sources: Any
    edges: slice
    pattern: Pattern


class Levels(TorchPeer):
    """A graph of tanh nodes and identity outputs, by levels; a subclass multiplies one level.

    Parameters
    ----------
    genome
        Acyclic genome with one tick; only effective edges are computed, as on our side.
    """

    def __init__(self, genome: Genome, *args: Any, **settings: Any) -> None:
        matrix, row_of, depths = _by_level(genome)
        self.values = torch.tensor(matrix.data, requires_grad=True)
        self.bias = torch.zeros(matrix.shape[0], requires_grad=True)
        self.input_rows = torch.tensor(row_of[genome.inputs])
        self.output_rows = torch.tensor(row_of[genome.outputs])
        is_output = np.zeros(len(depths), np.bool_)
        is_output[row_of[genome.outputs]] = True
        self.levels = [
            _level(matrix, depths, is_output, depth) for depth in range(1, int(depths.max()) + 1)
        ]
        super().__init__([self.values, self.bias], *args, **settings)

    def matrices(self) -> list[Any]:
        """Return the present weights of each level."""
        raise NotImplementedError

    def back(self, level: Level, matrix: Any, delta: Any) -> Any:
        """Return Wᵀ·δ."""
        raise NotImplementedError

    def keep_gradient(self, position: int, delta: Any, source_states: Any) -> None:
        """Compute and keep the weight gradient of one level."""
        raise NotImplementedError

    def gradient(self) -> Any:
        """Return the weight gradients of all levels."""
        raise NotImplementedError

    def _forward(self, inputs: Any, matrices: list[Any]) -> tuple[Any, list[Any]]:
        state = torch.empty(len(self.bias), len(inputs))
        state[self.input_rows] = inputs.t()
        kept = []
        for level, matrix in zip(self.levels, matrices, strict=True):
            source_states = state.index_select(0, level.sources)
            bias = self.bias[level.first : level.end, None]
            state[level.first : level.end] = torch.addmm(bias, matrix, source_states)
            state[level.first : level.hidden_end].tanh_()
            kept.append(source_states)
        return state, kept

    def scores(self, inputs: Any) -> Any:
        """See `TorchPeer`; without gradients."""
        return self._forward(inputs, self.matrices())[0][self.output_rows].t()

    def step(self, inputs: Any, classes: Any) -> None:
        """Make one step: forward pass, loss, backward pass, update."""
        with torch.no_grad():
            self._backward(inputs, classes)
        self.optimizer.step()

    def _backward(self, inputs: Any, classes: Any) -> None:
        matrices, n = self.matrices(), len(inputs)
        state, kept = self._forward(inputs, matrices)
        residual = torch.zeros_like(state)
        delta = torch.softmax(state[self.output_rows], 0)
        delta[classes, torch.arange(n)] -= 1
        residual[self.output_rows] = delta / n
        for i in range(len(self.levels) - 1, -1, -1):
            level = self.levels[i]
            hidden = slice(level.first, level.hidden_end)
            o = state[hidden]
            residual[hidden] *= 1 - o * o
            delta = residual[level.first : level.end]
            self.keep_gradient(i, delta, kept[i])
            residual.index_add_(0, level.sources, self.back(level, matrices[i], delta))
        self.values.grad, self.bias.grad = self.gradient(), residual.sum(1)
        self.bias.grad[self.input_rows] = 0


class DenseLevels(Levels):
    """Each level is a dense matrix with zeros where no edge is; all matrices are views of one vector."""

    def __init__(self, genome: Genome, *args: Any, **settings: Any) -> None:
        super().__init__(genome, *args, **settings)
        shapes = [level.pattern.shape for level in self.levels]
        ends = np.cumsum([0, *(a * b for a, b in shapes)]).tolist()
        self._flat, self._products = torch.zeros(ends[-1]), torch.empty(ends[-1])
        views = [
            [flat[a:b].view(shape) for a, b, shape in zip(ends, ends[1:], shapes, strict=False)]
            for flat in (self._flat, self._products)
        ]
        self._matrices, self._gradients = views
        firsts = zip(self.levels, ends, strict=False)
        self._places = torch.cat([level.pattern.places + first for level, first in firsts])

    def matrices(self) -> list[Any]:
        """See `Levels`."""
        self._flat.index_copy_(0, self._places, self.values.detach())
        return self._matrices

    def back(self, level: Level, matrix: Any, delta: Any) -> Any:
        """See `Levels`."""
        return matrix.t() @ delta

    def keep_gradient(self, position: int, delta: Any, source_states: Any) -> None:
        """See `Levels`."""
        torch.mm(delta, source_states.t(), out=self._gradients[position])

    def gradient(self) -> Any:
        """See `Levels`."""
        return self._products.index_select(0, self._places)


class SparseLevels(Levels):
    """Each level is a CSR matrix."""

    def __init__(self, genome: Genome, *args: Any, **settings: Any) -> None:
        super().__init__(genome, *args, **settings)
        self._gradient = torch.empty_like(self.values)

    def matrices(self) -> list[Any]:
        """See `Levels`."""
        values = self.values.detach()
        return [level.pattern.matrix(values[level.edges]) for level in self.levels]

    def back(self, level: Level, matrix: Any, delta: Any) -> Any:
        """See `Levels`."""
        return level.pattern.transposed(matrix.values()) @ delta

    def keep_gradient(self, position: int, delta: Any, source_states: Any) -> None:
        """See `Levels`."""
        level = self.levels[position]
        self._gradient[level.edges] = level.pattern.gradient(delta, source_states)

    def gradient(self) -> Any:
        """See `Levels`."""
        return self._gradient


def _by_level(
    genome: Genome,
) -> tuple[sparse.csr_array, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the effective weights (target, source) by levels, the row of each node, and the level of each row."""
    n, mask = genome.n_nodes, genome.effective_mask()
    targets = np.repeat(np.arange(n), np.diff(genome.indptr))[mask]
    sources, values = genome.indices[mask], genome.values[mask]
    depth = np.zeros(n, np.int64)
    for source, target in zip(sources.tolist(), targets.tolist(), strict=True):  # by target
        depth[target] = max(depth[target], depth[source] + 1)
    order = np.lexsort((genome.roles == Role.OUTPUT, depth))
    row_of = np.empty(n, np.int64)
    row_of[order] = np.arange(n)
    matrix = sparse.csr_array((values, (row_of[targets], row_of[sources])), shape=(n, n))
    matrix.sort_indices()
    return matrix, row_of, depth[order]


def _level(
    matrix: sparse.csr_array,
    depths: npt.NDArray[np.int64],
    is_output: npt.NDArray[np.bool_],
    depth: int,
) -> Level:
    first, end = np.searchsorted(depths, [depth, depth + 1]).tolist()
    rows = matrix[first:end]
    sources = np.unique(rows.indices)
    compact = sparse.csr_array(
        (rows.data, np.searchsorted(sources, rows.indices), rows.indptr),
        shape=(end - first, len(sources)),
    )
    return Level(
        first=first,
        hidden_end=end - int(is_output[first:end].sum()),
        end=end,
        sources=torch.tensor(sources.astype(np.int64)),
        edges=slice(int(matrix.indptr[first]), int(matrix.indptr[end])),
        pattern=Pattern(compact, "sampled"),
    )
