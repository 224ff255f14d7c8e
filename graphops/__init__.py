"""Linear algebra on adjacency matrices: pure functions of ndarrays and sparse arrays.

``W[i, j]`` is the weight of the edge from node i to node j. Trained and evolved networks are in other packages.

==============================  ====================================================================
:mod:`graphops.elementary`      swap, add, reorder, assign: operators B, C, D, F, H, N
:mod:`graphops.transform`       products of B, C, D, F, H as one value: composition, inverse, record
:mod:`graphops.linemap`         the part of a transform that acts on rows, or on columns
:mod:`graphops.nodes`           append, insert, remove and duplicate nodes; split an edge
:mod:`graphops.thresholding`    the threshold that selects edges among stored entries: operator A
:mod:`graphops.determinant`     sign and logarithm of the determinant, by LU and from cycles
:mod:`graphops.order`           index order as evaluation order: useful edges, depth of nodes
:mod:`graphops.spectrum`        the spectral radius
:mod:`graphops.statistics`      degree, cycle and path statistics
:mod:`graphops.initial`         initial matrices: layers, and those of the seed document
:mod:`graphops.wiring`          initial matrices: random networks without layers
:mod:`graphops.bipartite`       initial matrices: edges between two layers
:mod:`graphops.shuffling`       other edges with the same degrees
:mod:`graphops.convert`         networkx graphs and tables of edges
:mod:`graphops.validation`      argument checks
==============================  =============================================================
"""

from graphops._draws import Scale, draw_distinct
from graphops.bipartite import (
    connect_layers,
    correlation_pattern,
    erdos_renyi_densities,
    random_pattern,
    receptive_field_pattern,
    scale_free_pattern,
    small_world_pattern,
)
from graphops.convert import from_networkx, to_edge_list, to_networkx
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
    growth_weights,
    layered,
    random_weights,
)
from graphops.linemap import LineMap
from graphops.nodes import append_nodes, duplicate_node, insert_nodes, remove_nodes, split_edge
from graphops.order import evaluation_layers, needed_nodes, strongly_connected, useful_edges
from graphops.shuffling import shuffle_sources
from graphops.spectrum import spectral_radius
from graphops.statistics import (
    CycleStatistics,
    DegreeStatistics,
    PathStatistics,
    cycle_statistics,
    degree_statistics,
    path_statistics,
)
from graphops.thresholding import count_threshold, quantile_threshold, threshold, threshold_mask
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
    "Scale",
    "SignedLogDeterminant",
    "Transform",
    "add_column",
    "add_row",
    "append_nodes",
    "assign",
    "connect_layers",
    "correlation_pattern",
    "count_threshold",
    "cycle_statistics",
    "degree_statistics",
    "dense",
    "determinant_by_cycles",
    "direct",
    "draw_distinct",
    "duplicate_node",
    "empty",
    "erdos_renyi_densities",
    "erdos_renyi_density",
    "evaluation_layers",
    "feedforward",
    "from_networkx",
    "growth_parameter",
    "growth_weights",
    "identity_minus",
    "insert_nodes",
    "layered",
    "mason_determinant",
    "needed_nodes",
    "path_statistics",
    "permutation_sign",
    "quantile_threshold",
    "random_pattern",
    "random_weights",
    "receptive_field_pattern",
    "recurrent",
    "remove_nodes",
    "reorder",
    "scale_free_pattern",
    "shuffle_sources",
    "slogdet",
    "small_world",
    "small_world_pattern",
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
