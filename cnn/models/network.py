"""A feed-forward network of layers, with one flat vector of parameters and one of their gradient."""

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cnn.arrays import (
    FloatArray,
    FloatVector,
    Shape,
    Targets,
    aligned_copy,
    aligned_empty,
    aligned_zeros,
)
from cnn.checks import (
    check_classes,
    check_generator,
    check_targets,
    check_weights,
    float_dtype,
    real_array,
    sample_shape,
)
from cnn.compile.product_kernels import write_transpose
from cnn.dropout import Dropout
from cnn.layers.contract import announced_shape, check_layers, checked_backward, checked_scores
from cnn.layers.layer import Layer
from cnn.layers.output import SoftmaxLayer
from cnn.models.dropping import DroppingLayer, with_dropping
from cnn.training.losses import LOSSES, Loss
from cnn.training.samples import Samples


class Network:
    """A sequence of layers, trainable by `cnn.training.trainer.train`.

    Inputs are samples-first: images (n, rows, columns) or (n, maps, rows, columns), vectors (n, features). Inside,
    arrays are batch innermost.

    Parameters
    ----------
    layers
        Layers from input to output. They must not belong to another network. For a loss on classes the last layer,
        and no other layer, must be a `SoftmaxLayer`. For a loss on values the last layer must output vectors, such as
        a `HiddenLayer` with identity activation.
    input_shape
        Shape of one sample: (maps, rows, columns), (rows, columns) for a single map, or (features,).
    loss
        A key of `cnn.training.losses.LOSSES`.
    rng
        Generator of the initial weights, drawn layer by layer; a seed is not accepted.
    dtype
        float32; or float64, for gradient checks.

    Attributes
    ----------
    parameters
        All trained numbers, layer by layer. The layers' weights are views of this vector.
    gradient
        Gradient of the loss by the parameters, computed by the last call of `loss_and_gradients`.

    Raises
    ------
    TypeError
        If an entry of `layers` is not a layer, a count is not an integer, `input_shape` is not a tuple of integers, or
        `rng` is not a generator.
    ValueError
        If a setting is unknown, a layer does not fit the previous layer or the loss, or a layer is there twice or
        belongs to another network.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        input_shape: Shape,
        loss: str = "cross_entropy",
        *,
        rng: np.random.Generator,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}")
        check_generator(rng)
        self.layers = tuple(layers)
        check_layers(self.layers)
        self.loss_function = LOSSES[loss]
        self.input_shape = sample_shape("input_shape", input_shape)
        self.dtype = float_dtype(dtype)

        self._inner_shape = (1, *self.input_shape) if len(input_shape) == 2 else self.input_shape
        self._accepted_shapes = {self.input_shape, self._inner_shape}
        if len(self._inner_shape) == 3 and self._inner_shape[0] == 1:
            self._accepted_shapes.add(self._inner_shape[1:])
        shape = self._inner_shape
        for number, layer in enumerate(self.layers, 1):
            layer.configure(shape)
            shape = announced_shape(number, layer)
        self._check_output(shape)

        self._attach(aligned_zeros(self.parameter_count, self.dtype))
        for layer in self.layers:
            layer.initialize(rng=rng)
            layer.in_network = True

        # Layers before the first one with parameters need no gradient.
        trained = [i for i, layer in enumerate(self.layers) if layer.parameter_count]
        self._first_trained = trained[0] if trained else len(self.layers) - 1
        self._inputs = np.empty((0, 0), self.dtype)
        self._delta = np.empty((0, 0), self.dtype)
        self._tried: set[int] = set()  # batch sizes with checked layer outputs
        self._tried_back: set[int] = set()

    def _attach(self, parameters: FloatVector) -> None:
        """Give each layer its part of the parameter vector and of a new gradient vector."""
        self.parameters, self.gradient = (
            parameters,
            aligned_zeros(parameters.shape, parameters.dtype),
        )
        end = 0
        for layer in self.layers:
            start, end = end, end + layer.parameter_count
            layer.attach(self.parameters[start:end], self.gradient[start:end])
        self._dropping = with_dropping(self.layers, self._inner_shape)

    def twin(self) -> Self:
        """Return a network with the same `parameters` vector and its own gradient and buffers, for another thread."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.layers = tuple(copy.copy(layer) for layer in self.layers)
        twin._attach(self.parameters)
        twin._inputs, twin._delta = np.empty((2, 0, 0), self.dtype)
        twin._tried, twin._tried_back = set(), set()
        return twin

    __copy__ = twin

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a deep or pickled copy, in which the layers' weights are views of `parameters` again."""
        self.__dict__.update(state)
        self._attach(aligned_copy(self.parameters))

    def _check_output(self, shape: Shape) -> None:
        """Raise ValueError unless the last layer fits the loss."""
        if len(shape) != 1:
            raise ValueError(
                f"output of the last layer must be vectors (nodes,); got shape {shape}"
            )
        softmax = [isinstance(layer, SoftmaxLayer) for layer in self.layers]
        on_classes = self.loss_function.target_kind == "classes"
        if any(softmax[:-1]) or softmax[-1] != on_classes:
            raise ValueError(
                f"layers for loss {self.loss_function.name!r} must have "
                + ("a SoftmaxLayer at the end, and only there" if on_classes else "no SoftmaxLayer")
                + f"; got {', '.join(type(layer).__name__ for layer in self.layers)}"
            )

    @property
    def output_shape(self) -> Shape:
        """Shape of the predictions for one sample."""
        return self.layers[-1].output_shape

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters (S5)."""
        return sum(layer.parameter_count for layer in self.layers)

    @property
    def macs(self) -> int:
        """Forward multiply-accumulates per sample, without biases and activations (S5)."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameter_groups(self) -> tuple[tuple[str, slice], ...]:
        """The parameters of each layer: ("1 ConvolutionLayer", slice), numbered from 1.

        Layers without parameters are left out but have a number.
        """
        groups, end = [], 0
        for number, layer in enumerate(self.layers, 1):
            start, end = end, end + layer.parameter_count
            if start < end:
                groups.append((f"{number} {type(layer).__name__}", slice(start, end)))
        return tuple(groups)

    def output(self, inputs: FloatArray) -> FloatArray:
        """Compute the predictions.

        Parameters
        ----------
        inputs
            Real numbers of shape (n, *input_shape), n >= 1. Images of one map may have an axis of maps or not.

        Returns
        -------
        FloatArray
            Probabilities or values, a new contiguous array of shape (n, n_outputs).

        Raises
        ------
        ValueError
            If the inputs are not real numbers, are empty, or have a wrong shape.
        """
        return np.ascontiguousarray(self.loss_function.predict(self._scores(inputs)).T)

    def predict(self, inputs: FloatArray) -> npt.NDArray[np.intp] | FloatArray:
        """Return the most probable class of each sample, shape (n,), or its values, shape (n, n_outputs).

        Parameters
        ----------
        inputs
            As for `output`.
        """
        output = self.output(inputs)
        return output.argmax(axis=1) if self.loss_function.target_kind == "classes" else output

    def loss(
        self, inputs: FloatArray, targets: Targets, weights: FloatVector | None = None
    ) -> float:
        """Return the mean loss over a batch.

        Parameters
        ----------
        inputs
            As for `output`.
        targets
            Classes (n,) or values (n, n_outputs), by the kind of loss.
        weights
            Weight of each sample, (n,). The loss is then Σ w E / n.

        Raises
        ------
        ValueError
            If inputs, targets or weights do not fit the network or each other.
        """
        return self._value_and_delta(self._scores(inputs), targets, weights)[0]

    def loss_and_output(
        self, inputs: FloatArray, targets: Targets, weights: FloatVector | None = None
    ) -> tuple[float, FloatArray]:
        """Return the results of `loss` and `output`, computed in one forward pass.

        Parameters
        ----------
        inputs, targets, weights
            As for `loss`.
        """
        scores = self._scores(inputs)
        output = np.ascontiguousarray(self.loss_function.predict(scores).T)
        return self._value_and_delta(scores, targets, weights)[0], output

    def loss_and_gradients(
        self,
        inputs: FloatArray,
        targets: Targets,
        weights: FloatVector | None = None,
        label_smoothing: float = 0.0,
        dropout: Dropout | None = None,
    ) -> tuple[float, FloatVector]:
        """Return the mean loss over a batch and its gradient by the parameters.

        Parameters
        ----------
        inputs, targets, weights
            As for `loss`.
        label_smoothing
            As in `cnn.Recipe`; with 0 the loss is that of `loss`.
        dropout
            The dropout of the batch; None drops nothing, as `loss` does.

        Returns
        -------
        loss : float
            The loss, as `loss` returns it.
        gradient : FloatVector
            The `gradient` vector. The next call overwrites it.

        Raises
        ------
        ValueError
            If inputs, targets or weights do not fit the network or each other.
        """
        loss = self.loss_function.smoothed(label_smoothing)
        layers = self.layers if dropout is None else self._dropping
        scores = self._scores(inputs, dropout)
        value, gradient = self._value_and_delta(scores, targets, weights, loss)
        first = self._first_trained
        if gradient.shape[-1] not in self._tried_back:
            checked_backward(layers, first, gradient)
            self._tried_back.add(gradient.shape[-1])
            return value, self.gradient
        for layer in layers[:first:-1]:
            gradient = layer.backpropagate(gradient)
        layers[first].residual(gradient)
        return value, self.gradient

    def check_samples(self, samples: Samples, name: str = "samples") -> None:
        """Raise ValueError unless samples fit the network: shapes, kind of targets, range of classes.

        Parameters
        ----------
        samples
            The samples to check.
        name
            Name of the samples in error messages.
        """
        try:
            self._check_inputs(samples.inputs)
            self._check_targets(samples.targets, len(samples))
            if samples.has_classes:
                check_classes("targets", samples.targets, *self.output_shape)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    def summary(self) -> str:
        """Return a table of the layers: settings, output shape, parameters and MACs per sample, with totals."""
        rows = [("", "layer", "settings", "output", "parameters", "MACs")]
        rows.append(("", "input", "", _times(self._inner_shape), "", ""))
        for number, layer in enumerate(self.layers, 1):
            shape = _times(layer.output_shape)
            counts = f"{layer.parameter_count:,}", f"{layer.macs:,}"
            rows.append((str(number), type(layer).__name__, layer.settings, shape, *counts))
        rows.append(("", "total", "", "", f"{self.parameter_count:,}", f"{self.macs:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        alignments = "><<<>>"
        lines = (
            "  ".join(
                f"{cell:{alignment}{width}}"
                for cell, alignment, width in zip(row, alignments, widths, strict=True)
            ).rstrip()
            for row in rows
        )
        memory = f"{self.parameters.nbytes / 1024:,.1f} KiB of {self.dtype} parameters"
        return "\n".join([*lines, memory])

    def _scores(self, inputs: FloatArray, dropout: Dropout | None = None) -> FloatArray:
        """Run the layers forward, with or without dropout, and return the scores, shape (n_outputs, n)."""
        x, layers = self._load(inputs), self.layers
        if dropout is not None:
            dropout.check(x.shape[-1])
            layers = self._dropping
            for layer in layers:
                if isinstance(layer, DroppingLayer):
                    layer.dropout = dropout
        if x.shape[-1] not in self._tried:
            scores = checked_scores(layers, x)
            self._tried.add(x.shape[-1])
            return scores
        for layer in layers[:-1]:
            x = layer.output(x)
        return layers[-1].scores(x)

    def _value_and_delta(
        self,
        scores: FloatArray,
        targets: Targets,
        weights: FloatVector | None,
        loss: Loss | None = None,
    ) -> tuple[float, FloatArray]:
        """Return the value of a loss, by default the network's, and ∂loss/∂scores, shape (n_outputs, n)."""
        loss = loss or self.loss_function
        targets = self._check_targets(targets, scores.shape[1])
        if self.loss_function.target_kind == "values":
            targets = np.ascontiguousarray(targets.T, self.dtype)
        if weights is not None:
            weights = check_weights(weights, scores.shape[1])
        if self._delta.shape != scores.shape:
            self._delta = aligned_empty(scores.shape, scores.dtype)
        try:
            value = loss.weighted_value_and_delta(scores, targets, weights, self._delta)
        except ValueError:  # the kernel checks all classes but cannot name the wrong one
            check_classes("targets", targets, *self.output_shape)
            raise
        return value, self._delta

    def _check_targets(self, targets: Targets, n: int) -> Targets:
        """Return the targets of n samples as an array; raise ValueError if they do not fit the loss."""
        return check_targets(self.loss_function.target_kind, targets, (n, *self.output_shape))

    def _check_inputs(self, inputs: FloatArray) -> FloatArray:
        """Return the inputs as an array; raise ValueError if they do not fit the network."""
        inputs = real_array("inputs", inputs)
        if inputs.shape[1:] not in self._accepted_shapes:
            raise ValueError(
                f"inputs must have the shape (n, {', '.join(map(str, self.input_shape))}); got "
                f"{inputs.shape}"
            )
        if len(inputs) == 0:
            raise ValueError("inputs must hold at least one sample; got 0")
        return inputs

    def _load(self, inputs: FloatArray) -> FloatArray:
        """Transpose samples-first inputs to the batch-innermost buffer, shape (*inner shape, n)."""
        inputs = self._check_inputs(inputs)
        n = len(inputs)
        flat = inputs.reshape(n, -1)
        if self._inputs.shape != flat.shape[::-1]:
            self._inputs = aligned_empty(flat.shape[::-1], self.dtype)
        if flat.dtype == self.dtype and flat.flags.c_contiguous:
            write_transpose(flat.reshape(-1), self._inputs.reshape(-1), *flat.shape)
        else:
            self._inputs[...] = flat.T
        return self._inputs.reshape(*self._inner_shape, n)


def _times(shape: Shape) -> str:
    """Format a shape as 6×28×28."""
    return "×".join(map(str, shape))
