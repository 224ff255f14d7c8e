"""Numbers of layers in settings: from 1, the layer after the inputs, or from −1, the outputs."""

from collections.abc import Sequence


def indices_of_layers(name: str, numbers: Sequence[int], n_layers: int) -> frozenset[int]:
    """Return the indices, from 0, of layers after the inputs.

    Parameters
    ----------
    name : str
        Name of the setting, for messages.
    numbers : sequence of int
    n_layers : int
        Number of layers without the inputs.

    Raises
    ------
    ValueError
        If a number is 0 or beyond the layers.

    Examples
    --------
    >>> sorted(indices_of_layers("fixed_layers", [1, -1], 4))
    [0, 3]
    """
    for number in numbers:
        if not 1 <= abs(number) <= n_layers:
            raise ValueError(
                f"{name} must be from 1 to {n_layers} or from {-n_layers} to -1; got {number}"
            )
    return frozenset(number - 1 if number > 0 else n_layers + number for number in numbers)
