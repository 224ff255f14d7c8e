"""What pytest does not look into for doctests where an optional package is missing."""

import importlib.util

NEED_TORCH = (
    "agreement",
    "cnn_cell",
    "cnn_speed",
    "graph_deep",
    "graph_layers",
    "graph_peers_levels",
    "graph_peers_torch",
    "graph_preparation",
    "kernels_sides",
    "kernels_speed",
    "peers_torch",
)

collect_ignore = (
    []
    if importlib.util.find_spec("torch")
    else [f"experiments/benchmarks/{module}.py" for module in NEED_TORCH]
)
