"""The colours of pictures. Readers who confuse red and green can tell them apart."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from evo.genome.genome import Role

POSITIVE, NEGATIVE, NEUTRAL = "#005a9c", "#b5321c", "#555555"
DELAYED_POSITIVE, DELAYED_NEGATIVE = "#56b4e9", "#eda100"
MIXED, DELAYED_MIXED = "#8a9099", "#9a8a86"
ROLE_COLOURS = {Role.INPUT: "#8c8c8c", Role.HIDDEN: "#333333", Role.OUTPUT: "#3a923a"}
WEIGHTS = mpl.colors.LinearSegmentedColormap.from_list("weights", [NEGATIVE, "#ffffff", POSITIVE])

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours of arms: those of Okabe and Ito."""

DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "D", "^", "X", "v", "P")


def style_of(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return colour, line style and marker of each arm; two arms never have all three in common, up to 210 of them."""
    return {
        name: {
            "color": PALETTE[k % len(PALETTE)],
            "linestyle": DASHES[k % len(DASHES)],
            "marker": MARKERS[k % len(MARKERS)],
        }
        for k, name in enumerate(names)
    }


def colours_of(
    balance: NDArray[np.float64], *, positive: str, negative: str, mixed: str
) -> NDArray[np.float64]:
    """Return a colour for each edge, shape (n, 4): a mixture of the colour of its sign and that of mixed signs.

    Parameters
    ----------
    balance : ndarray, shape (n,)
        Sum of the taps of each edge over the sum of their magnitudes, from −1 to 1; with one tap, its sign.
    positive, negative, mixed : str
        The colours of 1, −1 and 0.
    """
    # The root compensates that the sum of a few random taps is far below the sum of their magnitudes.
    share = np.sqrt(np.abs(balance))[:, None]
    signs = np.where((balance > 0)[:, None], _rgba(positive), _rgba(negative))
    colours: NDArray[np.float64] = share * signs + (1 - share) * _rgba(mixed)
    return colours


def _rgba(colour: str) -> NDArray[Any]:
    return np.array(mpl.colors.to_rgba(colour))
