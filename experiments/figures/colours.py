"""The colours of pictures of networks, and what they say of a kernel."""

from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import Role

POSITIVE, NEGATIVE, NEUTRAL = "#1f6fb4", "#c8432b", "#555555"
DELAYED_POSITIVE, DELAYED_NEGATIVE = "#6a3d9a", "#d98a00"
MIXED, DELAYED_MIXED = "#8a9099", "#9a8a86"
ROLE_COLOURS = {Role.INPUT: "#8c8c8c", Role.HIDDEN: "#333333", Role.OUTPUT: "#3a923a"}
WEIGHTS = mpl.colors.LinearSegmentedColormap.from_list("weights", [NEGATIVE, "#ffffff", POSITIVE])


def colours_of(
    balance: NDArray[np.float64], *, positive: str, negative: str, mixed: str
) -> NDArray[np.float64]:
    """Return a colour for each edge, shape (n, 4): between that of its sign and that of kernels of mixed signs.

    Parameters
    ----------
    balance : ndarray, shape (n,)
        The sum of each edge's taps over that of their magnitudes, from −1 to 1: its sign, where it has one tap.
    positive, negative, mixed : str
        The colours of 1, −1 and 0.
    """
    share = np.sqrt(np.abs(balance))[
        :, None
    ]  # the sum of a few random taps is far from that of their magnitudes
    signs = np.where((balance > 0)[:, None], _rgba(positive), _rgba(negative))
    colours: NDArray[np.float64] = share * signs + (1 - share) * _rgba(mixed)
    return colours


def _rgba(colour: str) -> NDArray[Any]:
    return np.array(mpl.colors.to_rgba(colour))
