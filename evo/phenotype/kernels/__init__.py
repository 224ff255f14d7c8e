"""The compiled loops of the phenotype: compiling a plan, the passes forward and backward, gradient descent.

Only the phenotype and other kernels call these loops; ``docs/kernels.md`` says how they are compiled.
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
