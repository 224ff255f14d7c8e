"""Networks with their preparation and their labels as ONNX graphs: raw rows in, labels or values in their units out."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from cnn import Network
from evo.exchange.blocks import genome_of
from evo.exchange.onnx_graphs import OnnxGraph, predictions, predictions_of_steps
from evo.genome.genome import Genome
from evo.preparation import Normalization, Preparation, Schema, SequenceSchema


def prepared_to_onnx(
    network: Genome | Network,
    loss: str,
    *,
    preparation: Preparation,
    classes: Sequence[str | int] | None,
    targets: Normalization | None,
) -> Any:
    """Return the ONNX model of a network that reads raw rows; see :meth:`evo.Predictor.to_onnx`."""
    genome, graph = genome_of(network), OnnxGraph()
    sequences = preparation.schema
    if isinstance(sequences, SequenceSchema):
        if isinstance(network, Network):
            raise ValueError(
                "the network must be an evolved one where samples are sequences; got one of layers, which reads "
                "sequences of one length; evo.exchange.to_onnx(network) converts what follows the preparation"
            )
        name, output, shape = _of_sequences(graph, genome, loss, preparation, sequences)
        _add_outputs(graph, name, output, shape, classes, targets)
        return graph.model()
    if not preparation.schema.shape:  # rows of any shape: those that the network reads
        scaling = preparation.normalization
        preparation = Preparation(Schema((genome.n_features,)), scaling)
    inputs = _prepared(graph, preparation)
    sequence = prod(preparation.sample_shape) != genome.n_features
    name, output = predictions(graph, genome, inputs, loss, sequence)
    _add_outputs(graph, name, output, (len(genome.outputs),), classes, targets)
    return graph.model()


def _add_outputs(
    graph: OnnxGraph,
    name: str,
    output: str,
    shape: tuple[int, ...],
    classes: Sequence[str | int] | None,
    targets: Normalization | None,
) -> None:
    """Add the outputs of a graph: labels, if there are classes, and probabilities, or values in their units."""
    dtype = "float32"
    if targets is not None:
        dtype = "float64"
        scaled = graph.add("Mul", _as(graph, output, dtype), graph.constant(targets.scale))
        output = graph.add("Add", scaled, graph.constant(targets.offset))
    if classes is not None:
        labels = np.array(classes)
        kind = "str" if labels.dtype.kind == "U" else labels.dtype.name
        best = graph.add("ArgMax", output, axis=len(shape), keepdims=0)
        graph.output("label", graph.add("Gather", graph.constant(labels), best), kind, shape[:-1])
    graph.output(name, output, dtype, shape)


def _of_sequences(
    graph: OnnxGraph, genome: Genome, loss: str, preparation: Preparation, schema: SequenceSchema
) -> tuple[str, str, tuple[int, ...]]:
    """Add a network that reads sequences of up to the longest length; return name, tensor and shape of its outputs.

    What stands after the last step of a sequence is not read: prepared inputs are 0 there.
    """
    n_steps = schema.longest
    lengths = graph.input("lengths", "int64", ())
    steps = graph.input("X", "float64", (n_steps, schema.n_features))
    lengths_by_sample = graph.add("Unsqueeze", lengths, graph.integers(1))
    is_there = graph.add("Less", graph.constant(np.arange(n_steps)[np.newaxis]), lengths_by_sample)
    is_there = graph.add("Unsqueeze", is_there, graph.integers(2))
    features = _numbers(graph, preparation, steps)
    features = graph.add("Where", is_there, features, graph.constant(np.float32(0)))
    if schema.extra_ticks:
        features = graph.add("Pad", features, graph.integers(0, 0, 0, 0, schema.extra_ticks, 0))
    features = graph.add("Flatten", features, axis=1)
    name, output = predictions_of_steps(graph, genome, features, loss, schema.extra_ticks)
    n_outputs = len(genome.outputs)
    if schema.per_step:
        return name, output, (n_steps, n_outputs)
    last = graph.add("Sub", lengths_by_sample, graph.constant(np.array(1)))
    return name, graph.add("GatherND", output, last, batch_dims=1), (n_outputs,)


def _as(graph: OnnxGraph, tensor: str, dtype: str) -> str:
    """Return a tensor in a dtype."""
    return graph.add("Cast", tensor, to=graph.tensor_type(dtype))


def _prepared(graph: OnnxGraph, preparation: Preparation) -> str:
    """Add the inputs of a graph, and the arithmetic of :meth:`Preparation.transform`; return the network's features."""
    schema, parts, raw = preparation.schema, [], ""
    number, category = list(schema.number_columns), list(schema.category_columns)
    columns: dict[int, str] = {}  # the texts of each column of categories
    if number:
        raw = graph.input(
            "X", "float64", (len(number),) if len(schema.shape) == 1 else schema.shape
        )
        parts.append(_numbers(graph, preparation, raw))
    if category:
        texts = graph.input("categories", "str", (len(category),))
        for k, j in enumerate(category):
            columns[j] = graph.add("Gather", texts, graph.integers(k), axis=1)
    for j in preparation.indicated:
        if j in columns:
            parts.append(_one_hot(graph, columns[j], ("",)))
        else:
            column = graph.add("Gather", raw, graph.integers(number.index(j)), axis=1)
            parts.append(_as(graph, graph.add("IsNaN", column), "float32"))
    for j, categories in zip(category, preparation.categories, strict=True):
        if categories:
            parts.append(_one_hot(graph, columns[j], categories))
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _numbers(graph: OnnxGraph, preparation: Preparation, numbers: str) -> str:
    """Return the features of the columns of numbers, or of images: rounded, filled, normalised, maps first, flat."""
    schema, scaling = preparation.schema, preparation.normalization
    precision: Sequence[str] = schema.precision
    if len(schema.shape) == 1 and len(precision) > 1:
        precision = [precision[j] for j in schema.number_columns]
    for dtype in sorted({*precision} - {"float64"}):
        rounded = _as(graph, _as(graph, numbers, dtype), "float64")
        mask = graph.constant(np.array([one == dtype for one in precision]))
        numbers = graph.add("Where", mask, rounded, numbers)
    if schema.gaps:
        missing = graph.add("IsNaN", numbers)
        numbers = graph.add("Where", missing, graph.constant(preparation.fills), numbers)
    numbers = graph.add("Sub", numbers, graph.constant(scaling.offset))
    numbers = graph.add("Div", numbers, graph.constant(scaling.scale))
    features = _as(graph, numbers, "float32")
    if schema.channels == "last":
        features = graph.add("Transpose", features, perm=[0, 3, 1, 2])
    return features if len(schema.shape) == 1 else graph.add("Flatten", features, axis=1)


def _one_hot(graph: OnnxGraph, column: str, categories: Sequence[str]) -> str:
    """Return 1 at the category of each text of a column and 0 elsewhere, shape (samples, categories)."""
    encoded = graph.add(
        "OneHotEncoder", column, domain="ai.onnx.ml", cats_strings=list(categories), zeros=1
    )
    return graph.add("Reshape", encoded, graph.integers(-1, len(categories)))
