"""The check of a genome's parts against each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.checks import is_whole
from evo.genome import validity_kernels
from evo.genome.activations import ACTIVATIONS
from evo.genome.feature_maps import DOWNSAMPLINGS
from evo.genome.roles import Role

_DTYPES = {
    "indptr": np.dtype(np.int64),
    "indices": np.dtype(np.int32),
    "ids": np.dtype(np.int64),
    "roles": np.dtype(np.uint8),
    "activations": np.dtype(np.uint8),
    "map_sizes": np.dtype(np.int32),
}

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def check_genome(genome: Any) -> None:
    """Raise ValueError at the first part of a genome that does not fit the others."""
    n, nnz = len(genome.ids), len(genome.values)
    for name, dtype in _DTYPES.items():
        if getattr(genome, name).dtype != dtype:
            raise ValueError(f"{name} must be {dtype}; got {getattr(genome, name).dtype}")
    for name in ("indptr", "indices"):
        if getattr(genome, name).ndim != 1:
            raise ValueError(f"{name} must be a vector; got shape {getattr(genome, name).shape}")
    for name in ("ids", "roles", "activations", "map_sizes"):
        _check_shape(name, getattr(genome, name), n)
    check_weights(genome.values, genome.bias, nnz, n)
    _check_nodes(genome, n)
    if genome.taps is not None:
        _check_taps(genome, n)
    _check_entries(genome, n, nnz)
    if genome.threshold_mode not in ("magnitude", "signed"):
        raise ValueError(
            f"threshold_mode must be magnitude or signed; got {genome.threshold_mode!r}"
        )
    if isinstance(genome.threshold, np.ndarray) and genome.threshold.shape != (n,):
        raise ValueError(
            f"threshold must be one number or have shape ({n},); got {genome.threshold.shape}"
        )
    if genome.threshold is not None and not np.isfinite(genome.threshold).all():
        raise ValueError(
            f"threshold must be finite, or None if all entries are edges; got {_extent(genome.threshold)}"
        )
    if not is_whole(genome.ticks):
        raise ValueError(f"ticks must be an integer; got {genome.ticks!r}")
    if genome.ticks < 1:
        raise ValueError(f"ticks must be at least 1; got {genome.ticks}")


def check_weights(values: NDArray[Any], bias: NDArray[Any], nnz: int, n: int) -> None:
    """Raise ValueError unless read-only weights and biases fit a genome of `nnz` stored entries and `n` nodes."""
    if values.dtype not in _FLOATS:
        raise ValueError(f"values must be float32 or float64; got {values.dtype}")
    if bias.dtype != values.dtype:
        raise ValueError(f"bias must have the dtype of values, {values.dtype}; got {bias.dtype}")
    _check_shape("values", values, nnz)
    _check_shape("bias", bias, n)
    for name, numbers in (("values", values), ("bias", bias)):
        if not validity_kernels.all_finite(numbers):
            wrong = numbers[~np.isfinite(numbers)][0]
            raise ValueError(f"{name} must be finite; got {wrong}")


def _check_shape(name: str, array: NDArray[Any], length: int) -> None:
    if array.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},); got {array.shape}")


def _check_nodes(genome: Any, n: int) -> None:
    """Raise ValueError at the first fault of the node table."""
    if not _distinct(genome.ids):
        raise ValueError("ids must be distinct; got an id twice")
    counts = np.bincount(genome.roles, minlength=len(Role))
    if len(counts) > len(Role):
        raise ValueError(
            f"roles must be among {[int(role) for role in Role]}; got {len(counts) - 1}"
        )
    if not counts[Role.OUTPUT]:
        raise ValueError("roles must hold at least one output; got none")
    if genome.activations.max() >= len(ACTIVATIONS):
        raise ValueError(
            f"activations must be codes below {len(ACTIVATIONS)}; got {genome.activations.max()}"
        )
    smallest, largest = genome.map_sizes.min(), genome.map_sizes.max()
    if smallest < 1:
        raise ValueError(f"map_sizes must be at least 1; got {smallest}")
    if largest > 1:
        of_outputs = genome.map_sizes[genome.roles == Role.OUTPUT].max()
        if of_outputs > 1:
            raise ValueError(
                f"map_sizes must be 1 at outputs, which give one score each; got {of_outputs}"
            )
    if not is_whole(genome.kernel) or genome.kernel < 1 or genome.kernel % 2 == 0:
        raise ValueError(f"kernel must be an odd integer of at least 1; got {genome.kernel!r}")
    if genome.downsampling not in DOWNSAMPLINGS:
        raise ValueError(
            f"downsampling must be {' or '.join(DOWNSAMPLINGS)}; got {genome.downsampling!r}"
        )
    if (genome.taps is None) != (largest == 1):
        rule = (
            "an array if any map size is above 1" if largest > 1 else "None if all map sizes are 1"
        )
        raise ValueError(
            f"taps must be {rule}; got {'None' if genome.taps is None else 'an array'}"
        )


def _check_taps(genome: Any, n: int) -> None:
    """Raise ValueError at the first fault of the taps, the indices being checked as far as they are needed."""
    map_sizes, taps, indices, indptr = (
        genome.map_sizes,
        genome.taps,
        genome.indices,
        genome.indptr,
    )
    if taps.dtype != np.uint16 or taps.shape != genome.values.shape:
        raise ValueError(
            f"taps must be uint16 of shape {genome.values.shape}; got {taps.dtype} of shape {taps.shape}"
        )
    if n * genome.rows_per_node > np.iinfo(np.int32).max:
        raise ValueError(
            f"map_sizes and kernel must leave the matrix less than 2³¹ rows; got {n} nodes of "
            f"{genome.rows_per_node} rows"
        )
    if indices.shape != taps.shape or (
        len(indices) and not 0 <= indices.min() <= indices.max() < n
    ):
        raise ValueError(_range_rule(genome, n))
    falls = len(indptr) != n + 1 or (indptr[1:] < indptr[:-1]).any()
    if falls or (indptr[0], indptr[-1]) != (0, len(taps)):
        return  # `_check_entries` reports it
    outside = taps >= genome.windows**2
    if outside.any():
        first = int(outside.argmax())
        source, target = int(indices[first]), int(genome.targets[first])
        raise ValueError(
            f"taps must be below {genome.windows[first] ** 2} from node {source} (map size {map_sizes[source]}) to "
            f"node {target} (map size {map_sizes[target]}); got {taps[first]}"
        )


def _check_entries(genome: Any, n: int, nnz: int) -> None:
    """Raise ValueError at the first fault of the matrix's structure."""
    fault = validity_kernels.first_fault(
        genome.indptr, genome.rows, nnz, n, n * genome.rows_per_node
    )
    if fault == validity_kernels.POINTERS:
        raise ValueError(
            f"indptr must rise from 0 to {nnz} in {n + 1} steps; got {_extent(genome.indptr)}"
        )
    if fault == validity_kernels.RANGE:
        raise ValueError(_range_rule(genome, n))
    if fault == validity_kernels.ORDER:
        taps = "" if genome.taps is None else ", and taps within each source and target"
        raise ValueError(f"indices must rise within each column{taps}")


def _range_rule(genome: Any, n: int) -> str:
    rule = f"indices must be {len(genome.values)} node indices in [0, {n})"
    return f"{rule}; got {_extent(genome.indices)}"


def _extent(numbers: Any) -> str:
    """Return length and range of an array, or a number, for a message of one line."""
    if np.ndim(numbers) == 0:
        return str(numbers)
    return f"{len(numbers)} from {np.min(numbers)} to {np.max(numbers)}" if len(numbers) else "0"


def _distinct(numbers: NDArray[np.int64]) -> bool:
    """Return whether all numbers differ. Small numbers are counted, which is faster than sorting."""
    n = len(numbers)
    if n and numbers.min() >= 0 and numbers.max() < 8 * n:
        return bool(np.bincount(numbers).max() == 1)
    return len(np.unique(numbers)) == n
