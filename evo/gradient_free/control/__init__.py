"""Tasks of control in compiled code: poles on a cart, in the forms of the published comparisons.

Equations are in kernels; :mod:`evo.gradient_free.control.tasks` makes tasks of them.
"""

from evo.gradient_free.control.tasks import (
    COMPILED_TASKS,
    cart_pole,
    cart_pole_episodes,
    count_generalisation,
    double_pole,
    double_pole_without_velocities,
    generalisation_episodes,
    single_pole,
)

__all__ = [
    "COMPILED_TASKS",
    "cart_pole",
    "cart_pole_episodes",
    "count_generalisation",
    "double_pole",
    "double_pole_without_velocities",
    "generalisation_episodes",
    "single_pole",
]
