"""How far the results of two sides lie apart."""

from typing import Any

import numpy as np

STEPS = 20
"""Training steps after which parameters are compared."""


def relative(ours: Any, theirs: Any, scale: Any) -> float:
    """Return the Euclidean norm of a difference, in terms of that of `scale`."""
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(scale))
