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
:mod:`graphops.spectrum`        the spectral radius
:mod:`graphops.statistics`      degrees, cycles and paths in numbers
:mod:`graphops.initial`         starting matrices: layers, the seed's own
:mod:`graphops.wiring`          starting matrices: random networks without layers
:mod:`graphops.convert`         to and from networkx and tables of edges
:mod:`graphops.validation`      what is accepted
==============================  =============================================================
"""

from graphops._draws import draw_distinct
from graphops.convert import from_edge_list, from_networkx, to_edge_list, to_networkx
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
from graphops.spectrum import spectral_radius
from graphops.statistics import (
    CycleStatistics,
    DegreeStatistics,
    PathStatistics,
    cycle_statistics,
    degree_statistics,
    hops,
    path_statistics,
)
from graphops.thresholding import keep_limit, quantile_threshold, threshold, threshold_mask
from graphops.transform import Transform
from graphops.validation import Matrix, Mode
from graphops.wiring import dense, direct, feedforward, recurrent, small_world

__all__ = [
    "EXAMPLE_MATRIX",
    "CycleStatistics",
    "DegreeStatistics",
    "GrowthParameter",
    "LineMap",
    "Matrix",
    "Mode",
    "PathStatistics",
    "Permutation",
    "SignedLogDeterminant",
    "Transform",
    "add_column",
    "add_row",
    "append_nodes",
    "assign",
    "cycle_statistics",
    "degree_statistics",
    "dense",
    "determinant_by_cycles",
    "direct",
    "draw_distinct",
    "duplicate_node",
    "empty",
    "erdos_renyi_density",
    "evaluation_layers",
    "feedforward",
    "from_edge_list",
    "from_networkx",
    "growth_parameter",
    "hops",
    "identity_minus",
    "immediate_mask",
    "insert_nodes",
    "keep_limit",
    "layered",
    "mason_determinant",
    "needed_nodes",
    "path_statistics",
    "permutation_sign",
    "quantile_threshold",
    "recurrent",
    "remove_nodes",
    "reorder",
    "slogdet",
    "small_world",
    "spectral_radius",
    "split_edge",
    "strongly_connected",
    "swap_columns",
    "swap_rows",
    "threshold",
    "threshold_mask",
    "to_edge_list",
    "to_networkx",
    "useful_edges",
]
