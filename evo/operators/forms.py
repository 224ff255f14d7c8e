"""The forms of parameters in records: which names there must be, and of which kind each value is.

A record may come from outside. :func:`check_parameters` compares the parameters with the forms of their operator before
they are applied, so that a broken record is refused in one line. What depends on the network, such as free places, is
checked where it is applied.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnn.checks import brief, is_whole
from evo.editing.editor import GenomeEditor
from evo.genome.activations import N_CODES
from evo.genome.genome import Role
from evo.operators.records import MAX_TAPS
from evo.recombination.crossover import WIRINGS

Kind = Callable[[str, Any, GenomeEditor], object]
"""Checks a parameter, given its name, its value and the editor that it is for; raises ValueError."""


@dataclass(frozen=True)
class Form:
    """The parameters of an operation by name.

    Attributes
    ----------
    needed, optional : mapping of str to Kind
        Those that must be there, and those that may be there.
    """

    needed: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)


def check_parameters(given: Mapping[str, Any], forms: Sequence[Form], editor: GenomeEditor) -> None:
    """Raise ValueError unless recorded parameters have one of some forms; the message has name, rule and value."""
    form = max(forms, key=lambda one: len(one.needed.keys() & given.keys()))
    known = {**form.needed, **form.optional}
    for name, kind in known.items():
        if name in given:
            kind(name, given[name], editor)
        elif name in form.needed:
            raise ValueError(f"{name} must be given; got {brief(tuple(given))}")
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"parameters must be among {', '.join(known)}; got {brief(unknown[0])}")


# -- kinds of values ---------------------------------------------------------------------------------------------------


def integer(low: int, high: int) -> Kind:
    """Return the kind of integers in a range."""

    def check(name: str, value: Any, editor: GenomeEditor) -> None:
        if not is_whole(value) or not low <= value <= high:
            raise ValueError(f"{name} must be an integer from {low} to {high}; got {brief(value)}")

    return check


def node(name: str, value: Any, editor: GenomeEditor) -> None:
    """Check the index of a node."""
    integer(0, editor.n_nodes - 1)(name, value, editor)


def node_or_end(name: str, value: Any, editor: GenomeEditor) -> None:
    """Check the index of a node or the index after the last node, which is that of the constant node."""
    integer(0, editor.n_nodes)(name, value, editor)


def tap(name: str, value: Any, editor: GenomeEditor) -> None:
    """Check the number of a tap of the largest kernel."""
    integer(0, editor.rows_per_node - 1)(name, value, editor)


def number(name: str, value: Any, editor: GenomeEditor) -> None:
    """Check a number that is finite in the type of the weights."""
    real = is_whole(value) or isinstance(value, float | np.floating)
    if not real or not abs(value) <= float(np.finfo(editor.dtype).max):
        raise ValueError(f"{name} must be a number finite in {editor.dtype}; got {brief(value)}")


def flag(name: str, value: Any, editor: GenomeEditor) -> None:
    """Check a truth value."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false; got {brief(value)}")


def one_text_of(known: Sequence[str]) -> Kind:
    """Return the kind of one of some texts."""

    def check(name: str, value: Any, editor: GenomeEditor) -> None:
        if value not in known:
            raise ValueError(f"{name} must be of {', '.join(known)}; got {brief(value)}")

    return check


role = one_text_of([one.name.lower() for one in Role])
"""The kind of names of a role."""


def several(kind: Kind, count: int | None = None) -> Kind:
    """Return the kind of lists of values of a kind; `count` is their length, by default any but 0."""

    def check(name: str, value: Any, editor: GenomeEditor) -> None:
        if not isinstance(value, list | tuple) or len(value) != (count or max(1, len(value))):
            raise ValueError(
                f"{name} must be a list of {count or 'one or more'}; got {brief(value)}"
            )
        for one in value:
            kind(name, one, editor)

    return check


def one_of(plain: Kind, forms: Sequence[Form]) -> Kind:
    """Return the kind of plain values and of objects with one of some forms."""

    def check(name: str, value: Any, editor: GenomeEditor) -> None:
        if not isinstance(value, Mapping):
            plain(name, value, editor)
            return
        try:
            check_parameters(value, forms, editor)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    return check


def _checked_later(name: str, value: Any, editor: GenomeEditor) -> None:
    """Leave a part of packed numbers to :mod:`evo.operators.records`."""


# -- the larger forms --------------------------------------------------------------------------------------------------

SIZE = integer(1, np.iinfo(np.int32).max)
COUNT = integer(0, np.iinfo(np.int64).max)
SEED = integer(0, 2**128 - 1)
CODE = integer(0, N_CODES - 1)

PACKED = Form(dict.fromkeys(("data", "type", "count"), _checked_later))
NUMBERS = one_of(several(number), [PACKED])

ASSIGNMENTS = (
    Form({"layers": several(SIZE), "counts": several(COUNT), "scale": number, "seed": SEED}),
    Form(
        {"places": one_of(several(COUNT), [PACKED]), "values": NUMBERS},
        {"rows_per_node": integer(1, MAX_TAPS)},
    ),
    Form(
        {"sources": several(node_or_end), "targets": several(node), "values": NUMBERS},
        {"taps": several(tap)},
    ),
)
"""The forms of N; see :mod:`evo.operators.growth`."""

_NEW_NODE: Mapping[str, Kind] = {
    "position": node_or_end,
    "source": node,
    "target": node,
    "activation": CODE,
}

NEW_NODES = (
    Form({"weights": several(number, 2), **_NEW_NODE}),
    Form(
        {
            "taps": several(several(tap), 2),
            "weights": several(several(number), 2),
            "map_size": SIZE,
            **_NEW_NODE,
        }
    ),
)
"""The forms of I and S, between neurons and between maps."""

_MATES: Mapping[str, Kind] = {"mates": several(COUNT)}

MEAN = Form({"weights": several(number), **_MATES}, {"tried": several(COUNT)})
"""The form of V."""

CROSSOVER = Form({"wiring": one_text_of(WIRINGS), "seed": SEED, **_MATES})
"""The form of Y."""

_GROUPS: Mapping[str, Kind] = {
    "layers": several(SIZE),
    "map_sizes": several(SIZE),
    "roles": several(role),
}

_THRESHOLDS = one_of(
    several(number),
    [
        PACKED,
        Form({"keep": COUNT}),
        *(Form({"keep": several(COUNT), name: kind}) for name, kind in _GROUPS.items()),
        *(Form({"thresholds": several(number), name: kind}) for name, kind in _GROUPS.items()),
    ],
)


def threshold(name: str, value: Any, editor: GenomeEditor) -> None:
    """Check the threshold of A: none, a number, one number per node, or thresholds or counts of groups."""
    if isinstance(value, list | tuple | Mapping):
        _THRESHOLDS(name, value, editor)
    elif value is not None:
        number(name, value, editor)
