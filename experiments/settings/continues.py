"""Which run a run continues, and where it takes it up; its config.json says so."""

from pydantic import BaseModel, NonNegativeInt


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
