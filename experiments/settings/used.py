"""What a run writes into its config.json beside the settings: what it used, and which run it continues."""

from typing import Any

from pydantic import BaseModel, NonNegativeInt

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


class Continues(BaseModel, frozen=True, extra="forbid"):
    """The run that a run continues.

    Attributes
    ----------
    run : str
        Name of its folder.
    path : str
        The folder, as an absolute path.
    journal : str
        Checksum of the first line of its journal, which tells it from another run in this place.
    individual : int or None
        Number of the individual with which all slots begin; None if they begin with the whole population.
    first_generation : dict of int
        The first generation of the newer run, by seed.
    steps_before : dict of int
        Gradient steps along an ancestry that were planned for the generations before it, by seed.
    """

    run: str
    path: str
    journal: str
    individual: int | None = None
    first_generation: dict[int, NonNegativeInt]
    steps_before: dict[int, NonNegativeInt]


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
