"""Linear algebra on adjacency matrices: pure functions, for ndarrays and sparse arrays alike.

``W[i, j]`` is the weight of the edge from node i to node j. Nothing here knows of networks that
learn or evolve.

==============================  ====================================================================
:mod:`graphops.elementary`      swap, add, reorder, assign: operators B, C, D, F, H, N
:mod:`graphops.transform`       any number of B, C, D, F, H as one value: composed, inverted, recorded
:mod:`graphops.linemap`         what a transform does to rows, or to columns
:mod:`graphops.permutation`     permutations of very many things of which few move
:mod:`graphops.nodes`           nodes appended, inserted, removed, duplicated; an edge split
:mod:`graphops.thresholding`    which stored entries are edges: operator A
:mod:`graphops.determinant`     sign and logarithm of the determinant, by LU and from the cycles
:mod:`graphops.order`           index order as evaluation order: which edges act, how deep nodes lie
:mod:`graphops.initial`         starting matrices
:mod:`graphops.validation`      what is accepted
==============================  ====================================================================
"""

from graphops.determinant import (
    SignedLogDeterminant,
    determinant_by_cycles,
    identity_minus,
    mason_determinant,
    permutation_sign,
    slogdet,
)
from graphops.elementary import add_column, add_row, assign, reorder, swap_columns, swap_rows
from graphops.initial import (
    EXAMPLE_MATRIX,
    GrowthParameter,
    empty,
    erdos_renyi_density,
    feedforward,
    growth_parameter,
    layered,
)
from graphops.linemap import LineMap
from graphops.nodes import (
    append_nodes,
    duplicate_node,
    insert_nodes,
    remove_nodes,
    split_edge,
)
from graphops.order import (
    evaluation_layers,
    immediate_mask,
    needed_nodes,
    strongly_connected,
    useful_edges,
)
from graphops.permutation import Permutation
from graphops.thresholding import keep_limit, quantile_limit, threshold, threshold_mask
from graphops.transform import Transform
from graphops.validation import Matrix, Mode

__all__ = [
    "EXAMPLE_MATRIX",
    "GrowthParameter",
    "LineMap",
    "Matrix",
    "Mode",
    "Permutation",
    "SignedLogDeterminant",
    "Transform",
    "add_column",
    "add_row",
    "append_nodes",
    "assign",
    "determinant_by_cycles",
    "duplicate_node",
    "empty",
    "erdos_renyi_density",
    "evaluation_layers",
    "feedforward",
    "growth_parameter",
    "identity_minus",
    "immediate_mask",
    "insert_nodes",
    "keep_limit",
    "layered",
    "mason_determinant",
    "needed_nodes",
    "permutation_sign",
    "quantile_limit",
    "remove_nodes",
    "reorder",
    "slogdet",
    "split_edge",
    "strongly_connected",
    "swap_columns",
    "swap_rows",
    "threshold",
    "threshold_mask",
    "useful_edges",
]
