"""Networks that a reward judged as ONNX graphs: raw observations go in, actions come out, the state of an episode both.

A graph follows :class:`evo.Actor`, with :class:`evo.rewards.Observations` before the network and
:class:`evo.rewards.Actions` behind it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from evo.exchange.onnx_graphs import OnnxGraph, scores_and_state
from evo.genome.genome import Genome
from evo.rewards.interface import WHOLE, Actions, Interface, Observations


def acting_to_onnx(genome: Genome, interface: Interface | None) -> Any:
    """Return the ONNX model of a network that acts; see :meth:`evo.Predictor.to_onnx`."""
    graph = OnnxGraph()
    if interface is None:
        observation = graph.input("observation", "float64", (genome.n_features,))
        features = _as(graph, observation, "float32")
    else:
        features = _encoded(graph, interface.observations)
    scores, state = scores_and_state(graph, genome, features)
    n_outputs = len(genome.outputs)
    graph.output("values", scores, "float32", (n_outputs,))
    if interface is None:
        graph.output("action", scores, "float32", (n_outputs,))
    else:
        actions = interface.actions
        action, dtype, shape = _DECODED[actions.kind](graph, scores, actions)
        graph.output("action", action, dtype, shape)
    if state is not None:
        next_state, n_values = state
        graph.output("next_state", next_state, "float32", (n_values,))
    return graph.model()


def _as(graph: OnnxGraph, tensor: str, dtype: str) -> str:
    """Return a tensor in a dtype."""
    return graph.add("Cast", tensor, to=graph.tensor_type(dtype))


def _encoded(graph: OnnxGraph, observations: Observations) -> str:
    """Add the input of observations, and what :meth:`Observations.encode` computes; return the network's features."""
    if observations.kind == "numbers":
        numbers = graph.input("observation", "float64", (observations.n_inputs,))
        numbers = graph.add(
            "Sub", numbers, graph.constant(np.array(observations.offset, np.float64))
        )
        numbers = graph.add(
            "Div", numbers, graph.constant(np.array(observations.scale, np.float64))
        )
        return _as(graph, numbers, "float32")
    counts = observations.counts
    choices = graph.input("observation", "int64", (len(counts),))
    starts = np.broadcast_to(observations.start, len(counts))
    of_input = np.repeat(np.arange(len(counts)), counts)
    alternatives = np.concatenate(
        [np.arange(n) + start for n, start in zip(counts, starts, strict=True)]
    )
    present = graph.add("Gather", choices, graph.constant(of_input.astype(np.int64)), axis=1)
    is_present = graph.add("Equal", present, graph.constant(alternatives.astype(np.int64)))
    return _as(graph, is_present, "float32")


# -- what Actions.decode computes: tensor, dtype and shape of an action ------------------------------------------------

_Decoded = tuple[str, str, tuple[int, ...]]


def _discrete(graph: OnnxGraph, scores: str, actions: Actions) -> _Decoded:
    chosen = graph.add("ArgMax", scores, axis=1, keepdims=0)
    return graph.add("Add", chosen, graph.constant(np.array(actions.start, np.int64))), "int64", ()


def _multi_discrete(graph: OnnxGraph, scores: str, actions: Actions) -> _Decoded:
    ends = np.cumsum(actions.counts).tolist()
    parts = [
        graph.add("Slice", scores, graph.integers(end - n), graph.integers(end), graph.integers(1))
        for n, end in zip(actions.counts, ends, strict=True)
    ]
    chosen = [graph.add("ArgMax", part, axis=1, keepdims=1) for part in parts]
    together = graph.add("Concat", *chosen, axis=1)
    starts = np.broadcast_to(actions.start, len(ends)).astype(np.int64)
    return _shaped(graph, graph.add("Add", together, graph.constant(starts)), "int64", actions)


def _multi_binary(graph: OnnxGraph, scores: str, actions: Actions) -> _Decoded:
    is_above = graph.add("Greater", scores, graph.constant(np.float32(0)))
    return _shaped(graph, _as(graph, is_above, "int8"), "int8", actions)


def _numbers(graph: OnnxGraph, scores: str, actions: Actions) -> _Decoded:
    low, high = (graph.constant(np.array(one, np.float64)) for one in (actions.low, actions.high))
    first, half_range = graph.constant(actions.first), graph.constant(actions.half_range)
    one = graph.constant(np.float32(1))
    cut = graph.add("Clip", scores, graph.constant(np.float32(-1)), one)
    above = _as(graph, graph.add("Add", cut, one), "float64")
    scaled = graph.add("Add", graph.add("Mul", above, half_range), first)
    numbers = graph.add("Min", graph.add("Max", _as(graph, scores, "float64"), low), high)
    numbers = graph.add("Where", graph.constant(actions.is_bounded), scaled, numbers)
    if actions.dtype in WHOLE:
        zero, (least, most) = graph.constant(np.float64(0)), np.array(WHOLE[actions.dtype])
        numbers = graph.add("Where", graph.add("IsNaN", numbers), zero, numbers)
        whole = graph.add("Round", numbers)
        numbers = graph.add("Clip", whole, graph.constant(least), graph.constant(most))
    return _shaped(graph, _as(graph, numbers, actions.dtype), actions.dtype, actions)


def _shaped(graph: OnnxGraph, tensor: str, dtype: str, actions: Actions) -> _Decoded:
    """Return an action in the shape of its space."""
    return graph.add("Reshape", tensor, graph.integers(-1, *actions.shape)), dtype, actions.shape


_DECODED: dict[str, Callable[[OnnxGraph, str, Actions], _Decoded]] = {
    "discrete": _discrete,
    "multi_discrete": _multi_discrete,
    "multi_binary": _multi_binary,
    "numbers": _numbers,
}
