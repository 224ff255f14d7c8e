"""A feed-forward network of layers: one flat vector of parameters, and one of their gradient."""

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Shape, Targets
from cnn.checks import (
    check_classes,
    check_generator,
    check_targets,
    float_dtype,
    layer_sizes_of,
    real_array,
)
from cnn.layers.contract import announced_shape, check_layers, checked_scores, checked_way_back
from cnn.layers.layer import Layer
from cnn.layers.output import SoftmaxLayer
from cnn.models import layout_kernels
from cnn.training.losses import LOSSES
from cnn.training.samples import Samples


class Network:
    """Layers in a row, trainable by `cnn.training.trainer.train`.

    At this border samples come first: images (n, rows, columns) or (n, maps, rows, columns),
    vectors (n, features). Inside, the batch is innermost.

    Parameters
    ----------
    layers
        From input to output; they are built here and belong to this network, and to no other. A
        loss on classes needs a `SoftmaxLayer` at the end, and nowhere else; a loss on values needs a
        layer that gives vectors, such as a `HiddenLayer` with identity activation.
    input_shape
        Shape of one sample: (maps, rows, columns), (rows, columns) for a single map, or
        (features,).
    loss
        A key of `cnn.training.losses.LOSSES`.
    rng
        Source of the starting weights, drawn layer by layer: a generator, no bare seed.
    dtype
        float32, or float64 for checks.

    Attributes
    ----------
    parameters
        Every trained number, layer by layer; the layers' weights are views of it.
    gradient
        The loss gradient by each of them, as of the last call of `loss_and_gradients`.

    Raises
    ------
    TypeError
        Where a layer is none, a count no integer, `input_shape` no tuple of such, or `rng` no
        generator.
    ValueError
        Where a setting is unknown, a layer does not fit the one before it or the loss, is there
        twice, or belongs to a network already.
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
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, not {loss!r}")
        check_generator(rng)
        self.layers = tuple(layers)
        check_layers(self.layers)
        self.loss_function = LOSSES[loss]
        self.input_shape = layer_sizes_of("input_shape", input_shape)
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

        self._attach(np.zeros(self.parameter_count, self.dtype))
        for layer in self.layers:
            layer.initialize(rng=rng)
            layer.in_network = True

        # Before the first layer with parameters there is nothing to find a gradient for.
        trained = [i for i, layer in enumerate(self.layers) if layer.parameter_count]
        self._first_trained = trained[0] if trained else len(self.layers) - 1
        self._inputs = np.empty((0, 0), self.dtype)
        self._delta = np.empty((0, 0), self.dtype)
        self._tried: set[int] = set()  # batch sizes that every layer has given well for
        self._tried_back: set[int] = set()

    def _attach(self, parameters: FloatVector) -> None:
        """Give the layers their parts of the vector of parameters, and of one for the gradient."""
        self.parameters, self.gradient = parameters, np.zeros_like(parameters)
        end = 0
        for layer in self.layers:
            start, end = end, end + layer.parameter_count
            layer.attach(self.parameters[start:end], self.gradient[start:end])

    def twin(self) -> Self:
        """Make a network that shares the parameters, and nothing else: for another thread.

        Returns
        -------
        Self
            With the same `parameters` vector, but a gradient and working memory of its own.
        """
        twin = copy.copy(self)
        twin.layers = tuple(copy.copy(layer) for layer in self.layers)
        twin._attach(self.parameters)
        twin._inputs, twin._delta = np.empty((2, 0, 0), self.dtype)
        twin._tried, twin._tried_back = set(), set()
        return twin

    def _check_output(self, shape: Shape) -> None:
        """Raise ValueError unless the layers end in what the loss is measured on."""
        if len(shape) != 1:
            raise ValueError(f"the last layer must give vectors (nodes,), not the shape {shape}")
        softmax = [isinstance(layer, SoftmaxLayer) for layer in self.layers]
        on_classes = self.loss_function.target_kind == "classes"
        if any(softmax[:-1]) or softmax[-1] != on_classes:
            raise ValueError(
                f"loss {self.loss_function.name!r} needs "
                + ("a SoftmaxLayer at the end, and only there" if on_classes else "no SoftmaxLayer")
            )

    @property
    def output_shape(self) -> Shape:
        """Shape of the predictions for one sample."""
        return self.layers[-1].output_shape

    @property
    def parameter_count(self) -> int:
        """Numbers that training changes (S5)."""
        return sum(layer.parameter_count for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample, forward; biases and activations not counted (S5)."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameter_groups(self) -> tuple[tuple[str, slice], ...]:
        """Each layer's part of the parameters: ("1 ConvolutionLayer", slice), counted from 1.

        Layers without parameters are counted, and left out.
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
            Real numbers of shape (n, *input_shape), n >= 1; for single-map images with or without
            the axis of maps.

        Returns
        -------
        FloatArray
            Shape (n, n_outputs), contiguous and the caller's own: probabilities or values.

        Raises
        ------
        ValueError
            Where the inputs are no real numbers, none at all, or not of the network's shape.
        """
        return np.ascontiguousarray(self.loss_function.predict(self._scores(inputs)).T)

    def predict(self, inputs: FloatArray) -> npt.NDArray[np.intp] | FloatArray:
        """Decide: each sample's most probable class, shape (n,); or its values, (n, n_outputs).

        Parameters
        ----------
        inputs
            As for `output`.
        """
        output = self.output(inputs)
        return output.argmax(axis=1) if self.loss_function.target_kind == "classes" else output

    def loss(self, inputs: FloatArray, targets: Targets) -> float:
        """Measure the mean loss over a batch.

        Parameters
        ----------
        inputs
            As for `output`.
        targets
            Classes (n,), or values (n, n_outputs), as the loss demands.

        Returns
        -------
        float
            The mean loss.

        Raises
        ------
        ValueError
            Where inputs or targets do not suit the network.
        """
        return self._loss_and_delta(inputs, targets)[0]

    def loss_and_output(self, inputs: FloatArray, targets: Targets) -> tuple[float, FloatArray]:
        """Measure the mean loss over a batch, and compute the predictions, in one run.

        Parameters
        ----------
        inputs, targets
            As for `loss`.

        Returns
        -------
        loss : float
            As `loss` returns it.
        output : FloatArray
            As `output` returns it.
        """
        scores = self._scores(inputs)
        output = np.ascontiguousarray(self.loss_function.predict(scores).T)
        return self._value_and_delta(scores, targets)[0], output

    def loss_and_gradients(self, inputs: FloatArray, targets: Targets) -> tuple[float, FloatVector]:
        """Measure the mean loss over a batch, and its gradient by every parameter.

        Parameters
        ----------
        inputs, targets
            As for `loss`.

        Returns
        -------
        loss : float
            The mean loss.
        gradient : FloatVector
            The `gradient` vector itself: the next call overwrites it.

        Raises
        ------
        ValueError
            Where inputs or targets do not suit the network.
        """
        value, gradient = self._loss_and_delta(inputs, targets)
        first = self._first_trained
        if gradient.shape[-1] not in self._tried_back:
            checked_way_back(self.layers, first, gradient)
            self._tried_back.add(gradient.shape[-1])
            return value, self.gradient
        for layer in self.layers[:first:-1]:
            gradient = layer.backpropagate(gradient)
        self.layers[first].residual(gradient)
        return value, self.gradient

    def check_samples(self, samples: Samples, name: str = "samples") -> None:
        """Check that samples suit the network, once before they are trained on.

        Parameters
        ----------
        samples
            What to check.
        name
            For the message.

        Raises
        ------
        ValueError
            Where inputs or targets have another shape or kind, or a class is out of range.
        """
        try:
            self._check_inputs(samples.inputs)
            self._check_targets(samples.targets, len(samples))
            if samples.has_classes:
                check_classes("targets", samples.targets, *self.output_shape)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    def summary(self) -> str:
        """Describe the network: a table with a line for each layer.

        Returns
        -------
        str
            Number and layer, settings, output shape, parameters and multiply-accumulates per
            sample; the sums, and the bytes of the parameters.
        """
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

    def _scores(self, inputs: FloatArray) -> FloatArray:
        """Run the layers forward to what the loss is measured on, shape (n_outputs, n)."""
        x = self._load(inputs)
        if x.shape[-1] not in self._tried:
            scores = checked_scores(self.layers, x)
            self._tried.add(x.shape[-1])
            return scores
        for layer in self.layers[:-1]:
            x = layer.output(x)
        return self.layers[-1].scores(x)

    def _loss_and_delta(self, inputs: FloatArray, targets: Targets) -> tuple[float, FloatArray]:
        """Return the mean loss and ∂(mean loss)/∂scores, shape (n_outputs, n)."""
        return self._value_and_delta(self._scores(inputs), targets)

    def _value_and_delta(self, scores: FloatArray, targets: Targets) -> tuple[float, FloatArray]:
        targets = self._check_targets(targets, scores.shape[1])
        if self.loss_function.target_kind == "values":
            targets = np.ascontiguousarray(targets.T, self.dtype)
        if self._delta.shape != scores.shape:
            self._delta = np.empty_like(scores)
        try:
            value = self.loss_function.value_and_delta(scores, targets, self._delta)
        except ValueError:  # the kernel looks at every class, and cannot say which it was
            check_classes("targets", targets, *self.output_shape)
            raise
        return value, self._delta

    def _check_targets(self, targets: Targets, n: int) -> Targets:
        """Return the targets of n samples as an array; raise ValueError where they suit no loss."""
        return check_targets(self.loss_function.target_kind, targets, (n, *self.output_shape))

    def _check_inputs(self, inputs: FloatArray) -> FloatArray:
        """Return the inputs as an array; raise ValueError where the network cannot take them."""
        inputs = real_array("inputs", inputs)
        if inputs.shape[1:] not in self._accepted_shapes:
            raise ValueError(
                f"inputs must have the shape (n, {', '.join(map(str, self.input_shape))}), not "
                f"{inputs.shape}"
            )
        if len(inputs) == 0:
            raise ValueError("inputs must hold at least one sample, not 0")
        return inputs

    def _load(self, inputs: FloatArray) -> FloatArray:
        """Copy samples-first inputs to the batch-innermost buffer, shape (*inner shape, n)."""
        inputs = self._check_inputs(inputs)
        n = len(inputs)
        flat = inputs.reshape(n, -1)
        if self._inputs.shape != flat.shape[::-1]:
            self._inputs = np.empty(flat.shape[::-1], self.dtype)
        if flat.dtype == self.dtype and flat.flags.c_contiguous:
            layout_kernels.transpose(flat, self._inputs)
        else:
            self._inputs[...] = flat.T
        return self._inputs.reshape(*self._inner_shape, n)


def _times(shape: Shape) -> str:
    """Write a shape as 6×28×28."""
    return "×".join(map(str, shape))
