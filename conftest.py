"""What pytest does not look into for doctests: what needs a missing package, and a script with a part of its own."""

import importlib.util

BENCHMARKS = (
    "cnn/agreement",
    "cnn/cell",
    "cnn/speed",
    "graph/deep",
    "graph/layers",
    "graph/preparation",
    "maps/sides",
    "maps/speed",
    "peers/torch_graph",
    "peers/torch_gru",
    "peers/torch_layers",
    "peers/torch_levels",
)
NEED_TORCH = [
    "evo/exchange/torch_modules.py",
    *(f"experiments/benchmarks/{module}.py" for module in BENCHMARKS),
]

REGISTERS = ["experiments/schemes.py"]
"""A script that enters a part of its own when it is imported."""

collect_ignore = REGISTERS + ([] if importlib.util.find_spec("torch") else NEED_TORCH)
