"""Compiled loops over the paths of length three between two layers: see :mod:`evo.policies.link_prediction`.

Each node has the list of its neighbours in the other layer. ``begins[n]`` and ``ends[n]`` bound the part of a list that
lies in the block at hand. All indices are unsigned, so that no loop looks for negative ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.compile.compilation import kernel

Numbers = NDArray[np.uint32]
Scores = NDArray[np.float32]


@kernel
def count_common_neighbors(
    neighbors: Numbers, others: Numbers, begins: Numbers, ends: Numbers, first: Any, counts: Scores
) -> None:
    """Count how many of a node's `neighbors` each other node of its layer has too.

    `others` are the lists of the other layer; ``counts[k]`` is that of node `first` + k.
    """
    counts[:] = 0
    for i in range(neighbors.shape[0]):
        n = neighbors[i]
        for j in range(begins[n], ends[n]):
            counts[others[j] - first] += np.float32(1)


@kernel
def add_node_terms(
    indptr: Numbers,
    neighbors: Numbers,
    row_begins: Numbers,
    row_ends: Numbers,
    first_row: Any,
    others: Numbers,
    begins: Numbers,
    ends: Numbers,
    first: Any,
    terms: Scores,
    out: Scores,
) -> None:
    """Add the terms of CH2-L3n of all common neighbours in one layer.

    Node z adds ``(1 + c) / (k − c)`` at ``out[r, s]`` for each neighbour r and each node s of its own layer with which
    it has c > 0 of its k neighbours in common.

    Parameters
    ----------
    indptr, neighbors
        The lists of the layer of z. Rows of `out` are the neighbours from `row_begins` to `row_ends`, less `first_row`.
    others, begins, ends
        The lists of the other layer. Columns of `out` are the nodes between `begins` and `ends`, less `first`.
    terms : ndarray of float32, shape (columns,)
        Room for the terms of one node.
    out : ndarray of float32, shape (rows, columns)
    """
    one = np.float32(1)
    for z in range(indptr.shape[0] - 1):
        if row_begins[z] == row_ends[z]:
            continue
        own = neighbors[indptr[z] : indptr[z + 1]]
        degree = np.float32(own.shape[0])
        count_common_neighbors(own, others, begins, ends, first, terms)
        for s in range(terms.shape[0]):
            c = terms[s]
            # At an edge, whose score is not used, the difference may be 0.
            terms[s] = min(c, one) * (one + c) / max(degree - c, one)
        for i in range(row_begins[z], row_ends[z]):
            row = out[neighbors[i] - first_row]
            for s in range(terms.shape[0]):
                row[s] += terms[s]


@kernel
def add_transposed(x: Scores, out: Scores) -> None:
    """Add the transpose of `x` to `out`."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += x[j, i]


@kernel
def find_shares(
    indptr: Numbers,
    neighbors: Numbers,
    others: Numbers,
    begins: Numbers,
    ends: Numbers,
    first: Any,
    shares: Scores,
) -> None:
    """Write ``1 / √(k − c)`` for each node z and each node of its layer between `begins` and `ends`.

    k and c are as in :func:`add_node_terms`; shares[z, s − first] belongs to nodes z and s.
    """
    one = np.float32(1)
    for z in range(indptr.shape[0] - 1):
        own, of_node = neighbors[indptr[z] : indptr[z + 1]], shares[z]
        degree = np.float32(own.shape[0])
        count_common_neighbors(own, others, begins, ends, first, of_node)
        for s in range(of_node.shape[0]):
            of_node[s] = one / np.sqrt(max(degree - of_node[s], one))


@kernel
def add_paths(
    indptr: Numbers,
    targets: Numbers,
    row_begins: Numbers,
    row_ends: Numbers,
    first_row: Any,
    in_indptr: Numbers,
    sources: Numbers,
    shares: Scores,
    beginnings: Numbers,
    middles: Numbers,
    of_middles: Scores,
    roots: Scores,
    sums: Scores,
    out: Scores,
) -> None:
    """Add the terms of CH3-L3p: each path u – b – a – v adds the share of a and u times the share of b and v.

    Parameters
    ----------
    indptr, targets
        The targets of each source a. Rows of `out` are the targets v from `row_begins` to `row_ends`, less `first_row`.
    in_indptr, sources
        The sources of each target b.
    shares : ndarray of float32, shape (targets, rows)
        Of b and v, from :func:`find_shares`.
    beginnings, middles : ndarray of uint32
        Room for the parts u – b – a of all paths to one a: u, and the index of b among the targets of a.
    of_middles, roots, sums : ndarray of float32
        Room for the shares of each b, one for each target; for the shares of a with each u, and for sums over b, one
        for each source.
    out : ndarray of float32, shape (rows, sources)
    """
    one = np.float32(1)
    for a in range(indptr.shape[0] - 1):
        if row_begins[a] == row_ends[a]:
            continue
        own = targets[indptr[a] : indptr[a + 1]]
        degree = np.float32(own.shape[0])
        count_common_neighbors(own, sources, in_indptr[:-1], in_indptr[1:], np.uint32(0), roots)
        for u in range(roots.shape[0]):
            roots[u] = one / np.sqrt(max(degree - roots[u], one))
        n = np.uint32(0)
        for j in range(own.shape[0]):
            for k in range(in_indptr[own[j]], in_indptr[own[j] + 1]):
                beginnings[n], middles[n] = sources[k], np.uint32(j)
                n += np.uint32(1)
        for i in range(row_begins[a], row_ends[a]):
            v = targets[i] - first_row
            row = out[v]
            sums[:] = 0
            for j in range(own.shape[0]):
                of_middles[j] = shares[own[j], v]
            for k in range(n):
                sums[beginnings[k]] += of_middles[middles[k]]
            for u in range(sums.shape[0]):
                row[u] += sums[u] * roots[u]
