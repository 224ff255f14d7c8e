"""The phenotype: a genome compiled to a network that runs and trains.

Compiling keeps the effective edges and the nodes they need, lays the trainable numbers out as one flat vector
(weights in the genome's order, then biases) and numbers activation rows; nothing is generated or recompiled per
topology. The trainer sees a *trainable* only: `parameters`, `loss_and_gradients`, `loss`, `output`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.losses import LOSSES
from evo import kernels
from evo.genome import FloatArray, Genome, Role


@dataclass(frozen=True, eq=False)
class Plan:
    """What to compute, in rows of one tick's block of activations.

    Attributes
    ----------
    entries : ndarray, shape (n_edges,)
        Which stored entry of the genome each computed edge is.
    positions : ndarray, shape (n_computed,)
        Which node of the genome each computed node is, in evaluation order.
    nodes : ndarray, shape (n_computed,)
        The row of each computed node.
    indptr, sources : ndarray
        The edges of each computed node; a delayed source counts from the block before (its row minus `block`).
    from_input : ndarray of bool, shape (n_edges,)
        Edges through which no residual need flow back.
    rows : ndarray, shape (n_nodes,)
        The row of each node of the genome, −1 where it has none.
    input_features, input_rows : ndarray
        Which feature goes to which row.
    output_rows : ndarray, shape (n_outputs,)
        Where the scores are read after the last tick.
    block : int
        Rows per tick.
    """

    entries: NDArray[np.intp]
    positions: NDArray[np.intp]
    nodes: NDArray[np.int64]
    indptr: NDArray[np.int64]
    sources: NDArray[np.int64]
    from_input: NDArray[np.bool_]
    rows: NDArray[np.int64]
    input_features: NDArray[np.intp]
    input_rows: NDArray[np.int64]
    output_rows: NDArray[np.int64]
    block: int


def compile_plan(genome: Genome) -> Plan:
    """Lay out the effective part of a genome for the kernels; O(nodes + stored entries)."""
    entries = np.flatnonzero(genome.effective_mask())
    kept = genome.roles == Role.OUTPUT
    kept[genome.indices[entries]] = True
    kept[_targets(genome)[entries]] = True
    return _lay_out(genome, entries, kept)


def compile_whole_plan(genome: Genome) -> Plan:
    """Lay out every node and every edge that carries something, whether or not an output depends on it.

    The outputs are the same as with :func:`compile_plan`, up to rounding. What is added are the states of inputs and
    hidden nodes to which nobody listens, which tell what an edge from there would do.
    """
    targets = _targets(genome)
    is_input = genome.roles == Role.INPUT
    at_once = (genome.indices < targets) | is_input[genome.indices]
    carries = genome.live_mask() & ~is_input[targets] & (at_once | (genome.ticks > 1))
    return _lay_out(genome, np.flatnonzero(carries), np.ones(genome.n_nodes, dtype=np.bool_))


def _targets(genome: Genome) -> NDArray[np.intp]:
    """Return the target of each stored entry."""
    return np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))


def _lay_out(genome: Genome, entries: NDArray[np.intp], kept: NDArray[np.bool_]) -> Plan:
    """Give the nodes to keep a row each, and write the edges at these entries with them."""
    n = genome.n_nodes
    sources = genome.indices[entries].astype(np.int64)
    targets = _targets(genome)[entries]
    is_input = genome.roles == Role.INPUT

    rows = np.where(kept, np.cumsum(kept) - 1, -1)
    block = int(kept.sum())
    positions = np.flatnonzero(kept & ~is_input)
    counts = np.bincount(targets, minlength=n)[positions]

    inputs = genome.inputs
    features = np.flatnonzero(kept[inputs])
    from_input = is_input[sources]
    delayed = (sources >= targets) & ~from_input
    return Plan(
        entries=entries,
        positions=positions,
        nodes=rows[positions],
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        sources=rows[sources] - block * delayed,
        from_input=from_input,
        rows=rows,
        input_features=features,
        input_rows=rows[inputs[features]],
        output_rows=rows[genome.outputs],
        block=block,
    )


@dataclass(frozen=True, eq=False)
class _Workspace:
    """Activations and residuals for one batch size, shape (blocks × rows, batch); scores, shape (outputs, batch)."""

    state: FloatArray
    residual: FloatArray
    scores: FloatArray
    score_residual: FloatArray


class Phenotype:
    """A network that runs exactly what its genome says.

    Parameters
    ----------
    genome : Genome
        Which network; its dtype is the dtype of all arithmetic.
    loss : str
        A key of :data:`cnn.losses.LOSSES`. ``cross_entropy`` puts a softmax on the output nodes.
    plan : Plan, optional
        What of the genome to compute; by default what its outputs depend on.

    Attributes
    ----------
    parameters : ndarray, shape (parameter_count,)
        The weights of computed edges, then the biases of computed nodes. A trainer changes them in place;
        :meth:`to_genome` writes them back into a genome.
    """

    def __init__(
        self, genome: Genome, loss: str = "cross_entropy", plan: Plan | None = None
    ) -> None:
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}")
        self.genome = genome
        self.loss_name = loss
        self.plan = plan = compile_plan(genome) if plan is None else plan
        self.parameters: FloatArray = np.concatenate(
            [genome.values[plan.entries], genome.bias[plan.positions]]
        )
        self._gradient = np.empty_like(self.parameters)
        n_edges = len(plan.entries)
        self._weights, self._bias = self.parameters[:n_edges], self.parameters[n_edges:]
        self._weight_gradient = self._gradient[:n_edges]
        self._bias_gradient = self._gradient[n_edges:]
        self._codes = genome.activations[plan.positions]
        self._n_features = len(genome.inputs)
        # With one tick no edge is delayed; with more, a block of zeros stands for the tick before the first.
        self._first_base = 0 if genome.ticks == 1 else plan.block
        self._last_base = self._first_base + (genome.ticks - 1) * plan.block
        self._loss = LOSSES[loss]
        self._workspaces: dict[int, _Workspace] = {}

    # -- sizes -----------------------------------------------------------------------------------------------------

    @property
    def n_edges(self) -> int:
        """Number of computed (effective) edges."""
        return len(self.plan.entries)

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers: effective edges and the biases of computed nodes."""
        return len(self.parameters)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample: one per computed edge and tick."""
        return self.n_edges * self.genome.ticks

    # -- running ---------------------------------------------------------------------------------------------------

    def output(self, inputs: NDArray[Any]) -> FloatArray:
        """Return predictions, shape (n_samples, n_outputs): class probabilities, or values in regression.

        Parameters
        ----------
        inputs : ndarray, shape (n_samples, ...)
            One sample a row; further axes are flattened in C order, one feature per input node.
        """
        workspace = self._forward(inputs)
        return np.ascontiguousarray(self._loss.predict(workspace.scores).T)

    def loss(self, inputs: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return the mean loss over the samples."""
        workspace = self._forward(inputs)
        return self._value_and_delta(workspace, targets)

    def loss_and_gradients(
        self, inputs: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[float, FloatArray]:
        """Return the mean loss and its gradient with respect to `parameters`.

        The gradient is a buffer that the next call overwrites.
        """
        plan = self.plan
        workspace = self._forward(inputs)
        value = self._value_and_delta(workspace, targets)
        workspace.residual[:] = 0
        workspace.residual[self._last_base + plan.output_rows] = workspace.score_residual
        self._gradient[:] = 0
        kernels.backward(
            plan.nodes,
            plan.indptr,
            plan.sources,
            plan.from_input,
            self._weights,
            self._codes,
            workspace.state,
            workspace.residual,
            self._weight_gradient,
            self._bias_gradient,
            plan.block,
            self._first_base,
            self.genome.ticks,
        )
        return value, self._gradient

    def gradients_at(
        self,
        sources: NDArray[np.integer[Any]],
        targets: NDArray[np.integer[Any]],
        inputs: NDArray[Any],
        labels: NDArray[Any],
    ) -> FloatArray:
        """Return the loss gradient at places (source, target) of the matrix, edges or not.

        At a place without an edge it is the gradient with respect to an edge of weight 0. This is what growing where
        the gradient is largest asks for (RigL, Evci et al. 2020). It is exact everywhere: for the states of nodes that
        no output depends on, unheard inputs above all, the whole network is computed and not only its effective
        part. Its cost is one training step of that, and O(places), never n × n.

        Parameters
        ----------
        sources, targets : ndarray of int, shape (n_places,)
            Positions of nodes. The gradient is 0 where the target is an input or acts on no output, and where with
            one tick the edge would be delayed.
        inputs, labels : ndarray
            Samples and their targets, as :meth:`loss` takes them.

        Returns
        -------
        ndarray, shape (n_places,)
        """
        is_input = self.genome.roles == Role.INPUT
        delayed = (sources >= targets) & ~is_input[sources]
        acts = np.flatnonzero(~is_input[targets] & (~delayed | (self.genome.ticks > 1)))
        whole = Phenotype(self.to_genome(), self.loss_name, compile_whole_plan(self.genome))
        whole.loss_and_gradients(inputs, labels)
        workspace, rows, block = whole._workspace(len(inputs)), whole.plan.rows, whole.plan.block
        found = np.zeros(len(acts), dtype=self.parameters.dtype)
        kernels.gradients_at(
            (rows[sources] - block * delayed)[acts],
            rows[targets][acts],
            workspace.state,
            workspace.residual,
            block,
            whole._first_base,
            self.genome.ticks,
            found,
        )
        gradients = np.zeros(len(sources), dtype=self.parameters.dtype)
        gradients[acts] = found
        return gradients

    # -- back to the genome ------------------------------------------------------------------------------------------

    def to_genome(self) -> Genome:
        """Return the genome with the present parameters written into its matrix and biases."""
        values, bias = self.genome.values.copy(), self.genome.bias.copy()
        values[self.plan.entries] = self._weights
        bias[self.plan.positions] = self._bias
        return self.genome.with_values(values, bias)

    def parameter_places(self) -> NDArray[np.intp]:
        """Tell where each parameter lies in the genome's entries followed by its biases; shape (parameter_count,)."""
        return np.concatenate([self.plan.entries, self.genome.n_stored + self.plan.positions])

    # -- inside ------------------------------------------------------------------------------------------------------

    def _workspace(self, n_batch: int) -> _Workspace:
        if n_batch not in self._workspaces:
            blocks = 1 if self.genome.ticks == 1 else self.genome.ticks + 1
            dtype = self.parameters.dtype
            rows = (blocks * self.plan.block, n_batch)
            scores = (len(self.plan.output_rows), n_batch)
            self._workspaces[n_batch] = _Workspace(
                np.zeros(rows, dtype),
                np.zeros(rows, dtype),
                np.empty(scores, dtype),
                np.empty(scores, dtype),
            )
        return self._workspaces[n_batch]

    def _forward(self, inputs: NDArray[Any]) -> _Workspace:
        plan, ticks = self.plan, self.genome.ticks
        workspace = self._workspace(len(inputs))
        flat = inputs.reshape(len(inputs), -1)
        if flat.shape[1] != self._n_features:
            raise ValueError(
                f"inputs must have {self._n_features} features a sample, one per input node; "
                f"got {flat.shape[1]}"
            )
        features = flat.T[plan.input_features]
        for tick in range(ticks):
            workspace.state[self._first_base + tick * plan.block + plan.input_rows] = features
        kernels.forward(
            plan.nodes,
            plan.indptr,
            plan.sources,
            self._weights,
            self._bias,
            self._codes,
            workspace.state,
            plan.block,
            self._first_base,
            ticks,
        )
        workspace.scores[:] = workspace.state[self._last_base + plan.output_rows]
        return workspace

    def _value_and_delta(self, workspace: _Workspace, targets: NDArray[Any]) -> float:
        return self._loss.value_and_delta(workspace.scores, targets.T, workspace.score_residual)
