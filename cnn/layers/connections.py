"""Connections of a convolution: the input maps of each output map, as a table or a matrix of bools."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cnn.checks import brief, is_whole

Connections: TypeAlias = Sequence[Sequence[int]] | Sequence[Sequence[bool]]


def connected_pairs(
    connections: Connections | None, n_maps: int, n_inputs: int
) -> npt.NDArray[np.intp]:
    """List the connections as pairs (output map, input map).

    Parameters
    ----------
    connections
        For each output map the indices of its input maps, each once; or a matrix of bools of shape
        (n_maps, n_inputs); or None, which connects all maps.
    n_maps, n_inputs
        Number of output maps and of input maps.

    Returns
    -------
    ndarray of intp, shape (n_connections, 2)
        Sorted by output map, then input map.

    Raises
    ------
    ValueError
        If `connections` has another form. A matrix of 0 and 1 is not accepted: it would be read as a table.

    Examples
    --------
    >>> connected_pairs([[2, 0], [1]], 2, 3).tolist()
    [[0, 0], [0, 2], [1, 1]]
    >>> connected_pairs(np.array([[True, False, True], [False, True, False]]), 2, 3).tolist()
    [[0, 0], [0, 2], [1, 1]]
    """
    if connections is None:
        return np.argwhere(np.ones((n_maps, n_inputs), bool))
    form = (
        f"connections must name, for each of {n_maps} output maps, at least one of the input maps "
        f"0 … {n_inputs - 1}, as integers and each once; or be a matrix of bools of shape "
        f"({n_maps}, {n_inputs})"
    )
    try:
        table = [list(seen) for seen in connections]
    except TypeError:
        raise ValueError(f"{form}; got {brief(connections)}") from None
    entries = [entry for seen in table for entry in seen]
    if entries and all(isinstance(entry, bool | np.bool_) for entry in entries):
        fits = all(len(seen) == n_inputs for seen in table)
        table = [[c for c, sees in enumerate(seen) if sees] for seen in table] if fits else []
    if len(table) != n_maps or not all(
        seen
        and all(is_whole(c) and 0 <= c < n_inputs for c in seen)
        and len(set(seen)) == len(seen)
        for seen in table
    ):
        raise ValueError(f"{form}; got {brief(connections)}")
    return np.array([(k, c) for k, seen in enumerate(table) for c in sorted(seen)], np.intp)
