"""What a run used beside its settings: data, fitness and parts of the user's own. A run writes it into config.json."""

from typing import Any

from pydantic import BaseModel

from evo.origin import CodeOrigin


class UsedData(BaseModel, frozen=True, extra="forbid"):
    """The data set of a run.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Number of samples, then the shape of one sample.
    hash : str
        SHA-256 of the contents.
    """

    name: str
    shape: tuple[int, ...]
    hash: str


class Used(BaseModel, frozen=True, extra="forbid"):
    """The data, the fitness and the user's own parts of a run.

    Attributes
    ----------
    data : UsedData
    fitness : CodeOrigin or None
        None where nothing evolves.
    parts : dict of CodeOrigin
        The parts of the user's own that the settings name, and all operators and activations of the user's own; by
        kind and name, such as ``operators.Z``.
    """

    data: UsedData
    fitness: CodeOrigin | None = None
    parts: dict[str, CodeOrigin] = {}


def first_difference(begun: Any, wanted: Any, path: str = "") -> str | None:
    """Return the first difference of two JSON values; None if they are equal.

    Examples
    --------
    >>> first_difference({"policy": {"name": "set"}}, {"policy": {"name": "rigl"}})
    "policy.name: 'set', now 'rigl'"
    """
    if not isinstance(begun, dict) or not isinstance(wanted, dict):
        return None if begun == wanted else f"{path}: {begun!r}, now {wanted!r}"
    for key in [*wanted, *(key for key in begun if key not in wanted)]:
        found = first_difference(
            begun.get(key), wanted.get(key), f"{path}.{key}" if path else str(key)
        )
        if found is not None:
            return found
    return None
