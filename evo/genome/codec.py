"""Genomes to and from named arrays with a JSON description. A file holds one genome or many."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.files import one_line
from evo.errors import ResultsError
from evo.files import read_arrays
from evo.genome.activations import check_described, describe_own
from evo.genome.genome import MAP_FIELDS, STORED_AS, Genome

_NOT_ARRAYS = ("threshold_mode", "ticks", "kernel", "downsampling")
"""The parts of a genome that are in the description."""


def genome_to_arrays(
    genome: Genome, prefix: str = ""
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Split a genome into arrays and a JSON description. Without feature maps the parts about maps are left out.

    Own activations are described by name, so that a process without them, or with others, refuses the genome.
    """
    left_out = frozenset() if genome.has_maps else MAP_FIELDS
    names = [part.name for part in fields(genome) if part.name not in left_out]
    arrays = {
        prefix + STORED_AS.get(name, name): np.asarray(getattr(genome, name))
        for name in names
        if name not in _NOT_ARRAYS and getattr(genome, name) is not None
    }
    own = describe_own(genome.activations)
    description: dict[str, Any] = {"own_activations": own} if own else {}
    return arrays, description | {
        name: getattr(genome, name) for name in names if name in _NOT_ARRAYS
    }


def genome_from_arrays(
    arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any], prefix: str = ""
) -> Genome:
    """Join the parts that :func:`genome_to_arrays` split; raise ValueError or KeyError if they are not a genome."""
    stored = {part.name: prefix + STORED_AS.get(part.name, part.name) for part in fields(Genome)}
    has_maps = any(stored[name] in arrays for name in MAP_FIELDS if name not in _NOT_ARRAYS)
    left_out = {"threshold"} | (frozenset() if has_maps else MAP_FIELDS)
    parts: dict[str, Any] = {
        name: description[name] if name in _NOT_ARRAYS else arrays[stored[name]]
        for name in stored
        if name not in left_out
    }
    if isinstance(parts.get("kernel"), list):  # JSON has no tuples
        parts["kernel"] = tuple(map(tuple, parts["kernel"]))
    threshold = arrays.get(stored["threshold"])
    one_number = threshold is not None and threshold.ndim == 0
    parts["threshold"] = threshold.item() if one_number else threshold  # type: ignore[union-attr]
    check_described(description.get("own_activations", {}))
    return Genome(**parts)


def load_genomes(path: str | Path) -> dict[int, Genome]:
    """Load the genomes of one generation. The keys are the numbers of the individuals.

    Raises
    ------
    ResultsError
        If the file is missing or is not a file of genomes.
    """
    arrays, descriptions = read_arrays(path)
    try:
        return {
            int(individual): genome_from_arrays(arrays, description, f"{individual}/")
            for individual, description in descriptions.items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: must be a genome file; got {one_line(error)}") from error
