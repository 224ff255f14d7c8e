"""Loss gradients at places of a matrix of kernels, whether or not there is an edge.

At a place without an edge it is the gradient of an edge of weight 0. Between neurons it is the product of two rows
that are computed anyway. Between maps the source may need a map transform first. So these places are added to the
network as taps of weight 0, which do not change its outputs, and the network is differentiated as usual.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.genome.feature_maps import windows
from evo.genome.genome import Genome, Role
from graphops.validation import check_indices

Integers = NDArray[np.integer[Any]]


def with_taps(
    genome: Genome, sources: Integers, targets: Integers, taps: Integers
) -> tuple[Genome, NDArray[np.intp]]:
    """Add taps of weight 0 at places without an edge, and drop dormant entries.

    Parameters
    ----------
    genome : Genome
        A genome with maps.
    sources, targets, taps : ndarray of int, shape (n_places,)
        Valid places, see :func:`check_places`; no target is an input.

    Returns
    -------
    genome : Genome
        The extended genome, without a threshold; its network has the same outputs.
    entries : ndarray of int, shape (n_places,)
        The stored entry of the extended genome at each place.
    """
    n_rows, live = genome.n_nodes * genome.rows_per_node, genome.active_mask()
    stored = genome.targets[live] * n_rows + genome.rows[live]
    wanted = targets.astype(np.int64) * n_rows + sources.astype(np.int64) * genome.rows_per_node
    wanted += taps
    keys = np.union1d(stored, wanted)
    values = np.zeros(len(keys), genome.values.dtype)
    values[np.searchsorted(keys, stored)] = genome.values[live]
    rows = keys % n_rows
    indptr = np.searchsorted(keys, np.arange(genome.n_nodes + 1) * n_rows)
    extended = replace(
        genome,
        indptr=indptr.astype(np.int64),
        indices=(rows // genome.rows_per_node).astype(np.int32),
        taps=(rows % genome.rows_per_node).astype(np.uint16),
        values=values,
        threshold=None,
    )
    return extended, np.searchsorted(keys, wanted)


def check_places(genome: Genome, sources: Integers, targets: Integers, taps: Integers) -> None:
    """Raise ValueError or IndexError for the first place that does not exist."""
    for name, nodes in (("sources", sources), ("targets", targets)):
        check_indices(name, nodes, genome.n_nodes)
    if not len(sources) == len(targets) == len(taps):
        given = f"{len(sources)}, {len(targets)} and {len(taps)}"
        raise ValueError(f"sources, targets and taps must be equally many; got {given}")
    window = windows(genome.map_sizes[sources], genome.map_sizes[targets], genome.kernel)
    outside = (taps < 0) | (taps >= window**2)
    if outside.any():
        first = int(outside.argmax())
        raise ValueError(
            f"taps must be from 0 to {window[first] ** 2 - 1} from node {sources[first]} to node {targets[first]}; "
            f"got {taps[first]}"
        )


def effective_places(genome: Genome, sources: Integers, targets: Integers) -> NDArray[np.intp]:
    """Return the places where an edge has an effect: not into an input, and not delayed if there is one tick."""
    is_input = genome.roles == Role.INPUT
    acts = ~is_input[targets]
    if genome.ticks == 1:
        acts &= (sources < targets) | is_input[sources]
    return np.flatnonzero(acts)
