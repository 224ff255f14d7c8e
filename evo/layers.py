"""Layered networks: where an edge of a layer may lie, and how layers grow edges at random.

A matrix has no layers. What has them is a founder (``graph = "layered"``), whose settings give the number of nodes of
each: :meth:`evo.founders.FounderSettings.layers`. Its nodes are named 0, 1, … layer after layer, and names never
change; so as long as no operator moves nodes, as none of SET and RigL does, layers are stretches of positions. These
sizes are all that is handed on, to policies by :class:`evo.operation.Proposing` and to records; both check that they
fit.

The *places* of a layer are those between it and the layer before. Free ones are numbered target after target and never
listed, so that drawing some costs what is drawn, and not the size of the layer.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import graphops
from evo import layer_kernels
from evo.draft import Draft
from evo.genome import FloatArray
from evo.operation import Parameters
from evo.records import check_layers
from graphops.validation import check_integer, check_number


class Layer(NamedTuple):
    """The places between two neighbouring layers: from nodes ``first_source`` … to ``first_target`` … ``end - 1``."""

    first_source: int
    first_target: int
    end: int

    @property
    def targets(self) -> NDArray[np.intp]:
        """Positions of the layer's nodes."""
        return np.arange(self.first_target, self.end)

    @property
    def n_places(self) -> int:
        """Number of places, free or not."""
        return (self.first_target - self.first_source) * (self.end - self.first_target)


def layers_of(sizes: Sequence[int]) -> list[Layer]:
    """Return all layers but the inputs'.

    Examples
    --------
    >>> layers_of((4, 3, 2))
    [Layer(first_source=0, first_target=4, end=7), Layer(first_source=4, first_target=7, end=9)]
    """
    bounds = [0, *itertools.accumulate(sizes)]
    return [Layer(*three) for three in zip(bounds, bounds[1:], bounds[2:], strict=False)]


def check_layered(draft: Draft, sizes: Sequence[int]) -> None:
    """Check that a draft still has the layers of its founder.

    Raises
    ------
    ValueError
        If nodes have been added, removed or moved since.
    """
    check_layers(sizes, draft.n_nodes)
    if draft.rows_per_node > 1:
        raise ValueError("layers must be of neurons; the network has maps")
    if not np.array_equal(draft.ids, np.arange(draft.n_nodes)):
        raise ValueError("layers need the nodes of their founder, in its order")


class FreePlaces:
    """The free places of a draft's layers, as it stands now.

    Parameters
    ----------
    draft : Draft
    """

    def __init__(self, draft: Draft) -> None:
        weights = draft.weights
        self._indptr, self._rows = weights.indptr, weights.indices

    def count(self, layer: Layer) -> int:
        """Return how many free places there are.

        Raises
        ------
        ValueError
            If a node of the layer hears any node that is not of the layer before.
        """
        where = (layer.first_target, layer.end, layer.first_source, layer.first_target)
        if layer_kernels.n_outside(self._indptr, self._rows, *where):
            raise ValueError(f"layers must hear the layer before alone; {layer} does not")
        stored = self._indptr[layer.end] - self._indptr[layer.first_target]
        return layer.n_places - int(stored)

    def find(
        self,
        layer: Layer,
        ranks: NDArray[np.intp],
        sources: NDArray[np.int32],
        counts: NDArray[np.int64],
    ) -> None:
        """Write down the sources of the free places with some ranks, ascending, and how many each target has."""
        layer_kernels.rows_of_free_places(
            ranks,
            self._indptr,
            self._rows,
            layer.first_target,
            layer.end,
            layer.first_source,
            layer.first_target,
            sources,
            counts,
        )


def grow_in_layers(draft: Draft, parameters: Parameters) -> None:
    """Grow edges at random places of each layer, with random weights.

    Parameters
    ----------
    draft : Draft
    parameters : dict
        ``layers``, the nodes of each, inputs first; ``counts``, the edges to grow in each but the inputs'; ``scale``,
        the standard deviation of weights in units of 1/√in-degree, as it will be; ``seed``. That is all there is to
        record: every draw follows from the seed.

    Raises
    ------
    ValueError
        If the parameters do not fit each other or the draft.

    Notes
    -----
    O(stored entries + new·log new).
    """
    sizes = check_layers(parameters["layers"], draft.n_nodes)
    seed = check_integer("seed", parameters["seed"], at_least=0)
    layers = layers_of(sizes)
    scale = check_number("scale", parameters["scale"])
    counts = [check_integer("counts", count, at_least=0) for count in parameters["counts"]]
    if len(counts) != len(layers):
        raise ValueError(f"counts must be {len(layers)}, one per layer; received {len(counts)}")
    free = FreePlaces(draft)
    fan_ins = draft.in_degree(slice(None))
    n_free = [free.count(layer) for layer in layers]
    if any(count > most for count, most in zip(counts, n_free, strict=True)):
        raise ValueError(f"counts must be at most the free places {n_free}; received {counts}")
    new = np.zeros(draft.n_nodes, np.int64)
    sources = np.empty(sum(counts), np.int32)
    values: FloatArray = np.empty(sum(counts), draft.dtype)
    end = 0
    for k, (layer, count) in enumerate(zip(layers, counts, strict=True)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
        of_layer, targets = slice(end, end + count), slice(layer.first_target, layer.end)
        end += count
        ranks = graphops.draw_distinct(n_free[k], count, rng=rng)
        free.find(layer, ranks, sources[of_layer], new[targets])
        fan_in = np.maximum(fan_ins[targets] + new[targets], 1)
        values[of_layer] = rng.standard_normal(count, dtype=draft.dtype)
        values[of_layer] *= np.repeat((scale / np.sqrt(fan_in)).astype(draft.dtype), new[targets])
    draft.insert(new, sources, values)
