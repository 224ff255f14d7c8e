"""What pytest does not look into for doctests where an optional package is missing."""

import importlib.util

NEED_TORCH = (
    "cnn/agreement",
    "cnn/cell",
    "cnn/speed",
    "graph/deep",
    "graph/layers",
    "graph/preparation",
    "maps/sides",
    "maps/speed",
    "peers/torch_graph",
    "peers/torch_layers",
    "peers/torch_levels",
)

collect_ignore = (
    []
    if importlib.util.find_spec("torch")
    else [f"experiments/benchmarks/{module}.py" for module in NEED_TORCH]
)
