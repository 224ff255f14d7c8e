"""Layered networks: which nodes and which places belong to a layer.

A matrix has no layers. A founder with ``graph = "layered"`` or ``"maps"`` has them, and its settings give the number of
nodes of each: :meth:`evo.initial.settings.FounderSettings.layer_sizes`. Its nodes have the ids 0, 1, … layer after
layer. As long as no operator moves nodes (SET and RigL do not), a layer is a range of node indices. Policies get the
sizes from :class:`evo.operators.operation.ProposalContext`, and records repeat them; both are checked.

Any network has *levels*: the nodes of a level have the same depth (:func:`levels_of`). In a layered network that is
full enough, levels are layers. Operators that change whole levels use them.

The *places* of a layer lie between its nodes and those of the layer before. Between maps, whose sizes are equal within
a layer, each tap of each kernel is a place.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.feature_maps import map_transform
from evo.genome.genome import Role
from evo.operators.operation import Accept, draw_node
from evo.operators.records import check_layers


class Layer(NamedTuple):
    """The places between two neighbouring layers.

    Sources are the nodes ``first_source`` … ``first_target - 1``, targets the nodes ``first_target`` … ``end - 1``.
    Each pair of them has `taps` places.
    """

    first_source: int
    first_target: int
    end: int
    taps: int = 1

    @property
    def targets(self) -> NDArray[np.intp]:
        """Indices of the layer's nodes."""
        return np.arange(self.first_target, self.end)

    @property
    def n_places(self) -> int:
        """Number of places, free or not."""
        n_pairs = (self.first_target - self.first_source) * (self.end - self.first_target)
        return n_pairs * self.taps


def layers_of(editor: GenomeEditor, sizes: Sequence[int]) -> list[Layer]:
    """Return all layers but the inputs, given the number of nodes of each.

    Raises
    ------
    ValueError
        If nodes of one layer have several map sizes.

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
            found = np.unique(map_sizes[first:end]).tolist()
            raise ValueError(
                f"layers must have one map size each; got {found} for nodes {first} to {end - 1}"
            )

    def taps(layer: Layer) -> int:
        source, target = (int(map_sizes[k]) for k in (layer.first_source, layer.first_target))
        return map_transform(source, target, editor.kernel).window ** 2

    return [layer._replace(taps=taps(layer)) for layer in layers]


def check_layered(editor: GenomeEditor, sizes: Sequence[int]) -> None:
    """Check that an editor still has the layers of its founder.

    Raises
    ------
    ValueError
        If nodes have been added, removed or moved since.
    """
    check_layers(sizes, editor.n_nodes)
    if not np.array_equal(editor.ids, np.arange(editor.n_nodes)):
        raise ValueError("nodes must be those of a layered founder, in its order; got others")


def current_layer_sizes(editor: GenomeEditor, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the number of nodes of each layer after nodes were removed or duplicated.

    A duplicate belongs to the layer of its original, which it follows in the order of nodes.

    Parameters
    ----------
    editor : GenomeEditor
    sizes : sequence of int
        The layer sizes of the founder.

    Raises
    ------
    ValueError
        If a layer is not a range of node indices, or is empty.
    """
    if editor.ids[0] >= sum(sizes):
        raise ValueError("the first nodes must be the inputs of a layered founder; got others")
    layers = layer_of_nodes(editor, sizes)
    counts = np.bincount(layers, minlength=len(sizes))
    if (np.diff(layers) < 0).any() or (counts == 0).any():
        raise ValueError(
            "nodes must be in the order of a layered founder, with at least one in each layer; "
            f"got {counts.tolist()} nodes in its layers"
        )
    return tuple(counts.tolist())


def layer_of_nodes(editor: GenomeEditor, sizes: Sequence[int]) -> NDArray[np.intp]:
    """Return the founder's layer of each node, in whatever order they are.

    A node that the founder did not have belongs to the layer of the node before it, or to the first one after the
    inputs.

    Parameters
    ----------
    editor : GenomeEditor
    sizes : sequence of int
        The layer sizes of the founder.
    """
    ids, of_founder = editor.ids, np.repeat(np.arange(len(sizes)), sizes)
    is_founders = ids < len(of_founder)
    before = np.maximum.accumulate(np.where(is_founders, np.arange(len(ids)), -1))
    layers = np.where(before < 0, 0, of_founder[ids[before] * (before >= 0)])
    return np.where(is_founders, layers, np.maximum(layers, 1))


# -- levels of any network ---------------------------------------------------------------------------------------------


def levels_of(editor: GenomeEditor) -> NDArray[np.intp]:
    """Return the level of each node: the number of edges on the longest path to it over active, undelayed edges.

    Inputs have level 0. This looks at the whole network: O(stored entries + nodes).

    Examples
    --------
    >>> from evo import Genome
    >>> chain = [[0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0.0]]
    >>> levels_of(GenomeEditor(Genome.from_matrix(chain, n_inputs=1, n_outputs=1))).tolist()
    [0, 1, 2, 3]
    """
    genome = editor.freeze()
    mask = genome.active_mask() & (genome.roles[genome.targets] != Role.INPUT)
    inputs = genome.inputs if genome.ticks == 1 else ()
    return graphops.evaluation_layers(genome.strengths(mask), inputs)


def level_around(
    editor: GenomeEditor, node: int, roles: tuple[Role, ...], accept: Accept
) -> list[int]:
    """Return the nodes of the level of a node that have one of the roles and that `accept` accepts, ascending."""
    levels = levels_of(editor)
    return [
        other
        for other in editor.positions(*roles).tolist()
        if levels[other] == levels[node] and accept(other)
    ]


def draw_node_or_level(editor: GenomeEditor, rng: np.random.Generator, accept: Accept) -> list[int]:
    """Draw a hidden node that `accept` accepts or, half the time, all such nodes of its level; [] if there are none."""
    node = draw_node(editor, rng, (Role.HIDDEN,), accept)
    if node is None:
        return []
    return level_around(editor, node, (Role.HIDDEN,), accept) if rng.integers(2) else [node]
