"""The operators A B C D F H N, those that add or remove nodes, and V and Y: propose, apply, record, replay.

A new operator is one file and one entry of :data:`evo.operators.registry.OPERATORS`. Which operators are applied is
decided in :mod:`evo.policies`; the matrix is changed by :mod:`evo.editing`.
"""

from evo.operators.elementary import threshold_at_quantile
from evo.operators.growth import gradient_edges, random_edges
from evo.operators.layers import layers_of
from evo.operators.operation import (
    GradientsAt,
    Operation,
    Operator,
    OperatorSettings,
    Parameters,
    ProposalContext,
)
from evo.operators.preserving import duplicate_node, remove_ineffective, reorder_freely
from evo.operators.registry import OPERATORS, apply_operation, replay
from evo.operators.screening import must_change_function, screened, within_size_limit

__all__ = [
    "OPERATORS",
    "GradientsAt",
    "Operation",
    "Operator",
    "OperatorSettings",
    "Parameters",
    "ProposalContext",
    "apply_operation",
    "duplicate_node",
    "gradient_edges",
    "layers_of",
    "must_change_function",
    "random_edges",
    "remove_ineffective",
    "reorder_freely",
    "replay",
    "screened",
    "threshold_at_quantile",
    "within_size_limit",
]
