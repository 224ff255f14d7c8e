"""The peers we are measured against: PyTorch, SciPy, networkx, neat-python.

What is measured is in the benchmarks beside this folder.
"""

__all__ = [
    "layers",
    "mutation",
    "neat",
    "scipy_graph",
    "torch_graph",
    "torch_layers",
    "torch_levels",
]
