"""The peers of the benchmarks: PyTorch, SciPy, networkx, neat-python.

A peer is a program by others that computes the same as ours. The measurements are in the rooms beside this one.
"""

__all__ = [
    "layers",
    "mutation",
    "neat",
    "scipy_graph",
    "torch_graph",
    "torch_gru",
    "torch_layers",
    "torch_levels",
]
