"""Loss gradients at places of a matrix of kernels, stored or not: what an edge of weight 0 there would receive.

Between neurons a gradient at a place takes one product of two rows that are there anyway; between maps the source may
have to be halved, enlarged or put in a margin first. So the places are added to the network as taps of weight 0, which
change nothing that it computes, and differentiated with it.
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
    """Add taps of weight 0 where there is no edge; what sleeps is left out.

    Parameters
    ----------
    genome : Genome
        With maps.
    sources, targets, taps : ndarray of int, shape (n_places,)
        Places that there are, see :func:`check_places`; none leads to an input.

    Returns
    -------
    genome : Genome
        Without threshold; it computes what the given one does.
    entries : ndarray of int, shape (n_places,)
        Which of its stored entries each place is.
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
    """Raise at the first place that there is not."""
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
    """Return which places an edge could act at: not into an input, and not delayed where there is one tick."""
    is_input = genome.roles == Role.INPUT
    acts = ~is_input[targets]
    if genome.ticks == 1:
        acts &= (sources < targets) | is_input[sources]
    return np.flatnonzero(acts)
