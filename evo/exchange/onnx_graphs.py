"""Networks as ONNX graphs, which other programs run without Python.

A graph has float32 weights and the operators of opset 17. Each tick of a recurrent network is written out, with the
same weights. One function adds the net input of a block of nodes (:mod:`evo.exchange.blocks`), and one its activation.
"""

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn import Network
from cnn.training.losses import LOSSES
from evo.exchange.blocks import Block, Product, blocks_of, check_sequence, genome_of
from evo.genome.activations import LEAK
from evo.genome.feature_maps import MapTransform
from evo.genome.genome import Genome

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
"""Versions of the standard operators, of those for machine learning, and of the file format: all of 2022."""


def to_onnx(network: Genome | Network, *, loss: str | None = None, sequence: bool = False) -> Any:
    """Return a network as an ONNX model.

    Parameters
    ----------
    network : Genome or cnn.Network
        A CNN must be one that :func:`evo.from_cnn` converts. Weights are rounded to float32. It has neither the
        preparation of inputs nor the state of an episode, which :meth:`evo.Predictor.to_onnx` brings along.
    loss : str, optional
        A key of :data:`cnn.training.losses.LOSSES`. By default the output ``scores`` has the values of the output
        nodes. With a loss it has the predictions of :meth:`evo.Phenotype.output`: after a softmax, named
        ``probabilities``, for a loss on classes; the scores themselves, named ``values``, for a loss on values.
    sequence : bool
        Whether a sample has the features of each tick, one tick after another. By default it has the features of one
        tick, which are the same at all ticks.

    Returns
    -------
    onnx.ModelProto
        One input ``X``, float32 of shape (samples, features), and one output of shape (samples, outputs). The number of
        samples is free. ``onnx.save(model, path)`` writes it to a file.

    Raises
    ------
    ImportError
        If ONNX is not installed.
    TypeError
        If `network` is neither a genome nor a CNN.
    ValueError
        If a node has an own activation, the loss is unknown, or `sequence` is true for a network of one tick.
    """
    genome = genome_of(network)
    if loss is not None and loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {loss!r}")
    check_sequence(genome, sequence)
    graph = OnnxGraph()
    features = graph.input("X", "float32", (genome.n_features * (genome.ticks if sequence else 1),))
    name, scores = predictions(graph, genome, features, loss, sequence)
    graph.output(name, scores, "float32", (len(genome.outputs),))
    return graph.model()


class OnnxGraph:
    """An ONNX graph that grows by one operation at a time. Names of tensors are numbered.

    Raises
    ------
    ImportError
        If ONNX is not installed.
    """

    def __init__(self) -> None:
        self._onnx = _imported_onnx()
        self._nodes: list[Any] = []
        self._initializers: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._domains: set[str] = set()

    def input(self, name: str, dtype: str, shape: tuple[int, ...]) -> str:
        """Add an input of the graph, with a free number of samples before `shape`; return its name."""
        self._inputs.append(self._described(name, dtype, shape))
        return name

    def output(self, name: str, tensor: str, dtype: str, shape: tuple[int, ...]) -> None:
        """Make a tensor an output of the graph under a name."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [tensor], [name]))
        self._outputs.append(self._described(name, dtype, shape))

    def constant(self, array: Any, name: str | None = None) -> str:
        """Add an array; an array with a name is added once. Return its name."""
        name = name or f"constant_{len(self._initializers)}"
        if name not in self._initializers:
            array = np.asarray(array)
            if array.dtype.kind == "U":
                array = array.astype(object)
            self._initializers[name] = self._onnx.numpy_helper.from_array(array, name)
        return name

    def integers(self, *numbers: int) -> str:
        """Add a vector of integers, such as a shape; return its name."""
        return self.constant(np.array(numbers, np.int64), "integers_" + "_".join(map(str, numbers)))

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operation; return the name of its output."""
        output = f"{operator}_{len(self._nodes)}"
        node = self._onnx.helper.make_node(
            operator, list(inputs), [output], domain=domain, **attributes
        )
        self._nodes.append(node)
        self._domains.add(domain)
        return output

    def model(self) -> Any:
        """Return the checked model."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes,
            "network",
            self._inputs,
            self._outputs,
            list(self._initializers.values()),
        )
        versions = {"": OPSET, "ai.onnx.ml": ML_OPSET}
        opsets = [helper.make_opsetid(one, versions[one]) for one in sorted({"", *self._domains})]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="evomatrix"
        )
        self._onnx.checker.check_model(model)
        return model

    def tensor_type(self, dtype: str) -> int:
        """Return the number that ONNX has for a dtype of NumPy, or for ``"str"``."""
        if dtype == "str":
            return int(self._onnx.TensorProto.STRING)
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _described(self, name: str, dtype: str, shape: tuple[int, ...]) -> Any:
        kind = self.tensor_type(dtype)
        return self._onnx.helper.make_tensor_value_info(name, kind, ["samples", *shape])


def _imported_onnx() -> ModuleType:
    try:
        import onnx  # noqa: PLC0415 - in an extra only
        import onnx.checker  # noqa: PLC0415
        import onnx.numpy_helper  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("to_onnx needs ONNX: pip install onnx") from error
    return onnx  # type: ignore[no-any-return]


def predictions(
    graph: OnnxGraph, genome: Genome, features: str, loss: str | None, sequence: bool
) -> tuple[str, str]:
    """Add a network that reads a tensor of features; return a name for its output, and the tensor of the output."""
    scores = _Unrolled(graph, genome, features, sequence).scores()
    if loss is None:
        return "scores", scores
    if LOSSES[loss].target_kind == "values":
        return "values", scores
    return "probabilities", graph.add("Softmax", scores, axis=1)


def predictions_of_steps(
    graph: OnnxGraph, genome: Genome, features: str, loss: str, extra_ticks: int
) -> tuple[str, str]:
    """Add a network that reads sequences; return the name and the tensor of its outputs at all steps.

    Parameters
    ----------
    graph : OnnxGraph
    genome : Genome
    features : str
        The tensor of the features of all ticks, shape (samples, ticks · features).
    loss : str
    extra_ticks : int
        Ticks between a step and the reading of its outputs.

    Returns
    -------
    name : str
    tensor : str
        Shape (samples, steps, outputs).
    """
    unrolled = _Unrolled(graph, genome, features, sequence=True)
    read = range(extra_ticks, genome.ticks)
    axis = graph.integers(1)
    steps = [graph.add("Unsqueeze", one, axis) for one in unrolled.scores_at(read)]
    scores = graph.add("Concat", *steps, axis=1)
    if LOSSES[loss].target_kind == "values":
        return "values", scores
    return "probabilities", graph.add("Softmax", scores, axis=2)


def scores_and_state(
    graph: OnnxGraph, genome: Genome, observation: str
) -> tuple[str, tuple[str, int] | None]:
    """Add a network that acts on one observation of an episode, as :class:`evo.Actor` does.

    Where the network has memory, that is, where a delayed edge begins at a neuron or a map, the graph gets an input
    ``state``, float32 of shape (samples, values): what such nodes had after the last tick of the observation before.

    Returns
    -------
    scores : str
        The tensor of the output nodes' values.
    state : (str, int) or None
        The tensor of the state for the next observation, and its number of values; None without memory.
    """
    unrolled = _Unrolled(graph, genome, observation, sequence=False)
    carried = unrolled.carried_blocks()
    if not carried:
        return unrolled.scores(), None
    n_values = sum(map(unrolled.size_of, carried))
    unrolled.begin_with(graph.input("state", "float32", (n_values,)), carried)
    scores = unrolled.scores()
    last = [unrolled.outputs[k, genome.ticks - 1] for k in carried]
    flat = [graph.add("Flatten", one, axis=1) for one in last]
    return scores, (unrolled.joined(flat), n_values)


class _Unrolled:
    """A genome in a graph, tick after tick; neurons are tensors (samples, nodes), maps (samples, nodes, side, side)."""

    def __init__(self, graph: OnnxGraph, genome: Genome, features: str, sequence: bool) -> None:
        self.graph, self.genome = graph, genome
        self.features, self.sequence = features, sequence
        self.blocks = blocks_of(genome)
        self.values, self.bias = genome.values.astype(np.float32), genome.bias.astype(np.float32)
        self.outputs: dict[tuple[int, int], str] = {}  # of a block at a tick
        self.views: dict[tuple[str, MapTransform, bool], str] = {}
        self.has_state = False

    def carried_blocks(self) -> list[int]:
        """Return the blocks that a delayed edge reads, but inputs."""
        products = [one for block in self.blocks for one in block.products]
        delayed = [one for one in products if one.delayed and not one.from_inputs]
        return sorted({k for product in delayed for k, _ in product.parts})

    def size_of(self, k: int) -> int:
        """Return the number of values of a block."""
        return len(self.blocks[k].nodes) * self.blocks[k].map_size ** 2

    def begin_with(self, state: str, carried: list[int]) -> None:
        """Take the values of some blocks before the first tick from a tensor, block after block."""
        graph, end = self.graph, 0
        self.has_state = True
        for k in carried:
            block, begin = self.blocks[k], end
            end += self.size_of(k)
            bounds = graph.integers(begin), graph.integers(end), graph.integers(1)
            tensor = graph.add("Slice", state, *bounds)
            if block.map_size > 1:
                shape = (-1, len(block.nodes), block.map_size, block.map_size)
                tensor = graph.add("Reshape", tensor, graph.integers(*shape))
            self.outputs[k, -1] = tensor

    def scores(self) -> str:
        """Add all ticks; return the tensor of the output nodes' values after the last one."""
        (scores,) = self.scores_at([self.genome.ticks - 1])
        return scores

    def scores_at(self, ticks: Sequence[int]) -> list[str]:
        """Add all ticks; return the tensors of the output nodes' values after some of them, the last one among them."""
        last = self.genome.ticks - 1
        for tick in range(last + 1):
            for k, block in enumerate(self.blocks):
                is_read = self.has_state or tick + block.delay <= last
                if is_read and block.features is None:
                    net_input = self.net_input(k, tick)
                    self.outputs[k, tick] = ACTIVATIONS[block.activation](self.graph, net_input)
        place, count = np.full(self.genome.n_nodes, -1), 0
        of_outputs = [
            k
            for k, block in enumerate(self.blocks)
            if np.isin(block.nodes, self.genome.outputs).any()
        ]
        for k in of_outputs:
            nodes = self.blocks[k].nodes
            place[nodes] = count + np.arange(len(nodes))
            count += len(nodes)
        columns = place[self.genome.outputs]
        return [
            self.chosen(self.joined([self.outputs[k, tick] for k in of_outputs]), columns, count)
            for tick in ticks
        ]

    def joined(self, tensors: list[str]) -> str:
        """Return tensors side by side."""
        return tensors[0] if len(tensors) == 1 else self.graph.add("Concat", *tensors, axis=1)

    def chosen(self, tensor: str, columns: NDArray[np.intp] | None, n: int) -> str:
        """Return some of n columns of a tensor, in an order; all of them if `columns` is None."""
        if columns is None or np.array_equal(columns, np.arange(n)):
            return tensor
        index = self.graph.constant(columns.astype(np.int64))
        return self.graph.add("Gather", tensor, index, axis=1)

    def input_at(self, block: Block, tick: int) -> str:
        """Return the values of a block of inputs; before the first tick they are those of the first tick."""
        assert block.features is not None
        n, shift = self.genome.n_features, max(tick, 0) if self.sequence else 0
        width = n * (self.genome.ticks if self.sequence else 1)
        tensor = self.chosen(self.features, block.features + shift * n, width)
        if block.map_size == 1:
            return tensor
        shape = (-1, len(block.nodes), block.map_size, block.map_size)
        return self.graph.add("Reshape", tensor, self.graph.integers(*shape))

    def output_at(self, k: int, tick: int) -> str:
        """Return the values of a block at a tick."""
        if self.blocks[k].features is None:
            return self.outputs[k, tick]
        tick = max(tick, 0) if self.sequence else 0
        if (k, tick) not in self.outputs:
            self.outputs[k, tick] = self.input_at(self.blocks[k], tick)
        return self.outputs[k, tick]

    def net_input(self, k: int, tick: int) -> str:
        """Return the net input of a block at a tick: its products and its bias."""
        graph, block = self.graph, self.blocks[k]
        size = block.map_size
        bias = self.bias[block.nodes]
        total: str | None = None
        for number, product in enumerate(block.products):
            if not self.has_state and product not in block.products_at(tick):
                continue
            name = f"block_{k}_product_{number}"
            multiply = self.matrix_product if size == 1 else self.convolution
            term = multiply(product, name, tick - product.delayed)
            total = term if total is None else graph.add("Add", total, term)
        shaped = bias.reshape(1, -1) if size == 1 else bias.reshape(1, -1, 1, 1)
        constant = graph.constant(shaped, f"block_{k}_bias")
        if total is not None:
            return graph.add("Add", total, constant)
        samples = graph.add("Gather", graph.add("Shape", self.features), graph.integers(0), axis=0)
        rest = graph.integers(*((1,) if size == 1 else (1, size, size)))
        return graph.add("Expand", constant, graph.add("Concat", samples, rest, axis=0))

    def matrix_product(self, product: Product, name: str, tick: int) -> str:
        """Return a product into neurons, from the concatenated features of its parts."""
        graph = self.graph
        tensors, n = [], 0
        for source, transform in product.parts:
            tensors.append(self.viewed(self.output_at(source, tick), source, transform, flat=True))
            n += len(self.blocks[source].nodes) * transform.map_size**2
        features = self.chosen(self.joined(tensors), product.used, n)
        if not product.is_sparse:
            weights = product.weights(self.values)
            return graph.add("MatMul", features, graph.constant(weights.T.copy(), name))
        read, entries = product.padded_rows()
        weights = np.where(entries < 0, np.float32(0), self.values[entries])
        index = graph.constant(np.maximum(read, 0).astype(np.int64), f"{name}_features")
        terms = graph.add(
            "Mul", graph.add("Gather", features, index, axis=1), graph.constant(weights, name)
        )
        return graph.add("ReduceSum", terms, graph.integers(2), keepdims=0)

    def convolution(self, product: Product, name: str, tick: int) -> str:
        """Return a product into maps, from the maps of its part."""
        ((source, transform),) = product.parts
        maps = self.viewed(self.output_at(source, tick), source, transform, flat=False)
        maps = self.chosen(maps, product.used, len(self.blocks[source].nodes))
        weights = self.graph.constant(product.weights(self.values), name)
        return self.graph.add("Conv", maps, weights, pads=[transform.margin] * 4)

    def viewed(self, tensor: str, source: int, transform: MapTransform, *, flat: bool) -> str:
        """Return what a product reads of a block: its maps halved or upsampled, `flat` for neurons."""
        view = transform._replace(window=0)
        if (tensor, view, flat) not in self.views:
            self.views[tensor, view, flat] = self.transformed(tensor, source, view, flat=flat)
        return self.views[tensor, view, flat]

    def transformed(self, tensor: str, source: int, view: MapTransform, *, flat: bool) -> str:
        """Add the map transform of :meth:`viewed`."""
        graph, size = self.graph, self.blocks[source].map_size
        if size == 1 and flat:
            return tensor
        if view.downsamplings:
            sides = [2**view.downsamplings] * 2
            pooling = "MaxPool" if self.genome.downsampling == "max" else "AveragePool"
            tensor = graph.add(pooling, tensor, kernel_shape=sides, strides=sides)
        if flat:
            return graph.add("Flatten", tensor, axis=1)
        if size == 1:
            n = len(self.blocks[source].nodes)
            tensor = graph.add("Reshape", tensor, graph.integers(-1, n, 1, 1))
        if size < view.map_size:
            pixels = graph.integers(*(np.arange(view.map_size) * size // view.map_size).tolist())
            for axis in (2, 3):
                tensor = graph.add("Gather", tensor, pixels, axis=axis)
        return tensor


# -- activations -------------------------------------------------------------------------------------------------------


def _number(graph: OnnxGraph, value: float) -> str:
    return graph.constant(np.float32(value), f"number_{value}")


def _gelu(graph: OnnxGraph, n: str) -> str:
    root = graph.add("Mul", n, _number(graph, math.sqrt(0.5)))
    twice = graph.add("Add", graph.add("Erf", root), _number(graph, 1.0))
    return graph.add("Mul", n, graph.add("Mul", twice, _number(graph, 0.5)))


def _gaussian(graph: OnnxGraph, n: str) -> str:
    return graph.add("Exp", graph.add("Neg", graph.add("Mul", n, n)))


def _sign(graph: OnnxGraph, n: str) -> str:
    is_negative = graph.add("Less", n, _number(graph, 0.0))
    return graph.add("Where", is_negative, _number(graph, -1.0), _number(graph, 1.0))


ACTIVATIONS: dict[str, Callable[[OnnxGraph, str], str]] = {
    "identity": lambda graph, n: n,
    "sigmoid": lambda graph, n: graph.add("Sigmoid", n),
    "tanh": lambda graph, n: graph.add("Tanh", n),
    "relu": lambda graph, n: graph.add("Relu", n),
    "leaky_relu": lambda graph, n: graph.add("LeakyRelu", n, alpha=LEAK),
    "gelu": _gelu,
    "sine": lambda graph, n: graph.add("Sin", n),
    "gaussian": _gaussian,
    "sign": _sign,
}
"""The built-in activations as operations of a graph."""
