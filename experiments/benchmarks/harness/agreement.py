"""Differences between the results of two sides."""

from typing import Any

import numpy as np

STEPS = 20
"""Training steps after which parameters are compared."""


def relative(ours: Any, theirs: Any, scale: Any) -> float:
    """Return the Euclidean norm of a difference divided by the norm of `scale`."""
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(scale))
