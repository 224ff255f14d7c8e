"""Genomes as named arrays with a JSON description, one or many in a file."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.errors import ResultsError
from evo.files import read_arrays
from evo.genome.genome import MAP_FIELDS, STORED_AS, Genome

_DESCRIBED = ("threshold_mode", "ticks", "kernel", "downsampling")
"""The parts of a genome that are no arrays."""


def genome_to_arrays(
    genome: Genome, prefix: str = ""
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Split a genome into arrays and a JSON-able description; what says something of maps only where there are any."""
    left_out = frozenset() if genome.has_maps else MAP_FIELDS
    names = [part.name for part in fields(genome) if part.name not in left_out]
    arrays = {
        prefix + STORED_AS.get(name, name): np.asarray(getattr(genome, name))
        for name in names
        if name not in _DESCRIBED and getattr(genome, name) is not None
    }
    return arrays, {name: getattr(genome, name) for name in names if name in _DESCRIBED}


def genome_from_arrays(
    arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any], prefix: str = ""
) -> Genome:
    """Join what :func:`genome_to_arrays` split; a ValueError or KeyError if it does not make a genome."""
    stored = {part.name: prefix + STORED_AS.get(part.name, part.name) for part in fields(Genome)}
    of_maps = any(stored[name] in arrays for name in MAP_FIELDS if name not in _DESCRIBED)
    left_out = {"threshold"} | (frozenset() if of_maps else MAP_FIELDS)
    parts: dict[str, Any] = {
        name: description[name] if name in _DESCRIBED else arrays[stored[name]]
        for name in stored
        if name not in left_out
    }
    threshold = arrays.get(stored["threshold"])
    one_number = threshold is not None and threshold.ndim == 0
    parts["threshold"] = threshold.item() if one_number else threshold  # type: ignore[union-attr]
    return Genome(**parts)


def load_genomes(path: str | Path) -> dict[int, Genome]:
    """Load the genomes of one generation, by individual.

    Raises
    ------
    ResultsError
        If the file is missing or not such a file.
    """
    arrays, descriptions = read_arrays(path)
    try:
        return {
            int(individual): genome_from_arrays(arrays, description, f"{individual}/")
            for individual, description in descriptions.items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: not a genome file ({error})") from error
