"""Names of classes and features, as pictures write them."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from experiments.figures.style.sizes import letters_in

LONGEST = 26
"""Characters of a name in a picture."""

SHARE = 0.25
"""Largest fraction of the width of a picture that names at one of its sides take."""


def longest_in(width: float) -> int:
    """Return how many characters a name at the side of a picture may have, given the width in inches."""
    return min(LONGEST, letters_in(SHARE * width))


def short_name(name: str, longest: int = LONGEST) -> str:
    """Return a name that fits into a picture: of a long one the middle is left out; a dollar sign is no formula.

    Examples
    --------
    >>> short_name("cat"), short_name("species number 17 of the world")
    ('cat', 'species numbe…of the world')
    """
    name = " ".join(name.split()) or name
    if len(name) > longest:
        half = longest // 2
        name = f"{name[:half]}…{name[1 - half :]}"
    return name.replace("$", r"\$")


def short_names(names: Sequence[str], longest: int = LONGEST) -> list[str]:
    """Return names that fit into a picture; if short names would be alike, each gets its number.

    Examples
    --------
    >>> short_names(["number 1 of the world", "number 2 of the world"], 12)
    ['numbe…orld 1', 'numbe…orld 2']
    """
    short = [short_name(name, longest) for name in names]
    if len({*short}) == len({*names}):
        return short
    room = longest - 1 - len(str(len(names)))
    return [f"{short_name(name, room)} {number}" for number, name in enumerate(names, start=1)]


BESIDE = 22
"""Characters that stand beside the name of an arm in a legend, such as the number of its seeds."""


def arm_labels(arms: Iterable[str], width: float) -> dict[str, str]:
    """Return the label of each arm for a legend below a picture, of a width in inches; no two are alike.

    Examples
    --------
    >>> arm_labels(["evolved-hidden-4"], 3.35)
    {'evolved-hidden-4': 'evolved-hidden-4'}
    """
    names = [*arms]
    longest = max(LONGEST, letters_in(width) - BESIDE)
    return dict(zip(names, short_names(names, longest), strict=True))


@contextmanager
def one_warning_of_missing_characters() -> Iterator[None]:
    """Say once that the font lacks characters of names, instead of once for each character and picture."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    missing = [one for one in caught if "missing from font" in str(one.message)]
    for one in caught:
        if one not in missing:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if missing:
        warnings.warn(
            "pictures show boxes for some characters of names, which the font of matplotlib lacks; "
            "matplotlib.rcParams['font.family'] names another font",
            stacklevel=3,
        )
