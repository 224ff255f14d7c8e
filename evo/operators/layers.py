"""Layered networks: where an edge of a layer may lie, and how layers grow edges at random.

A matrix has no layers. What has them is a founder (``graph = "layered"``, or ``"maps"``, where they are called
levels), whose settings give the number of nodes of each: :meth:`evo.initial.founders.FounderSettings.layers`. Its nodes
are named 0, 1, … layer after layer, and names never change; so as long as no operator moves nodes, as none of SET and
RigL does, layers are stretches of positions. These sizes are all that is handed on, to policies by
:class:`evo.operators.operation.Proposing` and to records; both check that they fit.

The *places* of a layer are those between it and the layer before; between maps, which have one side in each layer, each
tap of each kernel is one. Free ones are numbered target after target and never listed, so that drawing some costs what
is drawn, and not the size of the layer.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.feature_maps import map_transform
from evo.genome.genome import FloatArray
from evo.operators import layer_kernels
from evo.operators.operation import Parameters
from evo.operators.records import check_layers
from graphops.validation import check_integer, check_number


class Layer(NamedTuple):
    """The places between two neighbouring layers: from nodes ``first_source`` … to ``first_target`` … ``end - 1``.

    Each pair of them has a place for each of the `taps` that a kernel may have.
    """

    first_source: int
    first_target: int
    end: int
    taps: int = 1

    @property
    def targets(self) -> NDArray[np.intp]:
        """Positions of the layer's nodes."""
        return np.arange(self.first_target, self.end)

    @property
    def n_places(self) -> int:
        """Number of places, free or not."""
        n_pairs = (self.first_target - self.first_source) * (self.end - self.first_target)
        return n_pairs * self.taps


def layers_of(editor: GenomeEditor, sizes: Sequence[int]) -> list[Layer]:
    """Return all layers but the inputs', of so many nodes each.

    Raises
    ------
    ValueError
        If nodes of one layer have several sides.

    Examples
    --------
    >>> from evo import FounderSettings, create_founders
    >>> settings = FounderSettings(graph="layered", hidden=3)
    >>> layers_of(GenomeEditor(create_founders(settings, 4, 2, n_founders=1, seed=0)[0]), (4, 3, 2))
    [Layer(first_source=0, first_target=4, end=7, taps=1), Layer(first_source=4, first_target=7, end=9, taps=1)]
    """
    bounds = [0, *itertools.accumulate(sizes)]
    layers = [Layer(*three) for three in zip(bounds, bounds[1:], bounds[2:], strict=False)]
    if editor.rows_per_node == 1:
        return layers
    map_sizes = editor.map_sizes
    for first, end in itertools.pairwise(bounds):
        if (map_sizes[first:end] != map_sizes[first]).any():
            raise ValueError(
                f"layers must be of nodes of one side each; nodes {first} to {end - 1} are not"
            )
    return [
        layer._replace(
            taps=map_transform(
                int(map_sizes[layer.first_source]),
                int(map_sizes[layer.first_target]),
                editor.kernel,
            ).window
            ** 2
        )
        for layer in layers
    ]


def check_layered(editor: GenomeEditor, sizes: Sequence[int]) -> None:
    """Check that an editor still has the layers of its founder.

    Raises
    ------
    ValueError
        If nodes have been added, removed or moved since.
    """
    check_layers(sizes, editor.n_nodes)
    if not np.array_equal(editor.ids, np.arange(editor.n_nodes)):
        raise ValueError("layers need the nodes of their founder, in its order")


def sizes_now(editor: GenomeEditor, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the nodes of each layer as they are by now: some removed, and copies put right behind what they copy.

    Parameters
    ----------
    editor : GenomeEditor
    sizes : sequence of int
        Those of the founder.

    Raises
    ------
    ValueError
        If layers are no longer stretches of positions, or one is empty.
    """
    of_founder = np.repeat(np.arange(len(sizes)), sizes)
    ids = editor.ids
    known = np.flatnonzero(ids < len(of_founder))
    if len(known) == 0 or known[0] > 0:
        raise ValueError("layers need the inputs of their founder in front")
    # A node with a name of its own is of the layer of the one before.
    at = np.repeat(known, np.diff(np.append(known, len(ids))))
    layers = of_founder[ids[at]]
    counts = np.bincount(layers, minlength=len(sizes))
    if (np.diff(layers) < 0).any() or (counts == 0).any():
        raise ValueError(
            "layers need the nodes of their founder, in its order, and one of each layer"
        )
    return tuple(counts.tolist())


class FreePlaces:
    """The free places of an editor's layers, as it stands now.

    Parameters
    ----------
    editor : GenomeEditor
    """

    def __init__(self, editor: GenomeEditor) -> None:
        weights = editor.weights
        self._indptr, self._rows = weights.indptr, weights.indices
        self._rows_per_node = editor.rows_per_node

    def count(self, layer: Layer) -> int:
        """Return how many free places there are.

        Raises
        ------
        ValueError
            If a node of the layer hears any node that is not of the layer before.
        """
        low, high = (
            self._rows_per_node * node for node in (layer.first_source, layer.first_target)
        )
        where = (layer.first_target, layer.end, low, high)
        if layer_kernels.n_outside(self._indptr, self._rows, *where):
            raise ValueError(f"layers must hear the layer before alone; {layer} does not")
        stored = self._indptr[layer.end] - self._indptr[layer.first_target]
        return layer.n_places - int(stored)

    def find(
        self,
        layer: Layer,
        ranks: NDArray[np.intp],
        rows: NDArray[np.int32],
        counts: NDArray[np.int64],
    ) -> None:
        """Write down the rows of the free places with some ranks, ascending, and how many each target has."""
        stored = self._indptr, self._rows, layer.first_target, layer.end
        if self._rows_per_node > 1:
            stored = self._without_gaps(layer)
        low, high = (layer.taps * node for node in (layer.first_source, layer.first_target))
        layer_kernels.rows_of_free_places(ranks, *stored, low, high, rows, counts)
        if self._rows_per_node > 1:
            nodes, taps = np.divmod(rows, layer.taps)
            rows[:] = nodes * self._rows_per_node + taps

    def _without_gaps(self, layer: Layer) -> tuple[NDArray[np.intp], NDArray[np.intp], int, int]:
        """Return the columns of a layer in rows ``taps · node + tap``, of which each is a place."""
        indptr = self._indptr[layer.first_target : layer.end + 1]
        nodes, taps = np.divmod(self._rows[indptr[0] : indptr[-1]], self._rows_per_node)
        return indptr - indptr[0], nodes * layer.taps + taps, 0, layer.end - layer.first_target


def grow_in_layers(editor: GenomeEditor, parameters: Parameters) -> None:
    """Grow edges at random places of each layer, with random weights.

    Parameters
    ----------
    editor : GenomeEditor
    parameters : dict
        ``layers``, the nodes of each, inputs first; ``counts``, the edges to grow in each but the inputs'; ``scale``,
        the standard deviation of weights in units of 1/√in-degree, as it will be; ``seed``. That is all there is to
        record: every draw follows from the seed.

    Raises
    ------
    ValueError
        If the parameters do not fit each other or the editor.

    Notes
    -----
    O(stored entries + new·log new).
    """
    sizes = check_layers(parameters["layers"], editor.n_nodes)
    seed = check_integer("seed", parameters["seed"], at_least=0)
    layers = layers_of(editor, sizes)
    scale = check_number("scale", parameters["scale"])
    counts = [check_integer("counts", count, at_least=0) for count in parameters["counts"]]
    if len(counts) != len(layers):
        raise ValueError(f"counts must be {len(layers)}, one per layer; received {len(counts)}")
    free = FreePlaces(editor)
    fan_ins = editor.in_degree(slice(None))
    n_free = [free.count(layer) for layer in layers]
    if any(count > most for count, most in zip(counts, n_free, strict=True)):
        raise ValueError(f"counts must be at most the free places {n_free}; received {counts}")
    new = np.zeros(editor.n_nodes, np.int64)
    rows = np.empty(sum(counts), np.int32)
    values: FloatArray = np.empty(sum(counts), editor.dtype)
    end = 0
    for k, (layer, count) in enumerate(zip(layers, counts, strict=True)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
        of_layer, targets = slice(end, end + count), slice(layer.first_target, layer.end)
        end += count
        ranks = graphops.draw_distinct(n_free[k], count, rng=rng)
        free.find(layer, ranks, rows[of_layer], new[targets])
        fan_in = np.maximum(fan_ins[targets] + new[targets], 1)
        values[of_layer] = rng.standard_normal(count, dtype=editor.dtype)
        values[of_layer] *= np.repeat((scale / np.sqrt(fan_in)).astype(editor.dtype), new[targets])
    editor.insert(new, rows, values)
