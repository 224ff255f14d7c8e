"""The phenotype: a genome compiled to a network that runs and trains.

Compiling keeps the effective edges and their nodes (:mod:`evo.phenotype.plan`). The parameters are one flat vector: the
weights in the order of the genome, then the biases. The trainer needs only `parameters`, `loss_and_gradients`, `loss`
and `output`, and uses `descend`, which makes many steps in one compiled call.
"""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cnn.arrays import aligned_copy, aligned_empty
from cnn.checks import check_classes, check_targets, check_weights, real_array
from cnn.compile.vector_kernels import norm_of
from cnn.dropout.dropout import Dropout, node_words
from cnn.readings import weights_of_readings
from cnn.training.descent import (
    DIVERGENCE_FACTOR,
    DIVERGENCE_OFFSET,
    DescentResult,
    TrainingSegment,
    descend_stepwise,
)
from cnn.training.losses import LOSSES, Loss
from cnn.training.samples import Samples
from evo.genome.genome import FloatArray, Genome, Role, read_only
from evo.phenotype import passes, sequences
from evo.phenotype.kernels import backward_kernels
from evo.phenotype.kernels import training_kernels as loop
from evo.phenotype.kernels.dropout_kernels import NodeDropout, draw_masks
from evo.phenotype.kernels.forward_kernels import Buffers, Layout
from evo.phenotype.passes import Runtime
from evo.phenotype.plan import Plan, compile_plan, compile_whole_plan
from evo.phenotype.sequences import Readings, check_sequences
from evo.phenotype.tap_gradients import check_places, effective_places, with_taps

__all__ = ["Dormant", "Phenotype", "Plan", "compile_plan", "compile_whole_plan"]

Dormant = Literal["frozen", "straight_through"]
"""Whether dormant entries (stored, but not above the threshold) keep their values or keep learning."""


class Phenotype:
    """The network of a genome.

    Parameters
    ----------
    genome : Genome
        The genome; its dtype is the dtype of all arithmetic.
    loss : str
        A key of :data:`cnn.training.losses.LOSSES`. ``cross_entropy`` puts a softmax on the output nodes.
    plan : Plan, optional
        The computed part of the genome; by default the nodes and edges on which its outputs depend.
    dormant : {"frozen", "straight_through"}
        With ``"frozen"`` the threshold is applied once, here. With ``"straight_through"`` it is applied at every step:
        a dormant entry is left out of the forward pass but receives the gradient of an active edge, so it may become
        active (Wortsman et al. 2019).

    Attributes
    ----------
    parameters : ndarray, shape (parameter_count,)
        The weights of computed edges, then the biases of computed nodes. A trainer changes them in place;
        :meth:`to_genome` writes them back into a genome.
    """

    def __init__(
        self,
        genome: Genome,
        loss: str = "cross_entropy",
        plan: Plan | None = None,
        *,
        dormant: Dormant = "frozen",
    ) -> None:
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}")
        if dormant not in get_args(Dormant):
            raise ValueError(
                f"dormant must be one of {', '.join(get_args(Dormant))}; got {dormant!r}"
            )
        learning = dormant == "straight_through" and genome.threshold is not None
        self.genome = genome
        self.loss_name = loss
        self.dormant: Dormant = dormant
        self._given_plan = plan
        self.plan = plan = plan or compile_plan(genome.without_threshold() if learning else genome)
        dtype = genome.values.dtype
        self.parameters = aligned_empty(plan.n_edges + len(plan.nodes), dtype)
        np.concatenate([plan.take(genome.values), genome.bias[plan.nodes]], out=self.parameters)
        self._gradient = aligned_empty(self.parameters.shape, dtype)
        n_edges = plan.n_edges
        self._weights, self._bias = self.parameters[:n_edges], self.parameters[n_edges:]
        self._weight_gradient = self._gradient[:n_edges]
        self._bias_gradient = self._gradient[n_edges:]
        self._threshold = passes.learning_threshold(genome, plan, learning=learning)
        self._masked_weights = aligned_copy(self._weights) if learning else self._weights
        self._io_rows = loop.InputOutputRows(
            read_only(plan.input_features),
            read_only(plan.input_rows),
            read_only(plan.output_rows),
            genome.n_features,
        )
        self._loss = LOSSES[loss]
        self._runtime: tuple[int, Runtime] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a copy is made: anew, so that its weights are views of its own `parameters`."""
        return _copied, (
            self.genome,
            self.loss_name,
            self._given_plan,
            self.dormant,
            self.parameters,
        )

    @property
    def dormant_learn(self) -> bool:
        """Whether dormant entries are trained as well."""
        return len(self._threshold.values) > 0

    @property
    def input_output_rows(self) -> loop.InputOutputRows:
        """The rows of a tick that receive the features of a sample, and those that hold the scores."""
        return self._io_rows

    # -- sizes -----------------------------------------------------------------------------------------------------

    @property
    def n_edges(self) -> int:
        """Number of effective edges; with straight-through learning dormant entries count as edges."""
        return self.plan.n_edges

    @property
    def parameter_count(self) -> int:
        """Number of parameters: weights of computed edges and biases of computed nodes."""
        return len(self.parameters)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample: one per computed edge, tick and pixel of the target."""
        pixels = self.genome.map_sizes[self.plan.nodes].astype(np.int64) ** 2
        return int(pixels @ np.diff(self.plan.indptr)) * self.genome.ticks

    @property
    def parameter_groups(self) -> tuple[tuple[str, NDArray[np.int64]], ...]:
        """The parameters of each layer: (name, indices into `parameters`).

        The layer of a node is one above the highest layer of its predecessors in the same tick. Gradient norms by layer
        show a vanishing gradient (S5).
        """
        layers = self.plan.layers(self.genome)
        of_parameters = np.concatenate([np.repeat(layers, np.diff(self.plan.indptr)), layers])
        return tuple((f"layer {k}", np.flatnonzero(of_parameters == k)) for k in np.unique(layers))

    # -- running ---------------------------------------------------------------------------------------------------

    def output(self, inputs: NDArray[Any], readings: Readings | None = None) -> FloatArray:
        """Return predictions, shape (n_samples, n_outputs): class probabilities, or values in regression.

        Parameters
        ----------
        inputs : ndarray, shape (n_samples, ...)
            One sample a row. Further axes are flattened in C order: one feature for each pixel of each input node. A
            sequence has `ticks` times as many features, one step a tick: shape (n_samples, ticks, n_features).
        readings : ndarray of int, shape (2, n_readings), optional
            Samples and ticks at which outputs are read, as in :class:`cnn.Samples`: for sequences of unequal length, or
            with an output at several steps. Predictions then have shape (n_readings, n_outputs). By default outputs are
            read after the last tick.
        """
        return np.ascontiguousarray(self._loss.predict(self._forward(inputs, readings)[0]).T)

    def loss(
        self,
        inputs: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
        readings: Readings | None = None,
    ) -> float:
        """Return the mean loss over the samples; with a weight for each sample, Σ w E / n.

        With `readings` there is a target for each reading, and the loss E of a sample is the mean over its readings.
        """
        scores, _ = self._forward(inputs, readings)
        return self._value_and_delta(scores, targets, weights, readings)[0]

    def loss_and_output(
        self,
        inputs: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
        readings: Readings | None = None,
    ) -> tuple[float, FloatArray]:
        """Return the loss (see :meth:`loss`) and the predictions (see :meth:`output`), in one forward pass."""
        scores, _ = self._forward(inputs, readings)
        value, _ = self._value_and_delta(scores, targets, weights, readings)
        return value, np.ascontiguousarray(self._loss.predict(scores).T)

    def loss_and_gradients(
        self,
        inputs: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
        label_smoothing: float = 0.0,
        dropout: Dropout | None = None,
        readings: Readings | None = None,
    ) -> tuple[float, FloatArray]:
        """Return the loss (see :meth:`loss`) and its gradient with respect to `parameters`.

        With `label_smoothing` above 0 it is the loss of smoothed labels, as in :class:`cnn.Recipe`. With `dropout`
        outputs of hidden neurons are dropped; the number of a node is its id. The gradient is a buffer that the next
        call overwrites.
        """
        loss = self._loss.smoothed(label_smoothing)
        scores, runtime = self._forward(inputs, readings, dropout)
        value, deltas = self._value_and_delta(scores, targets, weights, readings, loss)
        gradients = self._weight_gradient, self._bias_gradient
        if readings is not None:
            sequences.backward(
                self.plan, runtime, self._masked_weights, readings, deltas, gradients
            )
            return value, self._gradient
        layout, buffers, width = runtime
        loop.write_output_residuals(layout, self._io_rows, deltas, buffers)
        passes.backward(self.plan, layout, self._masked_weights, buffers, *gradients, width)
        return value, self._gradient

    def gradients_at(
        self,
        sources: NDArray[np.integer[Any]],
        targets: NDArray[np.integer[Any]],
        inputs: NDArray[Any],
        labels: NDArray[Any],
        taps: NDArray[np.integer[Any]] | None = None,
        weights: NDArray[Any] | None = None,
        label_smoothing: float = 0.0,
        readings: Readings | None = None,
    ) -> FloatArray:
        """Return the loss gradient at places (source, target) of the matrix, whether or not there is an edge.

        At a place without an edge it is the gradient of an edge of weight 0, as needed to grow edges where the gradient
        is largest (RigL, Evci et al. 2020). The gradient is exact everywhere: the whole network is computed, with the
        nodes on which no output depends. The cost is one training step of the whole network plus O(places).

        Parameters
        ----------
        sources, targets : ndarray of int, shape (n_places,)
            Node indices. The gradient is 0 where the target is an input, where no output depends on the target, and
            where the edge would be delayed although there is only one tick.
        inputs, labels : ndarray
            Samples and their targets, as in :meth:`loss`.
        taps : ndarray of int, shape (n_places,), optional
            Tap of the kernel at each place; by default 0, the only tap between neurons.
        weights : ndarray, shape (n_samples,), optional
            Weights of the samples, as in :meth:`loss`.
        label_smoothing : float
            As in :meth:`loss_and_gradients`.
        readings : ndarray of int, shape (2, n_readings), optional
            As in :meth:`output`.

        Returns
        -------
        ndarray, shape (n_places,)
        """
        genome, samples = self.to_genome(), (inputs, labels, weights, label_smoothing, readings)
        if genome.has_maps:
            return _gradients_at_taps(genome, self.loss_name, (sources, targets, taps), *samples)
        whole = Phenotype(genome, self.loss_name, compile_whole_plan(self.genome))
        return whole._gradients_between_neurons(sources, targets, *samples)

    def _gradients_between_neurons(
        self,
        sources: NDArray[np.integer[Any]],
        targets: NDArray[np.integer[Any]],
        inputs: NDArray[Any],
        labels: NDArray[Any],
        weights: NDArray[Any] | None,
        label_smoothing: float,
        readings: Readings | None,
    ) -> FloatArray:
        """Return the gradient at places, in a network that computes every node."""
        self.loss_and_gradients(inputs, labels, weights, label_smoothing, readings=readings)
        layout, buffers, _ = self._for_batch(len(inputs))
        gradients = np.empty(len(sources), dtype=self.parameters.dtype)
        backward_kernels.gradients_at(
            read_only(sources),
            read_only(targets),
            self.plan.rows,
            self.genome.roles == Role.INPUT,
            buffers.state,
            buffers.residual,
            buffers.stride,
            buffers.length,
            layout.rows_per_tick,
            layout.first_base,
            layout.ticks,
            gradients,
        )
        return gradients

    def check_samples(self, samples: Samples, name: str = "samples") -> None:
        """Check once, before training, that samples fit the network.

        Raises
        ------
        ValueError
            If the number of features, the shape or kind of the targets, or a class does not fit.
        """
        try:
            flat = self._features(samples.inputs)
            if samples.readings is not None:
                check_sequences(self.genome, len(flat), flat.shape[1], samples.readings)
            self._checked_targets(samples.targets, len(samples.targets))
            if samples.has_classes:
                check_classes("targets", samples.targets, len(self._io_rows.outputs))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    def descend(self, segment: TrainingSegment) -> DescentResult:
        """Make the gradient steps of a segment; in one compiled call if all nodes are neurons.

        Samples with readings take a call from Python at each step, as maps do: a step runs many ticks. See
        :class:`cnn.training.descent.HasDescend`.
        """
        if self.genome.has_maps or segment.samples.readings is not None:
            return descend_stepwise(self, segment)
        samples, recipe = segment.samples, segment.recipe
        inputs = self._features(samples.inputs)
        layout, buffers, width = self._for_batch(segment.order.shape[1])
        if segment.dropout_keys is not None:
            layout = self._with_dropout(layout, buffers, recipe.dropout)
        losses = np.empty(len(segment.order))
        settings = loop.StepSettings(
            loop.loss_mark(
                self._loss.smoothed(recipe.label_smoothing).name, recipe.label_smoothing
            ),
            loop.OPTIMIZER_CODES[recipe.optimizer],
            float(recipe.momentum),
            float(recipe.weight_decay),
            np.inf if recipe.gradient_clip is None else float(recipe.gradient_clip),
            segment.updates_before,
            DIVERGENCE_FACTOR,
            DIVERGENCE_OFFSET,
        )
        done, limit, norm = loop.descend(
            layout,
            self._io_rows,
            self._threshold,
            settings,
            inputs,
            read_only(samples.targets),
            None if samples.weights is None else read_only(samples.weights),
            read_only(segment.order),
            read_only(segment.rates),
            self.parameters,
            self._gradient,
            self._masked_weights,
            segment.moments,
            recipe.l2 or None,
            segment.average,
            segment.shares,
            segment.dropout_keys,
            buffers,
            -1.0 if segment.loss_limit is None else segment.loss_limit,
            losses,
            width,
        )
        # Report the gradient as it was before clipping.
        whole = norm / settings.clip if norm > settings.clip else 1.0
        norms = [whole * norm_of(self._gradient[group]) for group in segment.groups]
        kept = whole * self._gradient if segment.keep_gradient else None
        return DescentResult(losses[: done + 1].tolist(), done, limit, norm, norms, kept)

    # -- back to the genome ------------------------------------------------------------------------------------------

    def to_genome(self) -> Genome:
        """Return the genome with the present parameters as its weights and biases."""
        bias = self.genome.bias.copy()
        bias[self.plan.nodes] = self._bias
        if self.plan.entry_subset is None:
            return self.genome.with_values(self._weights.copy(), bias)
        values = self.genome.values.copy()
        values[self.plan.entry_subset] = self._weights
        return self.genome.with_values(values, bias)

    def without_dormant(self) -> "Phenotype":
        """Return the network of the entries that are active now: the network itself unless dormant entries learn.

        The result computes the same outputs; its plan, sizes and parameters count effective edges only.
        """
        return Phenotype(self.to_genome(), self.loss_name) if self.dormant_learn else self

    def pick(self, of_places: FloatArray) -> FloatArray:
        """Return the columns of `of_places` that belong to the parameters; a copy, the inverse of :meth:`spread`.

        Parameters
        ----------
        of_places : ndarray, shape (k, n_stored + n_nodes)
            Rows over the stored entries of the genome, then its nodes, such as optimizer state.

        Returns
        -------
        ndarray, shape (k, parameter_count)
        """
        n_stored = self.genome.n_stored
        parts = [
            np.concatenate([self.plan.take(row[:n_stored]), row[n_stored:][self.plan.nodes]])
            for row in of_places
        ]
        # Without rows there are no parts, from which NumPy would take the dtype.
        return np.array(parts, of_places.dtype).reshape(len(of_places), self.parameter_count)

    def spread(self, of_parameters: FloatArray) -> FloatArray:
        """Return rows over the genome's stored entries, then its nodes, from rows over the parameters; 0 elsewhere."""
        genome, n_edges = self.genome, self.n_edges
        shape = (len(of_parameters), genome.n_stored + genome.n_nodes)
        spread = np.zeros(shape, dtype=of_parameters.dtype)
        subset = self.plan.entry_subset
        spread[:, slice(genome.n_stored) if subset is None else subset] = of_parameters[:, :n_edges]
        spread[:, genome.n_stored + self.plan.nodes] = of_parameters[:, n_edges:]
        return spread

    # -- inside ------------------------------------------------------------------------------------------------------

    def _for_batch(self, n_batch: int) -> Runtime:
        """Return layout, buffers and width for a batch size; those of the last size are kept."""
        if self._runtime is None or self._runtime[0] != n_batch:
            self._runtime = n_batch, passes.runtime_for(self.plan, n_batch, self.parameters.dtype)
        return self._runtime[1]

    def _value_and_delta(
        self,
        scores: FloatArray,
        targets: NDArray[Any],
        weights: NDArray[Any] | None,
        readings: Readings | None = None,
        loss: Loss | None = None,
    ) -> tuple[float, FloatArray]:
        """Return a loss, by default the network's, of scores, shape (n_outputs, n_targets), and its gradient."""
        checked = self._checked_targets(targets, scores.shape[1])
        n_samples = scores.shape[1] if readings is None else int(readings[0, -1]) + 1
        if weights is not None:
            n_readings = n_samples if readings is None else readings.shape[1]
            of_readings = np.shape(weights) == (n_readings,)
            weights = read_only(check_weights(weights, n_readings if of_readings else n_samples))
        if readings is not None:
            weights = weights_of_readings(readings, weights, n_samples)
        deltas = aligned_empty(scores.shape, scores.dtype)
        value = (loss or self._loss).weighted_value_and_delta(
            scores, read_only(checked).T, weights, deltas
        )
        return value, deltas

    def _checked_targets(self, targets: NDArray[Any], n_samples: int) -> NDArray[Any]:
        """Return checked targets in the form that the loss takes."""
        return check_targets(
            self._loss.target_kind, targets, (n_samples, len(self._io_rows.outputs))
        )

    def _features(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return checked samples as a contiguous matrix, one row a sample."""
        given = real_array("inputs", inputs)
        if given.ndim == 0 or len(given) == 0:
            raise ValueError(f"inputs must hold at least one sample; got shape {given.shape}")
        if given.dtype not in (np.float32, np.float64):  # avoid a compilation for each dtype
            given = given.astype(self.parameters.dtype)
        flat = read_only(np.ascontiguousarray(given).reshape(len(given), -1))
        n_features, ticks = self._io_rows.n_features, self.genome.ticks
        if flat.shape[1] not in {n_features, n_features * ticks}:
            sequence = f" or, as a sequence, {n_features * ticks}" if ticks > 1 else ""
            raise ValueError(
                f"inputs must have {n_features}{sequence} features a sample; got {flat.shape[1]}"
            )
        return flat

    def _with_dropout(self, layout: Layout, buffers: Buffers, probability: float) -> Layout:
        """Return a layout in which outputs of hidden neurons are dropped; it has no masks yet."""
        genome, nodes = self.genome, self.plan.nodes
        is_hidden = (genome.roles[nodes] == Role.HIDDEN) & (genome.map_sizes[nodes] == 1)
        dropout = Dropout(probability, np.zeros(buffers.length, np.uint32))
        return layout._replace(
            dropout=NodeDropout(
                np.where(is_hidden, np.cumsum(is_hidden) - 1, -1),
                words := node_words(genome.ids[nodes[is_hidden]]),
                dropout.keys,
                dropout.threshold,
                dropout.scale,
                aligned_empty(len(words) * buffers.length, self.parameters.dtype),
            )
        )

    def _forward(
        self,
        inputs: NDArray[Any],
        readings: Readings | None = None,
        dropout: Dropout | None = None,
    ) -> tuple[FloatArray, Runtime]:
        """Run the network; return the scores, shape (n_outputs, n_targets), and the runtime used."""
        flat = self._features(inputs)
        if readings is not None:
            check_sequences(self.genome, len(flat), flat.shape[1], readings)
        layout, buffers, width = self._for_batch(len(flat))
        if dropout is not None:
            dropout.check(len(flat))
            layout = self._with_dropout(layout, buffers, dropout.probability)
            draw_masks(layout.dropout, dropout.keys)
        if self.dormant_learn:
            loop.apply_threshold(layout, self._threshold, self._weights, self._masked_weights)
        loop.read_inputs(layout, self._io_rows, flat, read_only(np.arange(len(flat))), buffers)
        if readings is not None:
            runtime = layout, buffers, width
            weights = self._masked_weights
            return sequences.forward(self.plan, runtime, weights, self._bias, readings), runtime
        passes.forward(self.plan, layout, self._masked_weights, self._bias, buffers, width)
        shape = len(self._io_rows.outputs), len(flat)
        scores = aligned_empty(shape, self.parameters.dtype)
        loop.read_scores(layout, self._io_rows, buffers, scores)
        return scores, (layout, buffers, width)


def gradients_at(
    genome: Genome,
    loss: str,
    sources: NDArray[np.integer[Any]],
    targets: NDArray[np.integer[Any]],
    inputs: NDArray[Any],
    labels: NDArray[Any],
    taps: NDArray[np.integer[Any]] | None = None,
    weights: NDArray[Any] | None = None,
    label_smoothing: float = 0.0,
    readings: Readings | None = None,
) -> FloatArray:
    """Return the gradient of a loss at places of a genome's matrix, as :meth:`Phenotype.gradients_at`."""
    samples = inputs, labels, weights, label_smoothing, readings
    if genome.has_maps:
        return _gradients_at_taps(genome, loss, (sources, targets, taps), *samples)
    whole = Phenotype(genome, loss, compile_whole_plan(genome))
    return whole._gradients_between_neurons(sources, targets, *samples)


def _gradients_at_taps(
    genome: Genome,
    loss: str,
    of_places: tuple[
        NDArray[np.integer[Any]], NDArray[np.integer[Any]], NDArray[np.integer[Any]] | None
    ],
    inputs: NDArray[Any],
    labels: NDArray[Any],
    weights: NDArray[Any] | None,
    label_smoothing: float,
    readings: Readings | None,
) -> FloatArray:
    """Return the gradient at sources, targets and taps, from a network that is extended by these taps."""
    sources, targets, taps = of_places
    places = sources, targets, np.zeros_like(sources) if taps is None else taps
    check_places(genome, *places)
    acts = effective_places(genome, *places[:2])
    extended, entries = with_taps(genome, *(part[acts] for part in places))
    network = Phenotype(extended, loss)
    _, gradient = network.loss_and_gradients(
        inputs, labels, weights, label_smoothing, readings=readings
    )
    of_entries = network.spread(gradient[None])[0]
    gradients = np.zeros(len(places[0]), dtype=genome.values.dtype)
    gradients[acts] = of_entries[entries]
    return gradients


def _copied(
    genome: Genome, loss: str, plan: Plan | None, dormant: Dormant, parameters: FloatArray
) -> Phenotype:
    """Return the copy of a phenotype with these parameters."""
    network = Phenotype(genome, loss, plan, dormant=dormant)
    network.parameters[...] = parameters
    return network
