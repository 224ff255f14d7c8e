"""Free places: where the matrix stores no entry and an operator may grow one.

A place is a row of W and a target; without maps the row is the source. There are three sets of places, with one
interface: the whole matrix, some of its columns, and one layer. Each draws distinct free places at random. Columns and
layers can also list all their free places. The three draw random numbers in different ways, which must stay as they
are: earlier results depend on them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.editing.editor import GenomeEditor
from evo.genome.genome import Role
from evo.genome.possible_taps import PossibleTaps
from evo.operators import free_place_kernels
from evo.operators.layers import Layer
from evo.operators.operation import LARGEST_CHECKED, TRIES, source_roles
from evo.operators.records import Places

StoredRows = tuple[NDArray[Any], NDArray[Any], int, int]
"""Columns of a matrix: indptr, rows, and the first column and the end of some."""

_INPUT, _OUTPUT = int(Role.INPUT), int(Role.OUTPUT)

Keys = NDArray[np.int64]
"""Places as numbers, target · (number of rows) + row."""

LARGEST_LISTED = 1 << 20
"""Largest number of places up to which all free ones are listed."""

CANDIDATES_PER_EDGE = 10
"""Places whose gradient is measured for each new edge, where not all are."""


class PlacesInMatrix:
    """The free places of the whole matrix where an edge is effective.

    In a network of up to :data:`evo.operators.operation.LARGEST_CHECKED` stored entries, a place is offered if an edge
    there can change an output. In a larger network it is offered if an edge there can change its target.
    """

    def __init__(self, editor: GenomeEditor) -> None:
        self._editor = editor
        small = editor.n_stored <= LARGEST_CHECKED
        self._needed = _needed(editor) if small else np.ones((2, editor.n_nodes), np.bool_)
        self._possible: PossibleTaps | None = None
        if editor.rows_per_node > 1:
            self._possible = PossibleTaps(editor.map_sizes, editor.kernel)

    def draw(self, count: int, rng: np.random.Generator) -> Places:
        """Draw distinct free places, fewer than `count` if they are rare, in the order drawn."""
        n_rows = self._editor.n_nodes * self._editor.rows_per_node
        keys = _draw_until(count, lambda: self._draw_keys(4 * count + 16, rng))[:count]
        return keys % n_rows, keys // n_rows

    def _draw_keys(self, count: int, rng: np.random.Generator) -> Keys:
        editor = self._editor
        if self._possible is None:
            rows, targets = rng.integers(editor.n_nodes, size=(2, count))
            sources = rows
        else:
            sources, taps, targets = self._possible.draw(count, rng)
            rows = editor.join(sources, taps)
        chosen, immediate = _affects_target(editor, sources, targets)
        in_time = self._needed[0][targets]
        if editor.ticks > 1:
            in_time = np.where(immediate, in_time, self._needed[1][targets])
        chosen &= in_time
        return _free_keys(editor, rows[chosen], targets[chosen])


class PlacesInColumns:
    """The free places of some columns of a matrix without maps, where an edge has an effect on its target."""

    def __init__(self, editor: GenomeEditor, targets: NDArray[np.intp]) -> None:
        self._editor, self._targets = editor, targets
        self._sources = editor.positions(*source_roles(editor))

    @property
    def n_places(self) -> int:
        """Number of places, free or not."""
        return len(self._sources) * len(self._targets)

    def all(self) -> Places:
        """Return all free places, ordered by target and source."""
        sources, targets = self._sources, self._targets
        return self._places(
            self._keys(np.tile(sources, len(targets)), np.repeat(targets, len(sources)))
        )

    def draw(self, count: int, rng: np.random.Generator) -> Places:
        """Draw distinct free places, fewer than `count` if they are rare, ordered by target and source."""
        n = 2 * count
        found = _draw_until(
            count, lambda: self._keys(rng.choice(self._sources, n), rng.choice(self._targets, n))
        )
        keys = np.sort(found)
        return self._places(
            np.sort(rng.choice(keys, count, replace=False)) if len(keys) >= count else keys
        )

    def _keys(self, sources: NDArray[np.intp], targets: NDArray[np.intp]) -> Keys:
        chosen, _ = _affects_target(self._editor, sources, targets)
        return _free_keys(self._editor, sources[chosen], targets[chosen])

    def _places(self, keys: Keys) -> Places:
        return keys % self._editor.n_nodes, keys // self._editor.n_nodes


class PlacesInLayer:
    """The free places of one layer, numbered target after target: drawing some costs what is drawn, not the layer.

    Attributes
    ----------
    layer : Layer
    n_free : int
        Number of free places.
    """

    def __init__(
        self, layer: Layer, rows_per_node: int, indptr: NDArray[np.intp], rows: NDArray[np.int32]
    ) -> None:
        self.layer, self._rows_per_node = layer, rows_per_node
        self._indptr, self._rows = indptr, rows
        first, end = layer.first_target, layer.end
        low, high = (rows_per_node * node for node in (layer.first_source, first))
        if free_place_kernels.n_outside(indptr, rows, first, end, low, high):
            raise ValueError(
                f"in-edges of a layer must come from the layer before; got others in {layer}"
            )
        self.n_free = layer.n_places - int(indptr[end] - indptr[first])

    @property
    def n_places(self) -> int:
        """Number of places, free or not."""
        return self.layer.n_places

    def all(self) -> Places:
        """Return all free places, ordered by target and row."""
        return self._places(np.arange(self.n_free))

    def draw(self, count: int, rng: np.random.Generator) -> Places:
        """Draw distinct free places, all if there are no more than `count`, ordered by target and row."""
        return self._places(graphops.draw_distinct(self.n_free, min(count, self.n_free), rng=rng))

    def find(
        self, ranks: NDArray[np.intp], rows: NDArray[np.int32], counts: NDArray[np.int64]
    ) -> None:
        """Write the rows of the free places of some ranks, ascending, and how many each target has."""
        layer = self.layer
        first, end = layer.first_target, layer.end
        if self._rows_per_node == 1:
            stored: StoredRows = self._indptr, self._rows, first, end
        else:
            stored = self._without_gaps()
        low, high = (layer.taps * node for node in (layer.first_source, layer.first_target))
        free_place_kernels.rows_of_free_places(ranks, *stored, low, high, rows, counts)
        if self._rows_per_node > 1:
            nodes, taps = np.divmod(rows, layer.taps)
            rows[:] = nodes * self._rows_per_node + taps

    def _places(self, ranks: NDArray[np.intp]) -> Places:
        rows = np.empty(len(ranks), np.int32)
        counts = np.empty(len(self.layer.targets), np.int64)
        self.find(ranks, rows, counts)
        return rows.astype(np.intp), np.repeat(self.layer.targets, counts)

    def _without_gaps(self) -> StoredRows:
        """Return the layer's columns in rows ``taps · node + tap``, each of which is a place."""
        layer = self.layer
        indptr = self._indptr[layer.first_target : layer.end + 1]
        nodes, taps = np.divmod(self._rows[indptr[0] : indptr[-1]], self._rows_per_node)
        return indptr - indptr[0], nodes * layer.taps + taps, 0, layer.end - layer.first_target


def places_in_layers(editor: GenomeEditor, layers: Sequence[Layer]) -> list[PlacesInLayer]:
    """Return the free places of each layer in the editor's present state; the matrix is built once for all layers.

    Raises
    ------
    ValueError
        If a node of a layer has an in-edge from any but the layer before.
    """
    weights = editor.weights
    indptr, rows = weights.indptr, weights.indices
    return [PlacesInLayer(layer, editor.rows_per_node, indptr, rows) for layer in layers]


FreePlaces = PlacesInColumns | PlacesInLayer
"""Free places that can be counted, listed and drawn."""


def list_or_draw(places: FreePlaces, count: int, rng: np.random.Generator) -> Places:
    """Return all free places or, of more than `LARGEST_LISTED` places, about `count` random free ones."""
    return places.all() if places.n_places <= LARGEST_LISTED else places.draw(count, rng)


# -- inside ------------------------------------------------------------------------------------------------------------


def _draw_until(count: int, draw_keys: Callable[[], Keys]) -> Keys:
    """Draw keys in rounds until `count` are distinct, for :data:`TRIES` rounds at most; return them as first drawn."""
    found = np.empty(0, dtype=np.int64)
    for _ in range(TRIES):
        found = _distinct(np.concatenate([found, draw_keys()]))
        if len(found) >= count:
            break
    return found


def _distinct(keys: Keys) -> Keys:
    """Return each key once, in the order of first occurrence."""
    table = np.full(1 << (2 * len(keys)).bit_length(), -1, np.int64)
    first = np.empty(len(keys), np.bool_)
    free_place_kernels.mark_first(keys, table, first)
    return keys[first]


def _free_keys(editor: GenomeEditor, rows: NDArray[np.intp], targets: NDArray[np.intp]) -> Keys:
    """Return the keys of the places that store no entry, in the order given."""
    free = ~editor.holds(rows, targets)
    keys: Keys = targets[free].astype(np.int64) * (editor.n_nodes * editor.rows_per_node)
    return keys + rows[free]


def _affects_target(
    editor: GenomeEditor, sources: NDArray[np.intp], targets: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell of places whether an edge there would have an effect on its target, and whether it would be immediate."""
    of_sources = editor.role(sources)
    immediate: NDArray[np.bool_] = (sources < targets) | (of_sources == _INPUT)
    affects = editor.role(targets) != _INPUT
    if editor.ticks == 1:
        affects &= immediate & (of_sources != _OUTPUT)
    return affects, immediate


def _needed(editor: GenomeEditor) -> NDArray[np.bool_]:
    """Tell which nodes reach an output in time after an immediate and after a delayed edge; shape (2, n)."""
    genome = editor.freeze()
    delays = genome.delays_to_output(genome.active_mask())
    return np.stack([delays < genome.ticks, delays < genome.ticks - 1])
