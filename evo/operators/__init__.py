"""The mutation operators A B C D F H N and those on nodes: propose, apply, record, replay.

Who chooses among them is in :mod:`evo.policies`.
"""

from evo.operators.elementary import (
    OPERATORS,
    GradientsAt,
    Operation,
    Operator,
    apply_operation,
    gradient_edges,
    random_edges,
    replay,
    threshold_at_quantile,
)
from evo.operators.layers import layers_of
from evo.operators.operation import OperatorSettings, Parameters, Proposing
from evo.operators.preserving import duplicate_node, remove_ineffective, reorder_freely

__all__ = [
    "OPERATORS",
    "GradientsAt",
    "Operation",
    "Operator",
    "OperatorSettings",
    "Parameters",
    "Proposing",
    "apply_operation",
    "duplicate_node",
    "gradient_edges",
    "layers_of",
    "random_edges",
    "remove_ineffective",
    "reorder_freely",
    "replay",
    "threshold_at_quantile",
]
