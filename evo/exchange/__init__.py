"""Conversion of genomes to and from matrices, networkx, GraphML, JSON, PyTorch and our CNNs; to ONNX and DOT.

The file format of runs is in :mod:`evo.genome.codec`.
"""

from evo.exchange.graph_files import (
    from_graphml,
    from_json,
    load_graph,
    save_graph,
    to_dot,
    to_graphml,
    to_json,
)
from evo.exchange.layered_networks import from_cnn, to_cnn
from evo.exchange.matrices import from_matrix
from evo.exchange.networkx_graphs import from_networkx, to_networkx
from evo.exchange.onnx_graphs import to_onnx
from evo.exchange.torch_networks import from_torch, to_torch

__all__ = [
    "from_cnn",
    "from_graphml",
    "from_json",
    "from_matrix",
    "from_networkx",
    "from_torch",
    "load_graph",
    "save_graph",
    "to_cnn",
    "to_dot",
    "to_graphml",
    "to_json",
    "to_networkx",
    "to_onnx",
    "to_torch",
]
