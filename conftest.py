"""What pytest does not look into for doctests where an optional package is missing."""

import importlib.util

NEED_TORCH = ("agreement", "cnn_cell", "cnn_speed", "peers_torch")

collect_ignore = (
    []
    if importlib.util.find_spec("torch")
    else [f"experiments/benchmarks/{module}.py" for module in NEED_TORCH]
)
