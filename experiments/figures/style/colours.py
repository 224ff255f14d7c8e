"""The colours of pictures. Readers who confuse red and green can tell them apart."""

from collections.abc import Iterator, Mapping
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


def style_of(arms: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return colour, line style and marker of each name: the colour of its arm, and the others of its cell.

    Two of up to 210 arms never have all three in common, nor have two of up to 35 cells of an arm.

    Parameters
    ----------
    arms : mapping
        The arm of each name, as :func:`experiments.figures.style.facts.arms_of` returns it.
    """
    return {
        name: {
            "color": PALETTE[colour % len(PALETTE)],
            "linestyle": DASHES[line % len(DASHES)],
            "marker": MARKERS[line % len(MARKERS)],
        }
        for name, colour, line in numbered(arms)
    }


def numbered(arms: Mapping[str, str]) -> Iterator[tuple[str, int, int]]:
    """Yield each name with the number of its colour and that of its lines and markers.

    Names of one arm have its colour. If all are of one arm, each name has a colour of its own.

    Examples
    --------
    >>> list(numbered({"a-1": "a", "a-2": "a", "b": "b"}))
    [('a-1', 0, 0), ('a-2', 0, 1), ('b', 1, 1)]
    """
    known = [*dict.fromkeys(arms.values() if len({*arms.values()}) > 1 else arms)]
    n_before = dict.fromkeys(known, 0)
    for name, arm in arms.items():
        of_colour = arm if arm in n_before else name
        yield name, known.index(of_colour), known.index(of_colour) + n_before[of_colour]
        n_before[of_colour] += 1


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
