"""Compiled loops of the phenotype.

Only the phenotype and other kernels call them.
"""

__all__ = [
    "activation_kernels",
    "backward_kernels",
    "edge_kernels",
    "forward_kernels",
    "map_kernels",
    "narrow_row_kernels",
    "plan_kernels",
    "row_kernels",
    "training_kernels",
    "view_kernels",
]
